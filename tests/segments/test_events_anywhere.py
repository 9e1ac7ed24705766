"""Whose events count: the account's own, or with the switch “in any account” those of its users wherever they are."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import Account
from core.clock import Moment
from segments.explaining import explain_rule
from segments.questions import Reader
from tests import factories
from tests.segments.test_events import NOON, UTC, ago, did, event, users, who
from usage.rollup import roll_up


@pytest.fixture(autouse=True)
def _three(db: None) -> None:
    for key in ("busy", "some", "none"):
        factories.account(external_id=key)


def test_a_user_of_two_accounts_exporting_in_one_never_makes_the_other_match() -> None:
    one, two = Account.objects.get(external_id="some"), Account.objects.get(external_id="none")
    person = factories.end_user(external_id="dee")
    factories.relationship(one, person)
    factories.relationship(two, person)
    did("some", "Merge", ago(1), "dee")
    assert who(event("Merge", value=1)) == {"some"}
    assert who(users("any", event("Merge", value=1))) == {"some"}
    assert who(event("Merge", value=1, anywhere=True)) == {"some", "none"}
    assert who(users("any", event("Merge", value=1, anywhere=True))) == {"some", "none"}
    assert who(users("all", event("Merge", op="never"))) == {"none"}


def test_one_after_another_in_any_account() -> None:
    one, two = Account.objects.get(external_id="some"), Account.objects.get(external_id="none")
    dee, eve = (factories.end_user(external_id=key) for key in ("dee", "eve"))
    for account, person in ((one, dee), (two, dee), (two, eve)):
        factories.relationship(account, person)
    did("some", "Merge", ago(2), "dee")
    did("busy", "Ship", ago(1), "dee")
    did("none", "Close", ago(1), "eve")

    def then(second: str, op: str = "then", **more: Any) -> dict[str, Any]:
        steps = [{"event": "Merge"}, {"event": second}]
        window = {"last": 30, "unit": "day"}
        return {"sequence": steps, "op": op, "within": {"n": 36, "unit": "hour"}, "window": window, **more}

    assert who(then("Ship")) == who(then("Close")) == set()
    assert who(then("Ship", anywhere=True)) == {"some", "none"}
    # By two users of one account, which is the second account's alone.
    assert who(then("Close", anywhere=True)) == {"none"}
    assert who(then("Close", "not_then", anywhere=True)) == {"some"}
    assert who(users("any", then("Close", anywhere=True))) == set()
    assert who(users("any", then("Ship", anywhere=True))) == {"some", "none"}


def test_in_any_account_since_the_account_s_own_date_counts_each_event_once() -> None:
    one, two = Account.objects.get(external_id="some"), Account.objects.get(external_id="none")
    person = factories.end_user(external_id="dee")
    for account, since in ((one, ago(1)), (two, ago(20))):
        factories.relationship(account, person)
        account.customer_since = since.date()
        account.save()
    left = Account.objects.get(external_id="busy")
    left.customer_since = ago(90).date()
    left.save()
    factories.relationship(left, person, started_at=ago(9), ended_at=ago(8))
    did("busy", "Merge", ago(10), "dee")
    since = {"since": "account.customer_since"}
    assert who(event("Merge", value=1, window=since, anywhere=True)) == {"none"}
    assert who(event("Merge", value=2, window=since, anywhere=True)) == set()
    did("some", "Merge", ago(1), "dee")
    rule = {"match": "all", "rules": [event("Merge", value=2, window=since, anywhere=True)]}
    reader = Reader.now(Moment(NOON, UTC))
    roll_up(reader.moment)
    told = {}
    for account in Account.objects.all():
        found = explain_rule(rule, Account.objects.filter(pk=account.pk), reader=reader)
        assert found is not None
        told[account.external_id] = found.outcome.met, found.outcome.outcomes[0].actual
    assert told == {
        "none": (True, "2 times, last on 21 Nov 2026"),
        "some": (False, "1 time, last on 21 Nov 2026"),
        "busy": (False, "0 times"),
    }


def test_in_any_account_leaves_out_people_who_have_gone() -> None:
    person = factories.end_user(external_id="dee")
    factories.relationship(Account.objects.get(external_id="some"), person, ended_at=ago(5), started_at=ago(9))
    did("busy", "Merge", ago(1), "dee")
    assert who(event("Merge", value=1, anywhere=True)) == set()
