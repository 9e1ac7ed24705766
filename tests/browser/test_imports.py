"""An import in a browser, by keyboard, from the choice of a file to its undoing; every page of it looked at by axe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from accounts.models import Account
from integrations.imports import running
from integrations.models import Import, ScheduledImport
from tests.browser.conftest import until
from tests.browser.judging import judged

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

CONTENT = "id,name,mrr,Floors,Opened,A column with quite a long name for a table\n" + "".join(
    f"x{n},Company number {n},{'$5' if n == 2 else n},{n},0{n}/05/2026,some text that goes on and on for a while\n"
    for n in range(1, 9)
)


@pytest.fixture
def file(tmp_path: Path, settings: Any) -> Path:
    settings.DATA_DIR = tmp_path
    path = tmp_path / "customers of spring.csv"
    path.write_text(CONTENT)
    return path


def look(page: Page, name: str, wrong: dict[str, list[str]]) -> None:
    """Keep what is wrong with the page that is open."""
    if found := judged(page):
        wrong[name] = found


def look_at_lists(page: Page, wrong: dict[str, list[str]]) -> None:
    """The imports, the schedules with one that failed, and its form."""
    page.goto("/imports/")
    look(page, "list", wrong)
    ScheduledImport.objects.create(
        name="Nightly", url="https://files.example/a.csv", kind="accounts", error="It failed."
    )
    page.get_by_role("link", name="Schedules").press("Enter")
    page.get_by_role("heading", name="Scheduled imports").wait_for()
    look(page, "schedules", wrong)
    page.get_by_role("link", name="Nightly").press("Enter")
    page.get_by_role("button", name="Save").wait_for()
    look(page, "schedule", wrong)


def test_a_file_is_imported_and_undone(
    context_for: Callable[..., BrowserContext], file: Path, trouble: list[str]
) -> None:
    page, wrong = context_for().new_page(), dict[str, list[str]]()
    page.goto("/imports/")
    look(page, "empty", wrong)
    page.get_by_role("link", name="Import a file").first.press("Enter")
    page.locator("input[type=file]").set_input_files(file)
    look(page, "new", wrong)
    page.get_by_role("button", name="Upload").press("Enter")
    page.get_by_role("heading", name="Columns of customers of spring.csv").wait_for()
    look(page, "mapping", wrong)
    page.get_by_role("button", name="Preview").press("Enter")
    page.get_by_text("Not ready yet.").wait_for()
    look(page, "mapping-refused", wrong)
    page.get_by_label("Dates are written").select_option("%d/%m/%Y")
    page.get_by_role("combobox", name="Floors becomes").fill("New attribute: Text")
    page.get_by_role("button", name="Preview").press("Enter")
    page.get_by_role("heading", name="What would be rejected").wait_for()
    look(page, "preview", wrong)
    page.get_by_role("button", name="Import", exact=True).press("Enter")
    page.get_by_text("Waiting for the background worker").wait_for()
    look(page, "waiting", wrong)
    job = Import.objects.get()
    running.work(job.pk)
    page.get_by_role("heading", name="Rejected rows").wait_for()
    look(page, "result", wrong)
    assert Account.objects.get(external_id="x3").attributes["floors"] == "3"
    with page.expect_download() as download:
        page.get_by_role("link", name="Download them").click()
    assert "$5" in Path(download.value.path()).read_text()
    page.get_by_role("link", name="Undo…").press("Enter")
    page.get_by_role("heading", name="Undo the import").wait_for()
    look(page, "undo", wrong)
    page.get_by_role("button", name="Undo the import").press("Enter")
    until(page, "document.querySelector('progress') !== null")
    running.work(job.pk)
    page.get_by_text("7 removed").wait_for()
    look(page, "undone", wrong)
    look_at_lists(page, wrong)
    assert not wrong
    assert [line for line in trouble if "422" not in line] == []


def test_a_file_is_imported_without_scripts(context_for: Callable[..., BrowserContext], file: Path) -> None:
    page = context_for(java_script_enabled=False).new_page()
    page.goto("/imports/new/")
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_role("button", name="Upload").click()
    page.get_by_label("Dates are written").select_option("%d/%m/%Y")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Import", exact=True).click()
    further = page.get_by_role("link", name="See how far it is")
    further.wait_for()
    running.work(Import.objects.get().pk)
    further.click()
    page.get_by_role("heading", name="Rejected rows").wait_for()
    assert Account.objects.filter(external_id="x8").exists()
