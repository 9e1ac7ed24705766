"""The editor of a health config by keyboard and pointer, its live effect, and the order of configs by dragging."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from health.editing import save_config
from health.models import HealthConfig
from health.refresh import refresh_health
from health.stock import ONBOARDING
from segments.models import Segment
from tests.browser.conftest import WIDE, focused, notice, until
from tests.browser.judging import WIDTHS, findings
from tests.health.test_scores import BOTH

if TYPE_CHECKING:
    from playwright.sync_api import Page


def the_configs() -> HealthConfig:
    for name in ("Growth plan", "Large"):
        save_config(None, name="", segment=Segment.objects.get(name=name), definition=ONBOARDING)
    default = save_config(None, name="", definition=BOTH)
    refresh_health()
    return default


def settled(page: Page) -> None:
    """Wait until the effect of the last change is there."""
    until(page, "document.querySelector('#pv-state')?.textContent === 'Up to date'")


def test_a_config_is_edited_with_its_effect_before_it_is_saved(page: Page, trouble: list[str]) -> None:
    config = the_configs()
    page.goto(f"/health/configs/{config.pk}/")
    settled(page)
    assert page.inner_text("#pv-count") == "0" and page.locator(".histogram").count() == 2
    page.fill("#good-from", "3")
    page.fill("#poor-below", "1")
    until(page, "document.querySelector('#pv-count')?.textContent > '0'")
    settled(page)
    assert "→ Good" in page.inner_text("#preview") and findings(page) == []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.set_viewport_size(WIDE)

    page.locator("#add-d1").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#picker:popover-open")
    page.keyboard.type("mrr")
    page.keyboard.press("Enter")
    until(page, "document.activeElement.id === 'value-d1m1good'")
    page.keyboard.type("5000")
    page.fill("#value-d1m1poor", "100")
    page.locator("#spread-d1m1 .histogram").wait_for()
    page.get_by_role("button", name="Remove Adoption").click()
    page.locator("#name-d0[value='Financial']").wait_for()
    page.locator("#notices [data-undo]").click()
    page.locator("#name-d0[value='Adoption']").wait_for()
    assert page.input_value("#value-d1m1good") == "5000"

    page.fill("#weight-d0", "69")
    page.locator("#weights-total", has_text="add to 109 %").wait_for()
    page.keyboard.press("Control+s")
    focused(page, "#problems")
    page.locator("#problems a", has_text="add to 109 %").click()
    assert "422" in trouble.pop() and not trouble
    page.get_by_role("button", name="Make it 100 %").click()
    until(page, "document.querySelector('#weight-d0').value === '63'")
    settled(page)
    page.keyboard.press("Control+s")
    page.wait_for_url(re.compile(r"/health/\?config="))
    saved = HealthConfig.objects.get(pk=config.pk)
    assert saved.version == 2 and saved.definition["bands"] == {"good": 3, "poor": 1}
    assert saved.definition["dimensions"][1]["measures"][1]["field"] == "account.mrr"


def test_configs_move_by_dragging_and_back_by_undo(page: Page) -> None:
    the_configs()
    names = lambda: list(HealthConfig.objects.values_list("name", flat=True))  # noqa: E731
    page.goto("/health/conflicts/")
    assert findings(page) == []
    page.goto("/health/")
    page.locator("li[data-name='Large'] [data-drag]").hover()
    page.mouse.down()
    box = page.locator("li[data-name='Growth plan']").bounding_box()
    assert box
    page.mouse.move(box["x"] + 60, box["y"] + 40, steps=8)
    page.mouse.move(box["x"] + 60, box["y"] + 4, steps=6)
    page.mouse.up()
    notice(page, "Large is asked as number 1.")
    assert names() == ["Large", "Growth plan", "Default"]
    page.locator("#notices [data-undo]").click()
    notice(page, "in their earlier order")
    assert names() == ["Growth plan", "Large", "Default"]
