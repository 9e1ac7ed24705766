"""Conditions on events in the builder and as a filter of the list: picked, narrowed, counted, saved, told why."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from django.utils import timezone

from core.clock import moment
from segments.models import AccountMembership, Segment
from segments.refresh import refresh_due
from segments.rule_words import day_words
from tests.web.conftest import Company
from tests.web.reading import fields, text
from tests.web.test_builder import opened, send
from usage.rollup import roll_up
from usage.store import EventFact, PostgresStore

pytestmark = pytest.mark.django_db
Did = Callable[..., None]


@pytest.fixture
def did(company: Company) -> Did:
    """Something happened in an account, so many days ago."""

    def happen(account: str, name: str, days: float = 1, **properties: Any) -> None:
        at = timezone.now() - dt.timedelta(days=days)
        key = company.accounts[account].external_id
        said = PostgresStore().append(
            [EventFact(f"{account}{name}{days}{properties}", name, at, key, None, properties)], source="web"
        )
        assert said.stored == 1
        roll_up()

    return happen


def members(segment: Segment) -> set[str]:
    """Who is in it."""
    stays = AccountMembership.objects.filter(segment=segment, left_at=None)
    return set(stays.values_list("account__name", flat=True))


def test_a_condition_on_an_event_is_built_without_any_script(manager: Client, company: Company, did: Did) -> None:
    did("Birch", "Report Exported", pages=3)
    did("Birch", "Report Exported", 2, pages=30)
    did("Fir", "Report Exported", 2, pages=3)
    path = "/segments/new/"
    form = fields(send(manager, path, opened(manager, path), do="add:n").content.decode())
    form = fields(send(manager, path, form, n__0__field="event:Report Exported", do="update").content.decode())
    assert [form[f"n.0.{name}"] for name in ("event", "op", "value", "measure", "window", "n", "unit")] == [
        "Report Exported", "at_least", "1", "count", "last", "30", "day",
    ]  # fmt: skip
    since = f"since {day_words(moment().today - dt.timedelta(days=29))}</span>"
    assert f'id="days-n-0">{since}' in send(manager, path, form, do="update").content.decode()
    counted = send(manager, "/segments/preview/", form).content.decode()
    assert f'<span id="days-n-0" hx-swap-oob="innerHTML">{since}' in counted
    form = fields(send(manager, path, form, do="add:n.0:event.properties.").content.decode())
    send_more = {"n__0__0__property": "pages", "n__0__0__op": "at_least", "do": "update"}
    form = fields(send(manager, path, form, **send_more).content.decode())
    answer = send(manager, path, form, n__0__0__value="10", do="update").content.decode()
    assert "Report Exported (pages is at least 10) at least 1 time in the last 30 days" in text(answer)
    send(manager, path, fields(answer), name="Exporters")
    segment = Segment.objects.get(name="Exporters")
    assert segment.rule["rules"][0]["where"]["rules"] == [
        {"field": "event.properties.pages", "op": "at_least", "value": 10}
    ]
    refresh_due()
    assert members(segment) == {"Birch"}


def test_two_events_after_each_other(manager: Client, company: Company, did: Did) -> None:
    did("Birch", "Trial Started", 9)
    did("Birch", "Plan Chosen", 8)
    did("Fir", "Trial Started", 9)
    form = opened(manager, "/segments/new/")
    form = fields(send(manager, "/segments/new/", form, do="add:n:event:Trial Started").content.decode())
    form = fields(send(manager, "/segments/new/", form, n__0__op="not_then", do="update").content.decode())
    saved = send(
        manager,
        "/segments/new/",
        form,
        n__0__second="Plan Chosen",
        n__0__within="3",
        n__0__within_unit="day",
        name="Stuck",
    )
    assert saved.status_code == 302
    refresh_due()
    assert members(Segment.objects.get(name="Stuck")) == {"Fir"}


def test_the_picker_offers_events_with_their_properties(manager: Client, company: Company, did: Did) -> None:
    did("Birch", "Report Exported", pages=3)
    page = manager.get("/segments/new/").content.decode()
    assert 'data-key="event:Report Exported"' in page
    assert "pages" in page


def test_a_number_that_is_none_is_refused_at_its_place(manager: Client, company: Company, did: Did) -> None:
    did("Birch", "Report Exported")
    form = opened(manager, "/segments/new/")
    form = fields(send(manager, "/segments/new/", form, do="add:n:event:Report Exported").content.decode())
    answer = send(manager, "/segments/new/", form, n__0__value="many", name="Wrong")
    assert answer.status_code == 422
    assert "Expected a number" in text(answer.content.decode())
    assert fields(answer.content.decode())["n.0.value"] == "many"


def test_the_list_can_be_filtered_by_what_happened(manager: Client, company: Company, did: Did) -> None:
    did("Birch", "Report Exported")
    node = {"event": "Report Exported", "op": "never", "window": {"last": 30, "unit": "day"}}
    page = text(manager.get(f"/accounts/?f={quote(json.dumps(node))}").content.decode())
    assert "Report Exported never happened in the last 30 days" in page
    assert "Fir" in page
    assert "Birch" not in page
