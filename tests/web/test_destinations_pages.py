"""Destinations on screen and over the API: who may do what, every button, empty and error states."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from accounts.models import TeamMember
from core.api.tokens import make_token
from integrations.destinations import outgoing
from integrations.destinations.editing import add_item, make_destination, pause
from integrations.models import Destination, Outgoing, SyncItem
from tests import factories
from tests.destinations.conftest import _server, endpoint
from tests.destinations.endpoint import Endpoint
from tests.query_counts import query_count
from tests.web.reading import text

__all__ = ["_server", "endpoint", "query_count"]
Access = TeamMember.Access
pytestmark = pytest.mark.django_db


def client(access: str = Access.ADMIN) -> Client:
    found = Client()
    found.force_login(factories.member(access).user)
    return found


def shown(answer: Any, status: int = 200) -> str:
    assert answer.status_code == status, answer
    return text(answer.content.decode())


@pytest.fixture
def hook(endpoint: Endpoint) -> Destination:
    """A webhook that is told of two accounts."""
    factories.account("Alpha", external_id="a1")
    factories.account("Beta", external_id="a2")
    everybody = factories.segment("Everybody", {"field": "account.name", "op": "is_set"})
    found, _ = make_destination(kind="webhook", name="CRM", address=f"{endpoint.url}/hook-1234")
    add_item(found, segment=everybody.key)
    return found


def test_an_empty_list_says_what_to_do() -> None:
    assert "Add a signed webhook of your own" in shown(client().get("/destinations/"))
    assert "Ask an administrator to add one." in shown(client(Access.MANAGER).get("/destinations/"))
    assert client(Access.CSM).get("/destinations/").status_code == 403


def test_a_webhook_is_added_and_its_key_is_shown_once(endpoint: Endpoint) -> None:
    admin = client()
    assert "Not added. Only https:// is asked" in shown(
        admin.post("/destinations/new/", {"kind": "webhook", "name": "X", "address": "http://example.com"}), 422
    )
    made = admin.post("/destinations/new/", {"kind": "webhook", "name": "CRM", "address": f"{endpoint.url}/hook-1234"})
    key = re.search(r"whsec_[\w+/=]+", made.content.decode())[0]  # type: ignore[index]
    found = Destination.objects.get()
    again = admin.get(f"/destinations/{found.pk}/").content.decode()
    assert key not in again and "…1234" in again and "hook-1234" not in again
    assert "The test message arrived. It was taken, answered 200." in shown(
        admin.post(f"/destinations/{found.pk}/test/", follow=True)
    )
    rotated = admin.post(f"/destinations/{found.pk}/rotate/").content.decode()
    assert "whsec_" in rotated and key not in rotated and "The former one signs too until" in rotated
    track = {"kind": "track", "name": "Segment", "address": endpoint.url}
    assert "Not added. A write key" in shown(admin.post("/destinations/new/", track), 422)
    page = shown(admin.post("/destinations/new/", track | {"write_key": "wk-1"}, follow=True))
    assert "Nothing is chosen yet, so nothing is sent." in page and "wk-1" not in page


def test_what_is_sent_is_chosen_watched_and_stopped(hook: Destination, endpoint: Endpoint) -> None:
    admin, address = client(), f"/destinations/{hook.pk}/"
    page = shown(admin.get(address))
    assert "everybody" in page and "Under way" in page
    outgoing.run(20)
    assert "Up to date" in shown(admin.get(address)) and len(endpoint.got) == 2
    bad = admin.post(f"{address}send/", {"what": "field:account.mrr", "key": "mrr"})
    assert "“mrr” is what messages set here" in shown(bad, 422) and 'value="mrr"' in bad.content.decode()
    assert shown(admin.post(f"{address}send/", {"what": "nothing"}), 422)
    admin.post(f"{address}send/", {"what": "field:account.name", "key": "label"})
    endpoint.answer(422)
    outgoing.run(20)
    page = shown(admin.get(f"{address}?state=failed"))
    assert "Answered 422." in page and "Alpha" in page and "Beta" not in page.split("Messages")[-1]
    failed = Outgoing.objects.get(state="failed")
    assert "1 message will be sent again." in shown(
        admin.post(f"{address}retry/", {"message": str(failed.pk)}, follow=True)
    )
    pause(hook)
    assert "Paused" in shown(admin.get("/destinations/"))
    item = SyncItem.objects.get(key="label")
    assert "“label” is sent no more. 1 waiting message was dropped." in shown(
        admin.post(f"/destinations/items/{item.pk}/stop/", follow=True)
    )
    assert "goes on" in shown(admin.post(f"{address}switch/", {"do": "go"}, follow=True))
    assert "CRM is removed." in shown(admin.post(f"{address}remove/", follow=True))
    assert admin.get(address).status_code == 404


def test_settings_are_kept_and_refused_as_they_were_typed(hook: Destination) -> None:
    admin, address = client(), f"/destinations/{hook.pk}/edit/"
    form = {"name": "Renamed", "events": "1", "entered_name": "Came in"}
    assert shown(admin.post(address, form | {"address": "http://example.com/"}), 422)
    assert "Renamed saved." in shown(admin.post(address, form, follow=True))
    hook.refresh_from_db()
    assert (hook.name, hook.groups, hook.events, hook.entered_name) == ("Renamed", False, True, "Came in")


def test_managers_look_and_mend_but_do_not_decide(hook: Destination) -> None:
    manager, address = client(Access.MANAGER), f"/destinations/{hook.pk}/"
    page = shown(manager.get(address))
    assert "Send a test" in page and "Settings" not in page and "Remove" not in page
    for name in ("edit", "rotate", "remove", "send"):
        assert manager.post(f"{address}{name}/").status_code == 403
    assert manager.post(f"/destinations/items/{SyncItem.objects.get().pk}/stop/").status_code == 403
    for name in ("test", "switch", "retry"):
        assert client(Access.CSM).post(f"{address}{name}/").status_code == 403


def test_progress_ends_when_nothing_waits(hook: Destination, endpoint: Endpoint) -> None:
    admin, address = client(), f"/destinations/{hook.pk}/progress/"
    htmx = {"HX-Request": "true"}
    assert "First sync of “everybody”" in shown(admin.get(address, headers=htmx))
    outgoing.run(20)
    assert admin.get(address, headers=htmx).status_code == 286
    assert admin.get(address).status_code == 302


def test_the_page_asks_the_same_number_of_questions(hook: Destination, endpoint: Endpoint, query_count: Any) -> None:
    outgoing.run(20)
    admin = client()
    admin.get("/destinations/")
    with query_count("destination"):
        admin.get(f"/destinations/{hook.pk}/")
    with query_count("destinations"):
        admin.get("/destinations/")


def test_over_the_api(hook: Destination, endpoint: Endpoint) -> None:
    def caller(access: str) -> Client:
        token = make_token(factories.member(access).user)[1]
        return Client(headers={"authorization": f"Bearer {token}"})

    admin, manager = caller(Access.ADMIN), caller(Access.MANAGER)
    made = admin.post(
        "/api/v1/sync-items/", {"destination": hook.pk, "field": "account.name", "key": "label"}, "application/json"
    )
    assert made.status_code == 201 and made.json()["key"] == "label"
    wrong = admin.post("/api/v1/sync-items/", {"destination": hook.pk, "segment": "none"}, "application/json")
    assert wrong.status_code == 400 and "There is no segment" in wrong.json()["detail"]
    assert manager.post("/api/v1/sync-items/", {}, "application/json").status_code == 403
    assert manager.get("/api/v1/sync-items/").json()["results"][0]["segment"] == "everybody"
    endpoint.answer(422)
    outgoing.run(20)
    failed = manager.get(f"/api/v1/sync-messages/?destination={hook.pk}&state=failed").json()["results"]
    assert [row["account"] for row in failed] == ["a1"] and failed[0]["status"] == 422
    assert manager.post(f"/api/v1/sync-messages/{failed[0]['id']}/retry/").status_code == 202
    assert manager.post(f"/api/v1/destinations/{hook.pk}/test/").json()["taken"] is True
    assert manager.post(f"/api/v1/destinations/{hook.pk}/pause/").json()["active"] is False
    assert manager.post(f"/api/v1/destinations/{hook.pk}/resume/").json()["active"] is True
    assert admin.delete(f"/api/v1/sync-items/{made.json()['id']}/").status_code == 204
    assert caller(Access.CSM).get("/api/v1/destinations/").status_code == 403
    body = manager.get("/api/v1/destinations/").content.decode()
    assert "whsec" not in body and "hook-1234" not in body
