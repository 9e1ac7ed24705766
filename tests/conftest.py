"""What every test gets: a database of this run's own, and browser tests only where there is a browser."""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
# The shell without windows is the same engine and takes half the time of the whole browser.
CHROMIUM = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def pytest_configure(config: pytest.Config) -> None:
    """Name the test database for this process, so that two runs on one server do not meet; xdist's workers inherit."""
    os.environ.setdefault("CSBOX_TEST_DATABASE", f"test_csbox_{os.getpid()}")
    # Tests start many commands; without compiled files each would compile all of csbox anew, a third of its start.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    gc.set_threshold(200_000, 20, 50)


def pytest_collection_finish() -> None:
    """Take what stays to the end from the collector's eyes: to walk Django and all tests took a tenth of the time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Give the database its name (and the suffix of an xdist worker), and clear away those of runs that were killed."""
    from django.conf import settings

    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    name = os.environ["CSBOX_TEST_DATABASE"] + (f"_{worker}" if worker else "")
    settings.DATABASES["default"].setdefault("TEST", {})["NAME"] = name
    _drop_abandoned()


def _drop_abandoned() -> None:
    from django.db import connection

    with contextlib.suppress(Exception), connection._nodb_cursor() as cursor:  # type: ignore[attr-defined]
        cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE 'test\\_csbox\\_%'")
        for (name,) in cursor.fetchall():
            pid = name.split("_")[2]
            if pid.isdigit() and not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists():
                cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture(autouse=True, scope="session")
def _fast_commits() -> Iterator[None]:
    """A test database need not survive a power cut."""
    from django.db.backends.signals import connection_created

    def relax(connection: Any, **_: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit = off")

    connection_created.connect(relax, weak=False, dispatch_uid="fast-commits")
    yield
    connection_created.disconnect(dispatch_uid="fast-commits")


@pytest.fixture(autouse=True, scope="session")
def _own_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the application keeps in files (the ledger of erasures, messages that wait, imports) goes where nobody's
    real data are: a later `reapply_erasures` would take a test's word for it."""
    from django.conf import settings

    before = settings.DATA_DIR, settings.SPOOL_DIR
    settings.DATA_DIR = tmp_path_factory.mktemp("data")
    settings.SPOOL_DIR = settings.DATA_DIR / "spool"
    yield
    settings.DATA_DIR, settings.SPOOL_DIR = before


def chromium() -> str | None:
    """The browser for the tests, from the machine's own packages."""
    return os.environ.get("CSBOX_CHROMIUM") or next((found for n in CHROMIUM if (found := shutil.which(n))), None)


def missing_browser() -> str:
    """Why browser tests cannot run here; empty when they can."""
    if not importlib.util.find_spec("playwright") or not importlib.util.find_spec("axe_playwright_python"):
        return "the packages of the group “browser” are not installed (pip install -r requirements-ci.lock)"
    return "" if chromium() else "there is no Chromium on this machine (apt-get install chromium)"


# Files that take long come first, so that two processes end at nearly the same time (with --no-loadscope-reorder). The
# browser comes last: its driver leaves an event loop in the process, with which tests that fork had rather not meet.
LONG_FIRST, LAST = ("runtime", "bench", "ingest", "live", "admin"), "browser"
LONGEST_OF_LAST = ("test_quality.py", "test_back_office.py", "test_lists.py")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Everything in tests/browser is a browser test; it is skipped with its reason, or fails where it is required."""
    folder = ROOT / "tests" / "browser"
    items.sort(key=_how_early)
    why = missing_browser()
    for item in items:
        if folder in item.path.parents:
            item.add_marker("browser")
        if not item.get_closest_marker("django_db") and "django_db_setup" not in getattr(item, "fixturenames", ()):
            item.add_marker("once")  # it asks no database, so another one changes nothing
        if why and item.get_closest_marker("browser"):
            if os.environ.get("CSBOX_REQUIRE_BROWSER") == "1":
                item.add_marker(pytest.mark.usefixtures("_browser_is_required"))
            else:
                item.add_marker(pytest.mark.skip(reason=why))


def _how_early(item: pytest.Item) -> tuple[int, bool]:
    folder = item.path.relative_to(ROOT / "tests").parts[0] if item.path.is_relative_to(ROOT / "tests") else ""
    if folder == LAST:
        return len(LONG_FIRST) + 1, item.path.name not in LONGEST_OF_LAST
    return LONG_FIRST.index(folder) if folder in LONG_FIRST else len(LONG_FIRST), True


@pytest.fixture
def _browser_is_required() -> None:
    pytest.fail(f"CSBOX_REQUIRE_BROWSER=1, and {missing_browser()}", pytrace=False)
