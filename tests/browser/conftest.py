"""A real server, a real Chromium, and a company whose rows the server's threads see."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connections
from django.test import Client

from accounts.models import Account, AttributeDefinition, Note, TeamMember
from segments.models import Segment
from tests import factories
from tests.committing import empty, write_again, written
from tests.conftest import chromium
from usage.models import AccountUsage, DailyUsage, EventName

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-quic",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
]
WAIT = 20_000  # milliseconds; a busy machine is slow, and what is there is found at once
# Tall enough that the bar at the bottom covers no control, which axe would call too small.
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 2000}
# htmx reports a request that a newer one replaced as an error; replacing it is the point.
SUPERSEDED = ("htmx:sendAbort", "htmx:afterRequest")


@pytest.fixture(scope="session")
def server(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """The address of the application, served by threads that share the test database."""
    from pytest_django.live_server_helper import LiveServer

    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright's loop runs in the thread of the tests
    with django_db_blocker.unblock():
        running = LiveServer("localhost")
        yield running.url
        running.stop()


@pytest.fixture(scope="session")
def browser(server: str) -> Iterator[Browser]:
    """One Chromium for all tests, started after the database is made (its loop would be in the way)."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=WAIT)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def transactional_db(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Committed rows, emptied before and after (as tests.committing does).

    It bears pytest-django's name, because by that name pytest-django knows that a test database must be made.
    """
    with django_db_blocker.unblock():
        cache.clear()
        empty()
        yield
        empty()
        connections.close_all()


@pytest.fixture
def site(server: str, transactional_db: None, _rows: dict[dt.date, dict[str, bytes]]) -> str:
    """The server with this test's own company, which is made once a day and then written again."""
    today = dt.datetime.now(dt.UTC).date()
    if today in _rows:
        write_again(_rows[today])
    else:
        _company()
        _rows[today] = written()
    return server


@pytest.fixture(scope="session")
def _rows() -> dict[dt.date, dict[str, bytes]]:
    """The rows of the company by the day on which it was made."""
    return {}


def _company() -> None:
    """Twelve accounts with usage, notes and a custom attribute; four segments; three colleagues."""
    AttributeDefinition.objects.create(
        subject="account", key="region", name="Region", kind="choice", choices=["EMEA", "APAC"]
    )
    colleagues = [
        factories.member(kind) for kind in (TeamMember.Access.MANAGER, TeamMember.Access.CSM, TeamMember.Access.VIEWER)
    ]
    for member, name in zip(colleagues, ("Mona Manager", "Cato Csm", "Vera Viewer"), strict=True):
        TeamMember.objects.filter(pk=member.pk).update(name=name)
    _accounts(colleagues)
    Note.objects.create(
        account=Account.objects.get(name="Account 03"),
        kind="call",
        text="Spoke about the renewal.",
        author=colleagues[0],
    )
    _segments()


def _accounts(colleagues: list[TeamMember]) -> None:
    today = dt.datetime.now(dt.UTC).date()
    opened = EventName.objects.create(name="Opened")
    for i in range(12):
        account = factories.account(
            f"Account {i:02}",
            mrr=Decimal(1000 * i),
            plan=["Starter", "Growth", "Enterprise"][i % 3],
            licences=10 + i,
            stage_id=["live", "onboarding", "trial", "live"][i % 4],
            renews_on=today + dt.timedelta(days=10 * i),
            attributes={"region": ["EMEA", "APAC"][i % 2]},
            domain=f"account{i:02}.example",
        )
        factories.assign(account, colleagues[i % 2])
        user = factories.end_user(f"Person {i:02}", title="Buyer")
        factories.relationship(account, user, role="champion" if i % 3 == 0 else "")
        factories.subscription(
            account, plan=account.plan, mrr=account.mrr, mrr_base=account.mrr, renews_on=account.renews_on
        )
        AccountUsage.objects.create(
            account=account, active_users_30d=i, last_seen_at=dt.datetime.now(dt.UTC) - dt.timedelta(days=i)
        )
        DailyUsage.objects.bulk_create(
            DailyUsage(account=account, user=user, name=opened, day=today - dt.timedelta(days=7 * week), count=3)
            for week in range(i)
        )


def _segments() -> None:
    factories.segment("Growth plan", {"field": "account.plan", "op": "is", "value": "Growth"})
    factories.segment("Large", {"field": "account.mrr", "op": "at_least", "value": 6000})
    factories.segment(
        "Renewal soon", {"field": "account.renews_on", "op": "within_next", "value": {"n": 45, "unit": "day"}}
    )
    factories.segment(
        "Champions",
        {"users": "any", "where": factories.rule({"field": "relationship.role", "op": "is", "value": "champion"})},
        visible=False,
    )


@pytest.fixture
def trouble() -> list[str]:
    """What the pages complained about: errors of scripts and of the console."""
    return []


@pytest.fixture
def context_for(browser: Browser, site: str, trouble: list[str]) -> Iterator[Callable[..., BrowserContext]]:
    """A browser's window for somebody who is signed in."""
    opened: list[BrowserContext] = []

    def make(access: str = TeamMember.Access.MANAGER, **options: Any) -> BrowserContext:
        context = browser.new_context(base_url=site, viewport=options.pop("viewport", WIDE), **options)
        client = Client()
        client.force_login(User.objects.get(member__access=access))
        context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": site}])
        context.set_default_timeout(WAIT)
        context.on("page", lambda page: _listen(page, trouble))
        opened.append(context)
        return context

    yield make
    for context in opened:
        context.close()


def _listen(page: Page, trouble: list[str]) -> None:
    page.on("pageerror", lambda error: trouble.append(f"script: {error}"))
    page.on("console", lambda message: trouble.append(message.text) if _is_trouble(message) else None)


def _is_trouble(message: Any) -> bool:
    return message.type == "error" and not message.text.startswith(SUPERSEDED)


def until(page: Page, expression: str, argument: Any = None) -> None:
    """Wait until an expression holds in the page. (Playwright's own way evaluates text, which our policy forbids.)"""
    for _ in range(200):
        with contextlib.suppress(Exception):  # the page may be on its way to the next one
            if page.evaluate(expression, argument):
                return
        page.wait_for_timeout(100)
    raise AssertionError(f"still not true: {expression}")


# A test that holds an answer back calls `page.route` before it goes to the page: on a page that is open the very next
# request now and then goes out without it, and without being told.


def focused(page: Page, selector: str) -> None:
    """Wait until a control has the focus on a page that is loaded: keys that come earlier go to the page before it."""
    has = "(one) => document.readyState === 'complete' && document.activeElement.matches(one)"
    until(page, has, selector)


def titled(page: Page, words: str) -> None:
    """Wait for the page with this title, until its keys work: they are heard once its scripts have run."""
    page.locator("h1", has_text=words).wait_for()
    page.wait_for_load_state()


def notice(page: Page, words: str) -> None:
    """Wait for the notice about what was done, on a page whose keys work."""
    page.locator("#notices .notice", has_text=words).wait_for()
    page.wait_for_load_state()


@pytest.fixture
def page(context_for: Callable[..., BrowserContext], trouble: list[str]) -> Iterator[Page]:
    """The manager's page at 1440 px; the test fails if it complained."""
    yield context_for().new_page()
    assert not trouble


def order() -> list[str]:
    """The segments in the company's order."""
    return list(Segment.objects.in_tab_order().values_list("name", flat=True))
