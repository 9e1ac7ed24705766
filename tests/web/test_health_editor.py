"""The editor of health configs without scripts, its live effect, versions, conflicts, and who may do what."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from django.db import connection
from django.http import QueryDict
from django.test import Client

from accounts.models import Account, TeamMember
from core.clock import moment
from core.models import Workspace
from health import effect
from health.editing import reorder_configs, save_config
from health.models import AccountHealth, HealthConfig
from health.refresh import refresh_health
from health.stock import DEFAULT, ONBOARDING
from tests import factories
from tests.health.test_scores import BOTH, definition
from tests.query_counts import QueryCount
from tests.web.conftest import Company, beginning
from tests.web.reading import fields, text
from usage.models import AccountUsage

RULED = definition(
    ("adoption", 100, [{
        "key": "plan", "name": "Plan", "weight": 1,
        "good": factories.rule({"field": "account.plan", "op": "is", "value": "Enterprise"}),
        "poor": factories.rule({"field": "account.plan", "op": "is", "value": "Starter"}),
    }]), bands={"good": 70, "poor": 40}, least_coverage=50,
)  # fmt: skip


@pytest.fixture
def scored(_scored: None, company: Company) -> Company:
    """Usage, the ready-made default, and a config for the large ones."""
    return company


def _score(company: Company) -> None:
    for number, account in enumerate(Account.objects.order_by("pk")):
        last = moment().now - dt.timedelta(days=5 * number)
        usage = {"active_users_30d": 5 - number, "active_users_90d": 5, "last_seen_at": last}
        AccountUsage.objects.update_or_create(account=account, defaults=usage)
    Account.objects.filter(licences=None).update(licences=5)
    save_config(None, name="", definition=DEFAULT)
    save_config(None, name="Big ones", segment=company.segments["large"], definition=ONBOARDING)
    refresh_health()


_scored = beginning(_score)


@pytest.fixture
def default(scored: Company) -> HealthConfig:
    return HealthConfig.objects.get(is_default=True)


def form(client: Client, path: str) -> QueryDict:
    """What a browser would send of the editor's form."""
    html = client.get(path).content.decode()
    return fields(html[html.index('id="config-form"') : html.index('class="bottombar"')])


def path_of(config: HealthConfig) -> str:
    return f"/health/configs/{config.pk}/"


def step(client: Client, path: str, sent: QueryDict, what: str) -> tuple[QueryDict, str]:
    """Press a button of the form without scripts."""
    sent["do"] = what
    html = client.post(path, sent).content.decode()
    return fields(html[html.index('id="config-form"') : html.index('class="bottombar"')]), html


@pytest.mark.parametrize("data", [DEFAULT, ONBOARDING, RULED, BOTH])
def test_a_form_sent_as_it_came_changes_nothing(manager: Client, default: HealthConfig, data: Any) -> None:
    save_config(default, name="", definition=data)
    before = HealthConfig.objects.get(pk=default.pk)
    answer = manager.post(path_of(default), form(manager, path_of(default)), follow=True)
    assert "so version" in text(answer.content.decode())
    after = HealthConfig.objects.get(pk=default.pk)
    assert (after.definition, after.version, after.name) == (data, before.version, before.name)


def test_a_config_is_built_step_by_step_without_scripts(manager: Client, scored: Company) -> None:
    path = "/health/configs/new/"
    sent = form(manager, f"{path}?from=empty")
    sent["segment"], sent["name"], sent["d0.name"] = scored.segments["growth"].key, "Growth", "Usage"
    sent, _ = step(manager, path, sent, "field:d0m0:account.active_users_30d")
    assert sent["d0m0.name"] == "Active users, 30 days"
    sent["d0m0.good.value"], sent["d0m0.poor.value"], sent["d0m0.good.mode"] = "60", "1", "percent"
    sent, html = step(manager, path, sent, "update")
    assert "d0m0.good.of" in sent and "Good at" in text(html)
    sent["d0m0.good.of"] = "account.licences"
    sent, _ = step(manager, path, sent, "dimension")
    sent, _ = step(manager, path, sent, "rules:d1")
    sent, _ = step(manager, path, sent, "add:d1m0good:account.plan")
    sent, _ = step(manager, path, sent, "add:d1m0poor:account.plan")
    sent["d1.name"], sent["d1.weight"], sent["d1m0.name"] = "Money", "50", "Plan"
    sent["d1m0good.0.value"], sent["d1m0poor.0.value"] = "Enterprise", "Starter"
    sent, html = step(manager, path, sent, "up:d1")
    assert "add to 150 %" in text(html) and sent["d0.name"] == "Money" and sent["d1m0.good.value"] == "60"
    sent, html = step(manager, path, sent, "even")
    assert (sent["d0.weight"], sent["d1.weight"]) == ("33", "67") and "add to 100 %" in text(html)
    sent["reason"] = "They asked for it."
    sent.pop("do", None)
    answer = manager.post(path, sent, follow=True)
    assert "Growth saved as version 1" in text(answer.content.decode())
    made = HealthConfig.objects.get(name="Growth")
    money, usage = made.definition["dimensions"]
    assert (money["key"], money["measures"][0]["key"]) == ("product-adoption", "plan") or money["key"] == "money"
    assert money["measures"][0]["good"]["rules"] == [{"field": "account.plan", "op": "is", "value": "Enterprise"}]
    assert usage["measures"][0]["good"] == {"percent": 60, "of": "account.licences"}
    assert usage["measures"][0]["poor"] == 1 and made.versions.get().reason == "They asked for it."


