"""The back office in a real browser: no complaint under the strict policy, and the dashboard's own rule builder."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from django.urls import reverse

from accounts.access import apply_access
from accounts.models import Account, TeamMember
from segments.models import Segment
from tests.browser.conftest import until
from tests.browser.test_builder import counted

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

pytestmark = pytest.mark.browser


def let_in() -> None:
    """The manager may open the back office."""
    apply_access(TeamMember.objects.get(access=TeamMember.Access.MANAGER))


def test_the_pages_of_the_back_office_keep_the_policy(
    context_for: Callable[..., BrowserContext], trouble: list[str]
) -> None:
    let_in()
    page = context_for().new_page()
    account, segment = Account.objects.order_by("name")[3], Segment.objects.get(name="Large")
    addresses = [
        reverse("admin:index"),
        reverse("admin:accounts_account_changelist"),
        reverse("admin:accounts_account_change", args=[account.pk]),
        reverse("admin:accounts_subscription_add"),
        reverse("admin:segments_segment_changelist"),
        reverse("admin:segments_segment_change", args=[segment.pk]),
        reverse("admin:segments_refreshrun_changelist"),
        "/api/v1/docs/",
    ]
    for address in addresses:
        answer = page.goto(address)
        assert answer is not None and answer.status == 200, address
        page.wait_for_load_state("networkidle")
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (address, scheme)
            assert not trouble, (address, scheme)
    # Only what is in sight is drawn: the first addresses at once, the last ones when somebody has scrolled there.
    until(page, "document.querySelectorAll('#swagger-ui .opblock').length > 5")
    shown = "document.querySelector('#swagger-ui').innerText.includes('/api/v1/users/')"
    until(page, f"() => {{ scrollBy(0, 3000); return {shown}; }}")


def test_a_segment_is_built_in_the_back_office_with_the_dashboards_builder(
    context_for: Callable[..., BrowserContext], trouble: list[str]
) -> None:
    let_in()
    page = context_for().new_page()
    segment = Segment.objects.get(name="Large")
    page.goto(reverse("admin:segments_segment_change", args=[segment.pk]))
    counted(page, 6)
    page.locator("[name='rule.0.value']").fill("9000")
    counted(page, 3)
    page.locator("[name='_save']").click()
    page.wait_for_url(f"**{reverse('admin:segments_segment_changelist')}")
    segment.refresh_from_db()
    assert segment.rule["rules"] == [{"field": "account.mrr", "op": "at_least", "value": 9000}]
    assert segment.version == 2 and not trouble
