"""Privacy and feeds in the browser: every state in light and dark, wide and narrow; a person is erased by keyboard."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import EndUser, Erasure
from accounts.privacy.erasing import continue_erasures, request_erasure
from accounts.privacy.exporting import request_export
from csbox.pipeline import look_at_feeds, refresh_everything
from segments.models import RefreshRun
from tests import factories
from tests.browser.judging import findings, walked
from tests.feeds.conftest import HOUR, store

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext


@pytest.fixture
def busy(site: str, settings: Any, tmp_path: Path) -> EndUser:
    """An administrator, a silent feed that holds a segment, an erasure that is done and one that is not, an export."""
    settings.DATA_DIR = tmp_path
    factories.member("admin")
    end = timezone.now().replace(minute=0, second=0, microsecond=0) - dt.timedelta(days=3)
    store("web app", [end - step * HOUR for step in range(40 * 24)], "Opened")
    store("nightly", [end - step * 24 * HOUR for step in range(40)], "Opened")
    window = {"last": 14, "unit": "day"}
    factories.segment("Gone quiet", {"event": "Opened", "op": "never", "window": window})
    look_at_feeds()
    refresh_everything(RefreshRun.Trigger.DAILY)
    people = list(EndUser.objects.order_by("pk"))
    request_erasure("user", people[0].external_id, by="ann")
    continue_erasures()
    request_erasure("user", people[1].external_id, by="ann")
    request_export("user", people[2].external_id, by="ann")
    return people[2]


def test_no_state_has_a_finding(context_for: Callable[..., BrowserContext], busy: EndUser, trouble: list[str]) -> None:
    addresses = {
        "privacy": "/privacy/?q=person",
        "nobody": "/privacy/?q=zenith",
        "person": f"/privacy/user/{busy.pk}/",
        "feeds": "/feeds/",
        "segments": "/segments/",
    }
    assert walked(context_for("admin").new_page(), addresses) == {}
    assert trouble == []


def test_a_person_is_erased_by_keyboard(
    context_for: Callable[..., BrowserContext], busy: EndUser, trouble: list[str]
) -> None:
    page = context_for("admin").new_page()
    page.goto("/privacy/")
    page.get_by_label("Id, e-mail or beginning of a name").focus()
    page.keyboard.type(busy.external_id)
    page.keyboard.press("Enter")
    page.get_by_role("link", name=busy.name).focus()
    page.keyboard.press("Enter")
    page.get_by_label("Type the id").focus()
    page.keyboard.type("no")
    page.keyboard.press("Enter")
    page.get_by_role("alert").get_by_text("Nothing was erased").wait_for()
    assert findings(page) == []
    page.get_by_label("Type the id").fill(busy.external_id)
    page.keyboard.press("Enter")
    page.get_by_text("is being erased").first.wait_for()
    expect(page.locator("#privacy-log progress")).to_have_count(2)
    continue_erasures()
    page.locator("#privacy-log progress").first.wait_for(state="detached")  # the log refreshes itself
    assert Erasure.objects.filter(state="done").count() == 3
    page.get_by_role("button", name="Lift").first.focus()
    page.keyboard.press("Enter")
    page.get_by_text("Lifted by").first.wait_for()
    assert [line for line in trouble if "422" not in line] == []


def test_a_notice_is_put_away_and_a_silence_called_real(
    context_for: Callable[..., BrowserContext], busy: EndUser, trouble: list[str]
) -> None:
    page = context_for("admin").new_page()
    page.goto("/segments/")
    away = page.get_by_role("button", name="Put away")
    before = away.count()
    away.first.click()
    expect(away).to_have_count(before - 1)
    page.get_by_role("link", name="Feeds").first.click()
    page.get_by_role("button", name="This is real, go on").first.press("Enter")
    page.get_by_text("is silent for good reason").first.wait_for()
    assert trouble == []