def test_every_mistake_stands_beside_its_field_and_nothing_typed_is_lost(
    manager: Client, default: HealthConfig
) -> None:
    plan, used = RULED["dimensions"][0]["measures"][0], BOTH["dimensions"][0]["measures"][0]
    sides = [(key, 50, [plan | {"key": f"{key}-p"}, used | {"key": f"{key}-u"}]) for key in ("one", "two")]
    save_config(default, name="", definition=definition(*sides))
    sent = form(manager, path_of(default))
    wrong = {
        "d0.name": "", "d0.weight": "a lot", "d0m0.weight": "0", "d0m0good.0.value": "", "d0m1.good.value": "many",
        "d1m1.field": "account.gone", "band.good": "30", "least": "200", "reason": "Why not <b>",
    }  # fmt: skip
    for name, value in wrong.items():
        sent[name] = value
    answer = manager.post(path_of(default), sent)
    html = answer.content.decode()
    assert answer.status_code == 422 and "Not saved." in html
    again = fields(html)
    assert {name: again[name] for name in wrong} == wrong
    for dom, words in {
        "error-d0": "The name is missing.", "error-d0m0": "weight of zero", "error-d0m1good": "number",
        "error-field-d1m1": "no field account.gone", "error-good-from": "overlap", "error-least": "from 0 to 100",
        "error-d0m0good-0": "",
    }.items():  # fmt: skip
        slot = re.search(rf'<div class="rule-errors" id="{dom}">(.*?)</div>', html, re.S)
        assert slot and words in text(slot[1]) and "field-error" in slot[1], dom
    links = re.findall(r'<li><a href="#([^"]+)">', html)
    assert len(links) >= 8 and all(f'id="{one}"' in html for one in links)
    assert HealthConfig.objects.get(pk=default.pk).version == 2


def test_the_kind_of_a_measure_can_change_and_change_back(manager: Client, default: HealthConfig) -> None:
    path, sent = path_of(default), form(manager, path_of(default))
    before = {name: value for name, value in sent.items() if name.startswith("d0m0.") and name != "d0m0.kept"}
    sent["d0m0.kind"] = "rules"
    sent, _ = step(manager, path, sent, "update")
    assert "d0m0.field" not in sent and sent["d0m0good.match"] == "all"
    sent["d0m0.kind"] = "number"
    sent, _ = step(manager, path, sent, "update")
    assert {name: sent[name] for name in before} == before
    sent["d0m0.kept"] = '{"good": {"rules": 7}, "poor": [[[['
    assert step(manager, path, sent, "update")[0]["d0m0.field"] == before["d0m0.field"]


def test_who_saved_meanwhile_is_said_and_can_be_replaced(manager: Client, default: HealthConfig) -> None:
    sent = form(manager, path_of(default))
    sent["band.good"] = "80"
    save_config(default, name="", definition=BOTH, reason="Simpler.")
    answer = manager.post(path_of(default), sent)
    said = text(answer.content.decode())
    assert answer.status_code == 422 and "was changed meanwhile" in said and "Simpler." in said and "Removed" in said
    again = fields(answer.content.decode())
    assert (again["band.good"], again["version"]) == ("80", "2")
    manager.post(path_of(default), again)
    kept = HealthConfig.objects.get(pk=default.pk)
    assert kept.version == 3 and kept.definition["bands"]["good"] == 80


def test_what_was_deleted_meanwhile_is_saved_as_a_new_one(manager: Client, scored: Company) -> None:
    config = HealthConfig.objects.get(name="Big ones")
    sent = form(manager, path_of(config))
    HealthConfig.objects.filter(pk=config.pk).delete()
    answer = manager.post(path_of(config), sent)
    html = answer.content.decode()
    assert answer.status_code == 422 and "was deleted meanwhile" in html and 'action="/health/configs/new/"' in html
    manager.post("/health/configs/new/", fields(html))
    assert HealthConfig.objects.get(name="Big ones").definition == ONBOARDING


