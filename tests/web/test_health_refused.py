"""A health config that cannot be is refused with its place by every way in: the page, the API and the back office."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from accounts.models import AttributeDefinition
from health.editing import save_config
from health.models import HealthConfig
from tests import factories
from tests.health.test_scores import PLAN, SEEN, USED, Rule, an_account, definition
from tests.web.conftest import Company
from tests.web.reading import fields, text

HALVES = [("adoption", 60, [USED, SEEN]), ("financial", 40, [PLAN])]
M = "/dimensions/0/measures/0"
LATER = {"field": "health.band", "op": "is", "value": "good"}
LONG = {"field": "account.licences", "op": "at_least", "value": 40}


def of(*dimensions: tuple[str, int, list[Rule]], **more: Any) -> Rule:
    return definition(*(dimensions or HALVES), **more)


def used(**change: Any) -> Rule:
    return of(("adoption", 60, [USED | change, SEEN]), HALVES[1])


def plan(**change: Any) -> Rule:
    return of(HALVES[0], ("financial", 40, [PLAN | {side: factories.rule(rule) for side, rule in change.items()}]))


# What is wrong, where it stands, what is said of it; on the page, what is typed and the place beside the field.
REFUSED: dict[str, tuple[Rule, str, str, dict[str, str], str]] = {
    "overlapping bands": (
        of(bands={"good": 30, "poor": 40}), "/bands/good", "the bands overlap", {"band.good": "30"}, "error-good-from",
    ),
    "a measure whose limits meet": (
        used(good=5, poor=5), f"{M}/good", "the same limit",
        {"d0m0.good.mode": "number", "d0m0.poor.mode": "number", "d0m0.good.value": "5", "d0m0.poor.value": "5"},
        "error-d0m0good",
    ),
    "rules that both hold": (
        plan(good={"field": "account.plan", "op": "is", "value": "Starter"}), "/dimensions/1/measures/0/good",
        "the same rule", {"d1m0good.0.value": "Starter"}, "error-d1m0good",
    ),
    "rules that both hold for an account": (
        plan(good=LONG), "/dimensions/1/measures/0/good", "both hold for Starters",
        {"d1m0good.0.field": "account.licences", "d1m0good.0.op": "at_least", "d1m0good.0.value": "40"},
        "error-d1m0good",
    ),
    "a measure that weighs nothing": (
        used(weight=0), f"{M}/weight", "weight of zero", {"d0m0.weight": "0"}, "error-d0m0",
    ),
    "a dimension that weighs nothing": (
        of(("adoption", 0, [USED, SEEN]), ("financial", 100, [PLAN])), "/dimensions/0/weight", "weight of zero",
        {"d0.weight": "0", "d1.weight": "100"}, "error-d0",
    ),
    "weights that do not add up": (
        of(HALVES[0], ("financial", 30, [PLAN])), "/dimensions", "add to 90 %", {"d1.weight": "30"}, "",
    ),
    "a field of a later stage": (
        used(field="health.score"), f"{M}/field", "only known after health is scored",
        {"d0m0.field": "health.score"}, "error-field-d0m0",
    ),
    "a rule on a field of a later stage": (
        plan(good=LATER), "/dimensions/1/measures/0/good/rules/0", "only known after health is scored",
        {"d1m0good.0.field": "health.band", "d1m0good.0.op": "is", "d1m0good.0.value": "good"}, "error-d1m0good-0",
    ),
    "a field that was deleted": (
        used(field="account.custom.nps"), f"{M}/field", "There is no field account.custom.nps",
        {"d0m0.field": "account.custom.nps"}, "error-field-d0m0",
    ),
    "a percentage of a field that was deleted": (
        used(good={"percent": 70, "of": "account.custom.nps"}), f"{M}/good/of", "no field account.custom.nps",
        {"d0m0.good.of": "account.custom.nps"}, "error-d0m0good",
    ),
}  # fmt: skip


@pytest.fixture
def config(company: Company) -> HealthConfig:
    """A config that can be, an account that meets what it calls Poor, and an attribute that was there once."""
    an_account(1, 50, plan="Starter", name="Starters")
    AttributeDefinition.objects.create(subject="account", key="nps", name="NPS", kind="number").delete()
    return save_config(None, name="", definition=of())


@pytest.fixture
def root(company: Company) -> Client:
    """A superuser's client, to whom every way is open."""
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_is_refused_by_every_way_in(root: Client, config: HealthConfig, what: str) -> None:
    wrong, pointer, words, typed, beside = REFUSED[what]
    by_the_page(root, config, typed, words, beside)
    by_the_api(root, config, wrong, pointer, words)
    by_the_back_office(root, config, wrong, pointer, words)
    config.refresh_from_db()
    assert (config.version, config.definition) == (1, of())


def by_the_page(root: Client, config: HealthConfig, typed: dict[str, str], words: str, beside: str) -> None:
    html = root.get(f"/health/configs/{config.pk}/").content.decode()
    sent = fields(html[html.index('id="config-form"') : html.index('class="bottombar"')])
    for name, value in typed.items():
        sent[name] = value
    answer = root.post(f"/health/configs/{config.pk}/", sent)
    page = answer.content.decode()
    assert answer.status_code == 422 and "Not saved." in page
    summary = dict(re.findall(r'<li><a href="#([^"]+)">([^<]+)</a>', page[page.index('id="problems"') :]))
    link, told = next((link, told) for link, told in summary.items() if words in text(told))
    assert f'id="{link}"' in page, "the summary leads to the control"
    if beside:
        slot = re.search(rf'id="{beside}">(.*?)</div>', page, re.S)
        assert slot and words in text(slot[1]), (beside, slot)


def by_the_api(root: Client, config: HealthConfig, wrong: Rule, pointer: str, words: str) -> None:
    address = f"/api/v1/health-configs/{config.pk}/"
    tag = {"If-Match": root.get(address).headers["ETag"]}
    answer = root.generic("PATCH", address, json.dumps({"definition": wrong}), "application/json", headers=tag)
    assert_refused(answer, pointer, words)
    if "same rule" not in words and "both hold" not in words:  # a back-test asks of other days than today
        body = {"definition": wrong, "config": config.pk, "first_day": "2020-01-01", "last_day": "2020-03-01"}
        answer = root.generic("POST", "/api/v1/health-back-tests/", json.dumps(body), "application/json")
        assert_refused(answer, pointer, words)


def assert_refused(answer: Any, pointer: str, words: str) -> None:
    found = {one["pointer"]: one["detail"] for one in answer.json().get("errors", ())}
    assert answer.status_code == 422 and words in found.get(f"/definition{pointer}", ""), answer.content


def by_the_back_office(root: Client, config: HealthConfig, wrong: Rule, pointer: str, words: str) -> None:
    sent = {"name": "Default", "segment": "", "active": "on", "definition": json.dumps(wrong), "reason": "Why not."}
    answer = root.post(f"/admin/health/healthconfig/{config.pk}/change/", sent)
    assert answer.status_code == 200, "the form comes back"
    said = answer.context["adminform"].form.non_field_errors()
    assert any(one.startswith(f"{pointer}: ") and words in one for one in said), said
