"""HubSpot: companies become accounts, their contacts users; merges, the bin, more changes than a search pages."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from accounts.facts import Fact, record_accounts
from accounts.models import Account, AttributeChange, EndUser, Relationship
from integrations.connections import hubspot as hubspot_client
from integrations.connections.editing import change_mapping
from integrations.models import Connection, ConnectionLink
from tests import factories
from tests.connections import hubspot_side
from tests.connections.conftest import Pull
from tests.connections.hubspot_side import START
from tests.connections.standin import StandIn


@pytest.fixture(autouse=True)
def _now(time_machine: Any) -> None:
    time_machine.move_to(START + dt.timedelta(minutes=5), tick=True)


def companies_and_contacts(standin: StandIn) -> None:
    side = standin.hubspot
    side.put("companies", "101", name="Acme", domain="acme.example", industry="SOFTWARE", country="Norway")
    side.put("companies", "102", name="Bolt", domain="bolt.example")
    side.put("contacts", "9", ["101"], email="ann@acme.example", firstname="Ann", lastname="Berg", jobtitle="CTO")
    side.put("contacts", "10", ["101", "102", "103"], email="bo@bolt.example", firstname="Bo")
    side.put("contacts", "11", [], email="nobody@else.example")


def test_companies_become_accounts_and_contacts_their_users(hubspot: Connection, standin: StandIn, pull: Pull) -> None:
    companies_and_contacts(standin)
    run = pull(hubspot)
    assert (run.state, run.error, run.problems, run.read, run.unmatched) == ("done", "", [], 5, 1)
    acme = Account.objects.get(external_id="hubspot:101")
    assert (acme.name, acme.domain, acme.industry, acme.country) == ("Acme", "acme.example", "SOFTWARE", "Norway")
    ann = EndUser.objects.get(email="ann@acme.example")
    assert (ann.external_id, ann.name, ann.title) == ("hubspot:9", "Ann Berg", "CTO")
    assert acme.stamps["domain"][1] == ann.stamps["title"][1] == "hubspot:CRM"
    belongs = set(Relationship.objects.open().values_list("user__email", "account__name"))
    assert belongs == {("ann@acme.example", "Acme"), ("bo@bolt.example", "Acme"), ("bo@bolt.example", "Bolt")}
    assert not EndUser.objects.filter(email="nobody@else.example").exists()


def test_a_second_run_changes_nothing(hubspot: Connection, standin: StandIn, pull: Pull) -> None:
    companies_and_contacts(standin)
    pull(hubspot)
    tables = (Account, EndUser, Relationship)
    before = [list(model.objects.order_by("pk").values()) for model in tables]  # type: ignore[attr-defined]
    changes = AttributeChange.objects.count()
    for full in (False, True):
        run = pull(hubspot, full=full)
        assert (run.state, run.created, run.updated, run.gone) == ("done", 0, 0, 0)
    assert [list(model.objects.order_by("pk").values()) for model in tables] == before  # type: ignore[attr-defined]
    assert AttributeChange.objects.count() == changes


def test_accounts_and_users_that_are_known_are_found(hubspot: Connection, standin: StandIn, pull: Pull) -> None:
    change_mapping(hubspot, {"unmatched": "list", "id_key": "csbox_id", "user_key": "app_user"})
    by_key, by_domain = (
        factories.account("Old name", external_id="a-1"),
        factories.account("B", domain="www.bolt.example"),
    )
    factories.account("Not this one", external_id="102")
    by_mail = factories.end_user("A", email="Ann@Acme.example")
    by_id = factories.end_user("B", external_id="u-77")
    companies_and_contacts(standin)
    standin.hubspot.put("companies", "101", csbox_id="a-1")
    standin.hubspot.put("contacts", "10", app_user="u-77")
    pull(hubspot)
    links = dict(ConnectionLink.objects.filter(kind="company").values_list("remote_id", "account"))
    assert links == {"101": by_key.pk, "102": by_domain.pk}
    by_key.refresh_from_db()
    assert by_key.name == "Acme"
    users = dict(ConnectionLink.objects.filter(kind="contact", user__isnull=False).values_list("remote_id", "user"))
    assert users == {"9": by_mail.pk, "10": by_id.pk}


def test_changes_are_searched_and_a_newer_edit_by_hand_stays(
    hubspot: Connection, standin: StandIn, pull: Pull, time_machine: Any
) -> None:
    companies_and_contacts(standin)
    pull(hubspot)
    time_machine.shift(dt.timedelta(hours=2))
    record_accounts([Fact("hubspot:101", {"industry": "Banking"}, timezone.now())], source="admin:me")
    standin.hubspot.clock = timezone.now() + dt.timedelta(seconds=30)
    Connection.objects.update(since=timezone.now() - dt.timedelta(minutes=1))
    time_machine.shift(dt.timedelta(minutes=5))
    standin.hubspot.put("companies", "101", country="Sweden")
    standin.hubspot.put("contacts", "9", ["102"])
    standin.log.clear()
    run = pull(hubspot)
    assert (run.full, run.read) == (False, 2)
    account = Account.objects.get(external_id="hubspot:101")
    # the company changed later than the edit, but its industry did not
    assert (account.country, account.industry) == ("Sweden", "Banking")
    ann = Relationship.objects.filter(user__external_id="hubspot:9")
    assert {row.account.name: row.ended_at is None for row in ann.select_related("account")} == {
        "Acme": False,
        "Bolt": True,
    }
    assert not standin.paths("/crm/v3/objects/companies?")


def test_a_value_that_is_cleared_there_is_cleared_here_and_one_never_set_clears_nothing(
    hubspot: Connection, standin: StandIn, pull: Pull
) -> None:
    factories.account("Bolt", domain="bolt.example", industry="Kept")
    companies_and_contacts(standin)
    pull(hubspot)
    assert Account.objects.get(name="Bolt").industry == "Kept"
    standin.hubspot.put("companies", "101", industry="")
    pull(hubspot)
    assert Account.objects.get(name="Acme").industry == ""


def test_a_merge_moves_what_the_lost_company_was(hubspot: Connection, standin: StandIn, pull: Pull) -> None:
    companies_and_contacts(standin)
    pull(hubspot)
    acme, bolt = Account.objects.get(name="Acme"), Account.objects.get(name="Bolt")
    standin.hubspot.put("companies", "104", name="Acme Nordic", domain="nordic.example")
    change_mapping(hubspot, {"unmatched": "list"})
    standin.hubspot.merge("companies", "104", "101")
    standin.hubspot.links = {"9": ["104"], "10": ["102"]}
    run = pull(hubspot)
    assert (run.state, run.gone) == ("done", 1)
    links = {link.remote_id: link for link in ConnectionLink.objects.filter(kind="company")}
    assert links["104"].account == acme and links["104"].made and links["101"].note == "Merged into Acme Nordic."
    acme.refresh_from_db()
    assert (acme.name, acme.archived_at) == ("Acme Nordic", None)
    # two that are both accounts: the lost one's, which was made for it, is archived
    standin.hubspot.merge("companies", "104", "102")
    pull(hubspot)
    bolt.refresh_from_db()
    assert bolt.archived_at is not None
    assert pull(hubspot).gone == 0


def test_what_is_put_into_the_bin_is_found_by_the_next_full_run(
    hubspot: Connection, standin: StandIn, pull: Pull
) -> None:
    companies_and_contacts(standin)
    pull(hubspot)
    standin.hubspot.archive("companies", "102")
    standin.hubspot.archive("contacts", "9")
    run = pull(hubspot, full=True)
    assert run.gone == 2
    assert Account.objects.get(name="Bolt").archived_at is not None
    assert set(Relationship.objects.open().values_list("user__email", "account__name")) == {("bo@bolt.example", "Acme")}


def test_more_changes_at_one_instant_than_a_search_can_page(
    hubspot: Connection, standin: StandIn, pull: Pull, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real limit is 10,000; here it is 40, and a page 10, so that 95 records stand for 25,000."""
    monkeypatch.setattr(hubspot_side, "MOST_FOUND", 40)
    monkeypatch.setattr(hubspot_client, "PAGE", 10)
    pull(hubspot)
    standin.hubspot.clock, standin.hubspot.stands = timezone.now(), True
    for n in range(95):
        standin.hubspot.put("companies", str(1_000 + n), name=f"Company {n}")
    run = pull(hubspot)
    assert (run.state, run.full, run.read, run.created) == ("done", False, 95, 95)
    assert Account.objects.count() == 95