def test_the_effect_tells_who_changes_and_ends_when_a_newer_one_came(
    manager: Client, default: HealthConfig, query_count: QueryCount, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_config(default, name="", definition=BOTH)
    refresh_health()
    sent = form(manager, path_of(default))
    html = manager.post("/health/configs/preview/", sent).content.decode()
    assert 'id="pv-count">0<' in html and 'id="spread-d0m1"' in html and 'class="histogram"' in html
    sent["band.good"], sent["band.poor"] = "2", "1"
    with query_count("health effect"):
        html = manager.post("/health/configs/preview/", sent).content.decode()
    before = AccountHealth.objects.filter(config=default, score__gte=2).exclude(band="good").count()
    assert f'id="pv-count">{before}<' in html and before and "→ Good" in html and "MRR at Poor" in html
    assert "Good begins at 2 (was 70), Poor below 1 (was 40)" in html
    sent["d0.weight"] = "1"
    told = text(manager.post("/health/configs/preview/", sent).content.decode())
    assert "add to 41 %" in told and "weights scaled to 100 %" in told and "would change band" in told
    sent["d0.weight"], sent["d0m1.good.value"] = "60", "soon"
    html = manager.post("/health/configs/preview/", sent).content.decode()
    assert "Without 1 measure that cannot be read yet." in html and "is not a number" in html
    assert 'id="spread-d0m0"' in html and 'id="spread-d0m1"' not in html
    sent["band.good"] = "0"
    assert "It comes when the config is complete" in manager.post("/health/configs/preview/", sent).content.decode()
    sent["band.good"], sent["d0m1.good.value"] = "2", "2"

    monkeypatch.setattr(effect, "LIMIT_MS", 0)
    sent["preview-window"], sent["preview-asked"] = "0123456789ab", "1"
    newer = connection.copy()
    try:
        user = TeamMember.objects.get(access="manager").user
        with newer.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('application_name', %s, false)", [f"csbox:health.{user.pk}.0123456789ab:2"]
            )
            assert manager.post("/health/configs/preview/", sent).status_code == 204
    finally:
        newer.close()


