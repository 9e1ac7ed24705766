"""The morning brief over the API: whose, since when, in the order of the page."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from urllib.parse import quote

import pytest
from django.test import Client
from django.utils import timezone

from tests import factories
from tests.alerts.test_brief import fell

pytestmark = pytest.mark.django_db


def test_the_brief_is_that_of_the_page_and_of_ones_own_book() -> None:
    csm, lead = factories.member(), factories.member("manager")
    soon = timezone.now().date() + dt.timedelta(days=30)
    mine, other = factories.account("Mine", mrr=Decimal(500), renews_on=soon), factories.account("Other")
    factories.assign(mine, csm)
    for account, points in ((mine, 20), (other, 60)):
        fell(account, points)
    client, manager = Client(), Client()
    client.force_login(csm.user)
    manager.force_login(lead.user)
    found = client.get("/api/v1/portfolio/brief/").json()
    (one,) = found["accounts"]
    assert (found["total"], found["name"], one["account"]) == (1, str(csm), mine.external_id)
    assert [one[name] for name in ("band", "mrr", "at_risk", "fell", "renews_in_days", "more")] == [
        "poor", "500.00", "500.00", "20.00", 30, 0
    ]  # fmt: skip
    assert [(item["kind"], item["what"]) for item in one["items"]] == [
        ("health", "Health fell from Good 80 to Poor 60"), ("renewal", "Renews in 30 days")
    ]  # fmt: skip
    everybody = manager.get("/api/v1/portfolio/brief/?who=everybody").json()
    assert [row["name"] for row in everybody["accounts"]] == ["Mine", "Other"], "value at risk before points"
    later = quote((timezone.now() + dt.timedelta(minutes=1)).isoformat())
    assert manager.get(f"/api/v1/portfolio/brief/?who=everybody&since={later}").json()["total"] == 0
    assert client.get("/api/v1/portfolio/brief/?who=everybody").status_code == 400
    assert client.get("/api/v1/portfolio/brief/?since=yesterday").status_code == 400
    assert client.get("/api/v1/portfolio/brief/?days=7").status_code == 400
