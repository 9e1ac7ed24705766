"""Health by hand in the back office."""

from __future__ import annotations

import datetime as dt

import pytest
from django.contrib.auth.models import User
from django.test import Client

from core.clock import moment
from health.models import HealthOverride
from tests import factories

pytestmark = pytest.mark.django_db
ADD = "/admin/health/healthoverride/add/"


@pytest.fixture
def client() -> Client:
    """A superuser's."""
    found = Client()
    found.force_login(User.objects.create_superuser("root"))
    return found


def test_an_administrator_sets_replaces_and_ends_a_band(client: Client) -> None:
    acme, last = factories.account("Acme"), moment().today + dt.timedelta(days=30)
    form = client.get(ADD).context["adminform"].form
    assert form["until"].value() == last, "30 days ahead are proposed"
    data = {"account": acme.pk, "band": "poor", "reason": "Their sponsor left.", "until": last.isoformat()}
    assert client.post(ADD, data).status_code == 302
    made = HealthOverride.objects.get()
    assert (made.band, made.until, made.author and made.author.username) == ("poor", last, "root")
    assert client.post(ADD, data | {"band": "good", "reason": "A new one came."}).status_code == 302
    now = HealthOverride.objects.get(ended_at=None)
    assert now.band == "good" and HealthOverride.objects.count() == 2
    page = client.get(f"/admin/health/healthoverride/{now.pk}/change/")
    assert page.status_code == 200 and 'name="until"' not in page.content.decode(), "it is replaced, not changed"
    client.post("/admin/health/healthoverride/", {"action": "end", "_selected_action": [now.pk]})
    assert not HealthOverride.objects.filter(ended_at=None).exists()


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ("until", "", "This field is required."),
        ("until", "2001-01-01", "The last day is past. Give today or a later day."),
        ("reason", "", "This field is required."),
        ("band", "none", "Choose Good, Average or Poor."),
        ("account", "", "This field is required."),
    ],
)
def test_what_cannot_be_is_refused_beside_its_field(client: Client, place: str, value: str, words: str) -> None:
    last = moment().today + dt.timedelta(days=3)
    data = {"account": factories.account("Acme").pk, "band": "poor", "reason": "Why.", "until": last.isoformat()}
    answer = client.post(ADD, data | {place: value})
    assert answer.status_code == 200 and answer.context["adminform"].form.errors == {place: [words]}
    assert not HealthOverride.objects.exists()