def test_an_effect_that_takes_too_long_says_what_to_do(
    manager: Client, default: HealthConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = form(manager, path_of(default))
    monkeypatch.setattr(effect, "LIMIT_MS", 1)
    monkeypatch.setattr(effect, "EFFECT", effect.EFFECT.replace("SELECT", "SELECT pg_sleep(0.1), ", 1))
    assert "Saving works" in manager.post("/health/configs/preview/", sent).content.decode()


def test_versions_come_back_and_saving_can_be_undone(manager: Client, default: HealthConfig) -> None:
    sent = form(manager, path_of(default))
    sent["band.good"], sent["reason"] = "80", "Stricter."
    page = manager.post(path_of(default), sent, follow=True).content.decode()
    undo = re.search(r'action="(/undo/[^"]+)"', page)
    assert undo is not None
    listed = text(manager.get(f"{path_of(default)}versions/").content.decode())
    assert "Reason: Stricter." in listed and "Good from 70 → 80" in listed and "In use" in listed
    manager.post(undo[1])
    default.refresh_from_db()
    assert (default.version, default.definition) == (3, DEFAULT)
    manager.post(f"{path_of(default)}versions/2/restore/")
    default.refresh_from_db()
    assert (default.version, default.definition["bands"]["good"]) == (4, 80)
    assert "no version 99" in text(
        manager.post(f"{path_of(default)}versions/99/restore/", follow=True).content.decode()
    )


def test_a_config_is_cloned_dragged_and_deleted(manager: Client, scored: Company) -> None:
    big = HealthConfig.objects.get(name="Big ones")
    sent = form(manager, f"/health/configs/new/?from={big.pk}")
    sent["segment"], sent["name"] = scored.segments["growth"].key, "Copy"
    manager.post("/health/configs/new/", sent)
    copy = HealthConfig.objects.get(name="Copy")
    assert copy.definition == big.definition and copy.versions.get().reason == "Copied from Big ones"
    part = manager.post(
        f"/health/{copy.pk}/move/", {"place": "1", "shown": str(big.pk)}, headers={"HX-Request": "true"}
    ).content.decode()
    assert part.index(">Copy<") < part.index(">Big ones<") and "data-undo" in part and "<html" not in part
    assert list(HealthConfig.objects.values_list("name", flat=True)) == ["Copy", "Big ones", "Default"]
    factories.segment("Low", {"field": "health.dimension.financial", "op": "at_most", "value": 20})
    default = HealthConfig.objects.get(is_default=True)
    assert "segment “Low”" in text(manager.post(f"{path_of(default)}delete/", follow=True).content.decode())
    manager.post(f"{path_of(copy)}delete/")
    assert list(HealthConfig.objects.values_list("name", flat=True)) == ["Big ones", "Default"]


def test_conflicts_are_listed_narrowed_and_reached(
    manager: Client, csm: Client, scored: Company, query_count: QueryCount
) -> None:
    growth = save_config(None, name="Growers", segment=scored.segments["growth"], definition=RULED)
    refresh_health()
    elan = scored.accounts["Elän"]
    with query_count("health conflicts"):
        page = text(manager.get("/health/conflicts/").content.decode())
    assert "2 accounts" in page and "Elän" in page and "Fir" in page and "Alder" not in page
    assert page.index("Big ones", page.index("Elän")) < page.index("Growers", page.index("Elän"))
    told = {row["account"]: row for row in manager.get("/api/v1/health-configs/conflicts/").json()["results"]}
    first, second = told[elan.external_id]["verdicts"]
    assert (first["name"], first["wins"], second["name"], second["wins"]) == ("Big ones", True, "Growers", False)
    assert (second["band"], float(second["score"])) == ("average", 50)
    differing = [name for name, row in told.items() if row["differs"]]
    asked = manager.get("/api/v1/health-configs/conflicts/?differs=true").json()
    assert [row["account"] for row in asked["results"]] == differing
    assert f"{len(differing)} account" in text(manager.get("/health/conflicts/?differ=1").content.decode())
    assert manager.get("/api/v1/health-configs/conflicts/?differs=maybe").status_code == 400
    card = manager.get(f"/accounts/{elan.pk}/").content.decode()
    assert f'href="/health/conflicts/?account={elan.pk}"' in card and "1 more config fits it" in text(card)
    alone = text(manager.get(f"/health/conflicts/?account={elan.pk}").content.decode())
    assert "Configs that fit Elän" in alone and "Fir" not in alone
    assert f"?config={growth.pk}" in manager.get(f"/health/?config={growth.pk}").content.decode()
    reorder_configs([growth.pk])
    flipped = text(manager.get("/health/conflicts/").content.decode())
    assert flipped.index("Growers", flipped.index("Elän")) < flipped.index("Big ones", flipped.index("Elän"))


def test_others_read_and_do_not_write(csm: Client, default: HealthConfig) -> None:
    page = csm.get(path_of(default)).content.decode()
    assert "Licences in use" in page and "<form id=" not in page and "Only administrators and managers" in page
    assert csm.get(f"{path_of(default)}versions/").status_code == 200
    assert csm.get("/health/configs/new/").status_code == 403
    own = [f"{path_of(default)}{path}" for path in ("", "delete/", "versions/1/restore/")]
    for path in (*own, "/health/configs/part/", "/health/configs/preview/", "/health/configs/new/"):
        assert csm.post(path, {}).status_code == 403


def test_conflicts_of_accounts_that_one_may_not_see_are_not_told(csm: Client, scored: Company) -> None:
    save_config(None, name="Growers", segment=scored.segments["growth"], definition=RULED)
    factories.assign(scored.accounts["Elän"], scored.manager)
    Workspace.objects.update_or_create(pk=1, defaults={"csm_reach": Workspace.Reach.OWN})
    page = text(csm.get("/health/conflicts/").content.decode())
    assert "1 account" in page and "Fir" in page and "Elän" not in page
    assert len(csm.get("/api/v1/health-configs/conflicts/").json()["results"]) == 1
    assert csm.get(f"/health/conflicts/?account={scored.accounts['Elän'].pk}").status_code == 404


def test_nonsense_in_the_form_is_survived(manager: Client, default: HealthConfig) -> None:
    for what in (
        "up:d9",
        "remove:d0m99",
        "field:d0m0",
        "even",
        "add:d0m0good:account.plan",
        "x:y:z",
        "up:",
        "rules:d0m0",
        "\x00",
    ):
        sent = form(manager, path_of(default))
        sent["do"] = what
        assert manager.post("/health/configs/part/", sent).status_code == 200, what
    odd = {
        "d0.name": "a\x00b",
        "d0m0.kept": "[",
        "config": "9" * 40,
        "version": "²",
        "d7m3.name": "Far",
        "segment": "none\x00",
    }
    assert manager.post("/health/configs/preview/", odd).status_code == 200
    assert manager.post("/health/configs/new/", odd).status_code == 422
    assert manager.get("/health/configs/99999/").status_code == 404
