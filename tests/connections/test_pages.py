"""Connections on screen and over the API: who may do what, every button, empty and error states."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from accounts.models import Account, TeamMember
from core.api.tokens import make_token
from integrations.connections.mapping import mapping_of
from integrations.connections.running import run_due
from integrations.models import Connection, ConnectionLink, ConnectionRun
from tests import factories
from tests.connections.hubspot_side import TOKEN
from tests.connections.standin import StandIn
from tests.connections.stripe_side import KEY, NOW, customer, subscription
from tests.query_counts import query_count
from tests.web.reading import fields, text

__all__ = ["query_count"]
Access = TeamMember.Access


@pytest.fixture(autouse=True)
def _now(time_machine: Any) -> None:
    time_machine.move_to(dt.datetime.fromtimestamp(NOW + 300, dt.UTC), tick=True)


def client(access: str = Access.MANAGER) -> Client:
    found = Client()
    found.force_login(factories.member(access).user)
    return found


FORM = "application/x-www-form-urlencoded"


def send(person: Client, address: str, form: Any, **more: str) -> Any:
    """A form as a browser sends it, several values of a name included."""
    for name, value in more.items():
        form[name] = value
    return person.post(address, form.urlencode(), content_type=FORM)


def shown(answer: Any) -> str:
    assert answer.status_code == 200, answer
    return text(answer.content.decode())


@pytest.mark.django_db
def test_an_empty_list_says_what_to_do() -> None:
    assert "Connect Stripe for subscriptions, trials and MRR" in shown(client(Access.ADMIN).get("/connections/"))
    page = shown(client().get("/connections/"))
    assert "Ask an administrator to connect one." in page and "Data" in page


def test_an_administrator_connects_and_the_credential_is_never_shown(db: None, standin: StandIn) -> None:
    admin = client(Access.ADMIN)
    assert "Connect HubSpot" in shown(admin.get("/connections/new/?kind=hubspot"))
    bad = admin.post("/connections/new/", {"kind": "stripe", "name": "Billing", "credential": ""})
    assert bad.status_code == 422 and "Not connected. Enter the credential" in text(bad.content.decode())
    answer = admin.post("/connections/new/", {"kind": "stripe", "name": "Billing", "credential": KEY})
    made = Connection.objects.get()
    assert answer["Location"] == f"/connections/{made.pk}/edit/"
    for address in ("/connections/", f"/connections/{made.pk}/", f"/connections/{made.pk}/edit/"):
        page = admin.get(address).content.decode()
        assert KEY not in page and made.secret not in page
    again = admin.post("/connections/new/", {"kind": "stripe", "name": "Billing", "credential": KEY})
    assert again.status_code == 422 and "already a connection called “Billing”" in again.content.decode()


def test_a_wrong_credential_is_said_on_every_page_and_mended(db: None, standin: StandIn) -> None:
    admin = client(Access.ADMIN)
    admin.post("/connections/new/", {"kind": "hubspot", "name": "CRM", "credential": "pat-wrong-1"})
    made = Connection.objects.get()
    assert "Needs attention" in shown(admin.get("/connections/"))
    page = admin.get(f"/connections/{made.pk}/")
    assert "It cannot go on. HubSpot refused the credential (401)." in shown(page)
    assert ">Run now</button>" not in page.content.decode()
    admin.post(f"/connections/{made.pk}/run/")
    assert not ConnectionRun.objects.exists()
    form = fields(admin.get(f"/connections/{made.pk}/edit/").content.decode())
    form["credential"] = TOKEN
    assert send(admin, f"/connections/{made.pk}/edit/", form)["Location"] == f"/connections/{made.pk}/"
    made.refresh_from_db()
    assert made.error == ""
    admin.post(f"/connections/{made.pk}/check/")
    assert "HubSpot accepts the credential." in shown(admin.get(f"/connections/{made.pk}/"))


def test_a_manager_runs_maps_matches_and_sees_what_happened(stripe: Connection, standin: StandIn) -> None:
    stripe.mapping = {}
    stripe.save()
    account = factories.account("Acme Ltd", external_id="a-1")
    standin.stripe.put(customer("cus_1", name="Acme"), customer("cus_2", name="Bolt"), subscription("sub_1", "cus_1"))
    manager, home = client(), f"/connections/{stripe.pk}/"
    assert "It has not run yet" in shown(manager.get(home))
    manager.post(f"{home}run/")
    page = shown(manager.get(home))
    assert "Waiting for the background worker. 0 records so far" in page and "Cancel the run" in page
    assert manager.get(f"{home}progress/", headers={"HX-Request": "true"}).status_code == 200
    run_due()
    ended = manager.get(f"{home}progress/", headers={"HX-Request": "true"})
    assert ended.status_code == 286 and ended["HX-Refresh"] == "true"
    page = shown(manager.get(home))
    assert "Unmatched customers 2" in page and "No account has its id or the domain cus-1.example." in page
    link = ConnectionLink.objects.get(remote_id="cus_1")
    manager.post(f"/connections/links/{link.pk}/match/", {"account": "nobody"})
    assert "Not matched. There is no single account “nobody”." in shown(manager.get(home))
    manager.post(f"/connections/links/{link.pk}/match/", {"account": "Acme Ltd"})
    assert "Acme is Acme Ltd from now on." in shown(manager.get(home))
    manager.post(f"/connections/links/{ConnectionLink.objects.get(remote_id='cus_2').pk}/match/", {"do": "make"})
    assert Account.objects.filter(name="Bolt", external_id="cus_2").exists()
    form = fields(manager.get(f"{home}edit/").content.decode())
    form.setlist("account.ours", ["name", "nonsense"])
    form.setlist("account.theirs", ["name", "email"])
    wrong = send(manager, f"{home}edit/", form)
    assert wrong.status_code == 422 and "there is no field “nonsense”" in wrong.content.decode()
    form.setlist("account.ours", ["name", ""])
    form.setlist("account.theirs", ["name", "email"])
    form["every_minutes"], form["status.past_due"] = "30", "suspended"
    assert send(manager, f"{home}edit/", form).status_code == 302
    stripe.refresh_from_db()
    mapping = mapping_of(stripe)
    assert mapping["account"] == {"name": "name"} and mapping["statuses"]["past_due"] == "suspended"
    assert (stripe.every_minutes, stripe.full_at) == (30, None)
    manager.post(f"{home}run/")
    run_due()
    account.refresh_from_db()
    assert (account.name, account.mrr) == ("Acme", 50)
    assert "Every record has its account." in shown(manager.get(home))
    assert "Up to date" in shown(manager.get("/connections/"))


def test_lines_are_added_without_saving(hubspot: Connection, standin: StandIn) -> None:
    manager, address = client(), f"/connections/{hubspot.pk}/edit/"
    form = fields(manager.get(address).content.decode())
    before = form.getlist("account.ours")
    form["do"] = "more"
    form.setlist("account.ours", [*before[:-1], "country"])
    form.setlist("account.theirs", [*form.getlist("account.theirs")[:-1], "hq_country"])
    page = send(manager, address, form)
    assert page.status_code == 200 and 'value="hq_country"' in page.content.decode()
    hubspot.refresh_from_db()
    assert hubspot.mapping == {"unmatched": "create"}


def test_a_run_is_cancelled_and_resumed_on_screen(stripe: Connection, standin: StandIn) -> None:
    standin.stripe.put(customer("cus_1"))
    manager, home = client(), f"/connections/{stripe.pk}/"
    manager.post(f"{home}run/", {"full": "1"})
    run = ConnectionRun.objects.get()
    manager.post(f"/connections/runs/{run.pk}/cancel/")
    page = shown(manager.get(home))
    assert "Cancelled" in page and "Resume" in page
    manager.post(f"/connections/runs/{run.pk}/resume/")
    run_due()
    run.refresh_from_db()
    assert run.state == "done"
    assert manager.post(f"/connections/runs/{run.pk}/resume/").status_code == 404


def test_roles(stripe: Connection) -> None:
    link = stripe.links.create(kind="customer", remote_id="cus_1")
    run = stripe.runs.create(state="failed")
    home = f"/connections/{stripe.pk}/"
    reads = ["/connections/", home, f"{home}edit/", f"{home}progress/"]
    writes = [f"{home}run/", f"{home}check/", f"{home}edit/", f"/connections/runs/{run.pk}/resume/"]
    writes += [f"/connections/runs/{run.pk}/cancel/", f"/connections/links/{link.pk}/match/"]
    for access in (Access.CSM, Access.VIEWER):
        person = client(access)
        assert {person.get(address).status_code for address in reads} == {403}
        assert {person.post(address).status_code for address in [*writes, f"{home}disconnect/"]} == {403}
        assert "/connections/" not in person.get("/accounts/").content.decode()
    manager = client()
    assert manager.get("/connections/new/").status_code == manager.post(f"{home}disconnect/").status_code == 403
    form = fields(manager.get(f"{home}edit/").content.decode())
    assert "credential" not in form
    send(manager, f"{home}edit/", form, credential="sk_test_of_somebody")
    secret = stripe.secret
    stripe.refresh_from_db()
    assert stripe.secret == secret
    admin = client(Access.ADMIN)
    assert admin.post(f"{home}disconnect/")["Location"] == "/connections/"
    assert not Connection.objects.exists()


def test_the_number_of_statements_does_not_grow_with_rows(stripe: Connection, query_count: Any) -> None:
    manager = client()

    def grow(count: int) -> None:
        for n in range(count):
            other = Connection.objects.create(kind="stripe", name=f"Other {n} {count}")
            for owner in (other, stripe):
                owner.runs.create(state="done")
                owner.links.create(kind="customer", remote_id=f"cus_{n}_{count}", label=f"Name {n}")

    for count in (1, 7):
        grow(count)
        for name, address in {"connections": "/connections/", "connection": f"/connections/{stripe.pk}/"}.items():
            with query_count(name):
                assert manager.get(address).status_code == 200


class TestApi:
    @pytest.fixture
    def api(self, db: None) -> Any:
        """Speaks JSON with the token of a log-in."""

        def call(method: str, address: str, data: Any = None, access: str = Access.MANAGER) -> Any:
            user: User = factories.member(access).user
            headers = {"Authorization": f"Token {make_token(user)[1]}"}
            body = b"" if data is None else json.dumps(data)
            return Client().generic(method, f"/api/v1/{address}", body, "application/json", headers=headers)

        return call

    def test_it_is_read_run_cancelled_and_resumed(self, stripe: Connection, standin: StandIn, api: Any) -> None:
        standin.stripe.put(customer("cus_1"))
        told = api("GET", f"connections/{stripe.pk}/").json()
        assert told["mapping"]["id_key"] == "account_id" and KEY not in json.dumps(told)
        assert stripe.secret not in json.dumps(told)
        asked = api("POST", f"connections/{stripe.pk}/run/", {"full": True})
        assert asked.status_code == 202 and asked.json()["state"] == "waiting"
        run = asked.json()["id"]
        assert api("POST", f"connection-runs/{run}/cancel/").json()["state"] == "cancelled"
        assert api("POST", f"connection-runs/{run}/resume/").json()["state"] == "waiting"
        run_due()
        assert api("GET", f"connection-runs/{run}/").json()["created"] == 1
        assert api("POST", f"connection-runs/{run}/resume/").status_code == 409
        listed = api("GET", f"connection-runs/?connection={stripe.pk}&state=done").json()["results"]
        assert [one["id"] for one in listed] == [run]

    def test_others_see_nothing_and_a_broken_one_is_not_run(self, stripe: Connection, api: Any) -> None:
        assert api("POST", f"connections/{stripe.pk}/run/", access=Access.CSM).status_code == 403
        assert api("GET", "connections/", access=Access.CSM).status_code == 403
        assert api("GET", "connection-runs/", access=Access.VIEWER).status_code == 403
        assert api("POST", "connections/", {}).status_code == 405
        assert api("POST", f"connections/{stripe.pk}/run/", {"all": True}).status_code == 400
        Connection.objects.update(error="Refused.")
        assert api("POST", f"connections/{stripe.pk}/run/").status_code == 409
