"""The health wizard without scripts: for whom, measures with limits, their effect, and version 1."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import Account, TeamMember
from alerts.editing import save_alert_rule
from core.clock import moment
from health.models import HealthConfig, HealthConfigVersion
from health.stock import DEFAULT
from tests import factories
from tests.query_counts import QueryCount
from tests.web.conftest import Company
from tests.web.reading import fields, text
from usage.models import AccountUsage

START = "/health/start/"


@pytest.fixture
def used(company: Company) -> Company:
    """Twenty more accounts with usage and licences; nobody has a renewal, a touchpoint or a pulse."""
    Account.objects.update(renews_on=None)
    for i in range(20):
        account = factories.account(f"Used {i:02}", licences=50, stage_id="live" if i % 2 else "onboarding")
        seen = moment().now - dt.timedelta(days=i)
        figures = {"active_users_30d": 2 * i, "active_users_90d": 2 * i + 1, "active_days_30d": i, "last_seen_at": seen}
        AccountUsage.objects.create(account=account, **figures)
    return company


def sent(page: str, **changes: Any) -> dict[str, Any]:
    form = fields(page.split('id="start-form"')[1].split("</form>")[0])
    return {name: form[name] for name in form} | changes


def test_from_nothing_to_version_one(manager: Client, used: Company) -> None:
    assert 'href="/health/start/"' in manager.get("/health/").content.decode()
    whom = manager.get(START).content.decode()
    save_alert_rule(
        None, name="Quiet", condition=factories.rule({"field": "account.mrr", "op": "at_least", "value": 1})
    )
    assert "Alert rule: " not in manager.get(START).content.decode(), "its question is no segment of ours"
    assert "Everybody" in whom and 'value="stage:onboarding"' in whom and 'value="segment:growth-plan"' in whom
    page = manager.get(f"{START}?for=everybody").content.decode()
    said = text(page)
    assert "Limits proposed from" in said and "No account has a value for Renewal date" in said
    assert "A fifth up to" in said and 'class="histogram"' in page and "The health mix it would give" in said
    form = sent(page)
    assert form["use-licences"] == "1" and "use-renewal" not in form and float(form["good-licences"]) > 0
    shown = manager.post(START, form | {"do": "show", "good-last-seen": "4"}).content.decode()
    assert 'name="good-last-seen" value="4"' in shown and not HealthConfig.objects.exists()
    saved = manager.post(START, form | {"do": "save", "good-last-seen": "4"}, follow=True)
    assert "Default saved as version 1" in text(saved.content.decode())
    config = HealthConfig.objects.get()
    measures = {one["key"]: one for row in config.definition["dimensions"] for one in row["measures"]}
    assert measures["last-seen"]["good"] == 4 and measures["licences"]["good"]["of"] == "account.licences"
    assert set(measures) < {one["key"] for row in DEFAULT["dimensions"] for one in row["measures"]}
    assert sum(row["weight"] for row in config.definition["dimensions"]) == 100
    assert HealthConfigVersion.objects.get().reason.startswith("Limits from ")
    again = text(manager.get(f"{START}?for=everybody", follow=True).content.decode())
    assert "Everybody has a health config already" in again and "has a config, edit it" in again
    manager.post(START, form | {"do": "save"})
    assert HealthConfig.objects.count() == 1


def test_a_stage_gets_its_segment_and_a_config_of_its_own(manager: Client, used: Company) -> None:
    page = manager.get(f"{START}?for=stage:onboarding").content.decode()
    assert "Onboarding</b>" in page
    manager.post(START, sent(page, do="save"))
    config = HealthConfig.objects.get()
    assert config.segment is not None and config.name == config.segment.name == "Onboarding"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"good-licences": "many"}, "Enter a number"),
        ({"good-licences": ""}, "Enter a number"),
        ({"good-licences": "20", "poor-licences": "20"}, "Poor and Good have the same limit"),
        ({"good-licences": "-5"}, "Give a number from 0"),
        ({"good-licences": "9" * 40}, "Enter a number"),
    ],
)
def test_mistakes_are_told_in_their_place_and_nothing_is_lost(
    manager: Client, used: Company, changes: dict[str, str], message: str
) -> None:
    form = sent(manager.get(f"{START}?for=everybody").content.decode(), do="save", **changes)
    answer = manager.post(START, form | {"poor-last-seen": "77"})
    page = answer.content.decode()
    assert answer.status_code == 422 and message in text(page) and "Not saved." in text(page)
    assert 'value="77"' in page and not HealthConfig.objects.exists()
    for name in [key for key in form if key.startswith("use-")]:
        del form[name]
    assert "Tick at least one measure" in text(manager.post(START, form).content.decode())


def test_the_ready_made_one_can_be_taken_without_data(
    manager: Client, browse: Callable[[TeamMember], Client], company: Company
) -> None:
    Account.objects.all().delete()
    page = manager.get(f"{START}?for=everybody").content.decode()
    assert "There is no account to look at" in text(page)
    manager.post(START, {"for": "everybody", "do": "ready"})
    assert HealthConfig.objects.get().definition == DEFAULT
    assert "For whom?" in text(manager.get(f"{START}?for=nobody").content.decode())
    viewer = browse(company.viewer)
    assert viewer.get(START).status_code == viewer.post(START, {"for": "everybody"}).status_code == 403


def test_parts_and_the_number_of_statements(manager: Client, used: Company, query_count: QueryCount) -> None:
    form = sent(manager.get(f"{START}?for=everybody").content.decode(), do="show")
    part = manager.post(START, form, headers={"HX-Request": "true", "HX-Target": "start-effect"}).content.decode()
    assert "<html" not in part and 'id="spread-licences" hx-swap-oob="true"' in part and "health mix" in part
    with query_count("health wizard"):
        manager.get(f"{START}?for=everybody")
