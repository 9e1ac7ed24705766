"""The page Feeds and the notices: what is silent, what that holds, put away once, called real by those who may."""

from __future__ import annotations

import datetime as dt

import pytest
from django.test import Client

from csbox.pipeline import look_at_feeds, refresh_everything
from segments.holding.models import HoldNotice
from segments.models import RefreshRun, Segment
from segments.refresh import refresh_due
from tests import factories
from tests.api.conftest import ApiClient
from tests.feeds.conftest import HOUR, store
from tests.web.conftest import Company
from tests.web.reading import text
from usage.feeds.models import FeedSilence


@pytest.fixture
def silent(company: Company) -> Segment:
    """A feed that stopped three days ago, and a segment of the manager's that waits for it."""
    from django.utils import timezone

    end = timezone.now().replace(minute=0, second=0, microsecond=0) - dt.timedelta(days=3)
    store("sdk", [end - step * HOUR for step in range(40 * 24)], "Login")
    rule = {"event": "Login", "op": "never", "window": {"last": 14, "unit": "day"}}
    segment = factories.segment("Gone quiet", rule, author=company.manager.user)
    look_at_feeds()
    refresh_everything(RefreshRun.Trigger.DAILY)
    return segment


def test_the_owner_sees_it_where_they_work_and_puts_it_away(silent: Segment, manager: Client) -> None:
    listed = text(manager.get("/segments/").content.decode())
    assert "Put away" in listed and "Held as they are until it is back: Gone quiet." in listed
    assert "Held since" in listed
    page = text(manager.get(f"/segments/{silent.pk}/edit/").content.decode())
    assert "Held with its present 6 members." in page and "because sdk is silent" in page
    members = text(manager.get(f"/segments/{silent.pk}/members/").content.decode())
    assert "left the members as they were" in members
    manager.post(f"/feeds/notices/{HoldNotice.objects.get().pk}/seen/", {"next": "/segments/"})
    assert "Put away" not in text(manager.get("/segments/").content.decode())
    feeds = text(manager.get("/feeds/").content.decode())
    assert "What you were told" in feeds and "Gone quiet" in feeds and "round the clock" in feeds


def test_it_is_called_real_by_hand(silent: Segment, manager: Client) -> None:
    silence = FeedSilence.objects.get()
    manager.post(f"/feeds/silences/{silence.pk}/real/")
    refresh_due(RefreshRun.Trigger.DATA)
    silent.refresh_from_db()
    silence.refresh_from_db()
    assert silent.held == "" and silence.released_by
    assert "called real by" in text(manager.get("/feeds/").content.decode())
    manager.post(f"/feeds/silences/{silence.pk}/real/")
    assert "holds nothing any more" in text(manager.get("/feeds/").content.decode())


def test_others_may_neither_see_nor_release(silent: Segment, csm: Client) -> None:
    assert csm.get("/feeds/").status_code == 403
    assert csm.post(f"/feeds/silences/{FeedSilence.objects.get().pk}/real/").status_code == 403
    csm.post(f"/feeds/notices/{HoldNotice.objects.get().pk}/seen/")
    assert HoldNotice.objects.get().seen_at is None  # somebody else's


def test_an_empty_page_says_what_comes(company: Company, manager: Client) -> None:
    assert "No events have come yet" in text(manager.get("/feeds/").content.decode())


def test_the_api_tells_and_releases(silent: Segment, company: Company) -> None:
    client = ApiClient(company.manager.user)
    (row,) = client.get("feeds/")["results"]
    assert row["source"] == "sdk" and row["holds"] is True and row["silent_since"]
    assert client.get("segments/gone-quiet/")["held"].startswith("Held since")
    assert client.get("refresh-runs/")["results"][0]["held"] == 1
    address = f"feeds/{row['id']}/real/"
    assert ApiClient(company.csm.user)("POST", address).status_code == 403
    assert client("POST", address).json()["holds"] is False
    assert client("POST", address).status_code == 409
