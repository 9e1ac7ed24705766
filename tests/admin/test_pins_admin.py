"""Pins in the back office."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client

from segments.models import AccountMembership, Pin
from segments.refresh import refresh_due
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    """A superuser's."""
    found = Client()
    found.force_login(User.objects.create_superuser("root"))
    return found


def test_an_administrator_pins_replaces_and_unpins(client: Client) -> None:
    acme = factories.account("Acme", mrr=1)
    big = factories.segment("Big", {"field": "account.mrr", "op": "at_least", "value": 500})
    data = {"segment": big.pk, "account": acme.pk, "kind": "out", "reason": "First"}
    assert client.post("/admin/segments/pin/add/", data).status_code == 302
    assert client.post("/admin/segments/pin/add/", data | {"kind": "in", "reason": "Pilot"}).status_code == 302
    refresh_due()
    assert AccountMembership.objects.get(left_at=None).opened_pin == Pin.objects.open().get()
    assert Pin.objects.open().get().author is not None
    assert "Pilot" in client.get(f"/admin/segments/segment/{big.pk}/change/").content.decode()
    chosen = {"action": "unpin", "_selected_action": [pin.pk for pin in Pin.objects.all()]}
    client.post("/admin/segments/pin/", chosen)
    assert not Pin.objects.open().exists() and Pin.objects.count() == 2
    assert LogEntry.objects.get(change_message="Unpinned.").object_id == str(Pin.objects.latest("pk").pk)


def test_a_pin_without_a_reason_or_with_a_past_day_is_refused_in_the_form(client: Client) -> None:
    acme, big = factories.account("Acme"), factories.segment("Big")
    data = {"segment": big.pk, "account": acme.pk, "kind": "in", "reason": "Pilot", "until": "2001-01-01"}
    answer = client.post("/admin/segments/pin/add/", data)
    assert answer.status_code == 200 and "The last day is past." in answer.content.decode()
    assert client.post("/admin/segments/pin/add/", data | {"reason": "", "until": ""}).status_code == 200
    assert not Pin.objects.exists()
