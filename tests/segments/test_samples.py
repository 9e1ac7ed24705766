"""How many rows have a value, as the picker says it."""

from __future__ import annotations

import re

import pytest
from django.template.loader import render_to_string
from django.utils import timezone

from accounts.models import Account, AttributeDefinition
from segments.picker import catalogue
from segments.questions import Reader
from segments.samples import examples, few_values
from tests.factories import account, end_user, relationship, subscription

pytestmark = pytest.mark.django_db


def test_attributes_with_few_values_are_told_with_their_share() -> None:
    AttributeDefinition.objects.create(subject="account", key="region", name="Region", kind="text")
    for number in range(50):
        account(
            f"No. {number}", plan="Team" if number < 30 else "", attributes={"region": "EMEA"} if number < 4 else {}
        )
    told = few_values(Reader.now().vocabulary)
    assert told["account.custom.region"] == "8% of accounts"
    assert told["account.renews_on"] == "0% of accounts"
    assert "account.plan" not in told  # 60 %
    assert "account.name" not in told


def test_accounts_that_are_gone_do_not_count() -> None:
    for number in range(60):
        gone = number % 2
        account(f"No. {number}", country="" if gone else "Norway", archived_at=timezone.now() if gone else None)
    assert "account.country" not in few_values(Reader.now().vocabulary)


def test_of_a_handful_nothing_is_told() -> None:
    for number in range(19):
        account(f"No. {number}")
    assert few_values(Reader.now().vocabulary) == {}
    Account.objects.create(name="One more", external_id="more")
    assert few_values(Reader.now().vocabulary)["account.plan"] == "0% of accounts"


def test_users_have_shares_of_their_own() -> None:
    of = account("Large")
    for number in range(40):
        relationship(of, end_user(f"p{number}@large.example", title="Buyer" if number == 7 else ""))
    assert few_values(Reader.now().vocabulary)["user.title"] == "2% of users"


def test_the_picker_says_the_share_instead_of_an_example() -> None:
    for number in range(40):
        account(f"No. {number}", plan="Team", mrr=10, country="Norway" if number == 0 else "")
    html = render_to_string("ui/_picker.html", {"catalogue": catalogue(Reader.now(), Account.objects.live())})
    shown = {key: example for key, example in re.findall(r'data-key="([^"]+)".*?class="eg clip">([^<]*)<', html)}
    assert (shown["account.country"], shown["account.plan"]) == ("2% of accounts", "Team")


def test_examples_are_values_of_accounts_that_may_be_seen() -> None:
    for name, mrr in (("Hidden", 900), ("Seen", 10)):
        of = account(name, mrr=mrr, plan=f"Plan {name}")
        relationship(of, end_user(f"{name.lower()}@mail.example", title=f"Title {name}"), role=f"Role {name}")
        subscription(of, plan=f"Subscription {name}")
    vocabulary = Reader.now().vocabulary
    found = examples(vocabulary, Account.objects.filter(name="Seen"))
    told = " ".join(str(value) for value in found.values())
    assert "Title Seen" in told and "Subscription Seen" in told and found["account.name"] == "Seen"
    assert "hidden" not in told.lower()
    assert "hidden" in str(examples(vocabulary, Account.objects.live())).lower()
