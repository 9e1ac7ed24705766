"""Health configs over the API: versions and restore, clone, order, the effect of a draft; who may, and bad input."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from accounts.models import Account
from core.clock import moment
from health.editing import save_config
from health.models import AccountHealth, HealthConfig
from health.refresh import refresh_health
from tests import factories
from tests.api.conftest import ApiClient, Company, code_of
from tests.health.test_scores import BOTH, PLAN, USED, by_number, by_rules, definition, only
from tests.query_counts import counted
from usage.models import AccountUsage

CONFIGS = "health-configs/"
LATER = BOTH | {"bands": {"good": 80, "poor": 40}}


@pytest.fixture
def config(company: Company) -> HealthConfig:
    for number, account in enumerate(Account.objects.order_by("pk")):
        Account.objects.filter(pk=account.pk).update(licences=10, plan="Enterprise")
        seen = moment().now - dt.timedelta(days=1)
        AccountUsage.objects.create(account=account, active_users_30d=7 - 3 * number, last_seen_at=seen)
    made = save_config(None, name="", definition=BOTH, reason="To begin with")
    refresh_health()
    return made


def test_versions_are_told_and_an_earlier_one_comes_back(config: HealthConfig, admin: ApiClient) -> None:
    address = f"{CONFIGS}{config.pk}/"
    changed = admin("PATCH", address, {"definition": LATER, "reason": "Stricter"}, match=admin.etag(address))
    assert changed.json()["version"] == 2
    told = admin.get(f"{address}versions/?page_size=1")
    assert [one["number"] for one in told["results"]] == [2] and told["next"]
    assert told["results"][0]["changes"] == [{"kind": "changed", "words": "Good from 70 → 80"}]
    first = admin.get(f"{address}versions/")["results"][1]
    assert (first["definition"], first["reason"], first["changes"]) == (BOTH, "To begin with", [])
    assert admin("POST", f"{address}versions/1/restore/").status_code == 428
    assert admin("POST", f"{address}versions/1/restore/", match='"old"').status_code == 412
    back = admin("POST", f"{address}versions/1/restore/", match=changed.headers["ETag"])
    assert (back.json()["version"], back.json()["definition"]) == (3, BOTH) and back.headers["ETag"]
    assert admin("POST", f"{address}versions/9/restore/", match=back.headers["ETag"]).status_code == 404


def test_a_copy_stands_right_under_its_original_and_scores_nobody(config: HealthConfig, admin: ApiClient) -> None:
    fjord, orchid = (
        factories.segment(name, {"field": "account.name", "op": "starts_with", "value": name})
        for name in ("Fjord", "Orchid")
    )
    first = admin("POST", f"{CONFIGS}{config.pk}/clone/", {"segment": fjord.key, "name": "Ours"}).json()
    second = admin("POST", f"{CONFIGS}{first['id']}/clone/", {"segment": orchid.key, "active": True}).json()
    assert (first["definition"], first["active"], first["version"]) == (BOTH, False, 1)
    assert (second["name"], second["active"]) == ("Orchid", True)
    order = [first["id"], second["id"], config.pk]
    assert [one["id"] for one in admin.get(CONFIGS)["results"]] == order
    assert admin("POST", f"{CONFIGS}reorder/", {"ids": order[1::-1]}).json() == {"ids": [*order[1::-1], config.pk]}
    for body in ({"ids": [first["id"], 0]}, {"ids": [config.pk, config.pk]}, {"ids": []}):
        assert admin("POST", f"{CONFIGS}reorder/", body).status_code == 400, body
    refresh_health()
    by_name = dict(AccountHealth.objects.values_list("account__name", "config__name"))
    assert by_name == {"Fjord Lines": "Default", "Orchid Labs": "Orchid", "Zinc Works": "Default"}
    for body, code, place in (
        ({}, "required", "/segment"),  # there is a default config already
        ({"segment": fjord.key}, "segment-taken", "/segment"),
        ({"segment": "nothing"}, "unknown-segment", "/segment"),
    ):
        answer = admin("POST", f"{CONFIGS}{config.pk}/clone/", body)
        assert (answer.status_code, code_of(answer)) == (422, code)
        assert answer.json()["errors"][0]["pointer"] == place


def test_the_effect_of_a_draft_is_what_saving_it_does(config: HealthConfig, admin: ApiClient, as_: Any) -> None:
    draft = definition(("adoption", 100, [USED]), bands={"good": 45, "poor": 30})
    body = {"definition": draft, "config": config.pk}
    admin("POST", f"{CONFIGS}effect/", body)
    with counted("api effect of a health config"):
        told = admin("POST", f"{CONFIGS}effect/", body).json()
    before = dict(AccountHealth.objects.values_list("account__external_id", "band"))
    assert (told["scored"], told["leaving"], told["problems"]) == (3, 0, [])
    assert [one["key"] for one in told["measures"]] == ["used"] and sum(told["measures"][0]["bands"].values()) == 3
    assert told["measures"][0]["scale"] == "percent" and sum(told["measures"][0]["bins"]) == 3
    seen = as_("csm")("POST", f"{CONFIGS}effect/", body).json()
    assert seen["scored"] == 2, "a CSM may ask, and is told of the accounts that they may see"
    save_config(config, name="", definition=draft)
    refresh_health()
    after = dict(AccountHealth.objects.values_list("account__external_id", "band"))
    moved = {(one["account"], one["before"], one["after"]) for one in told["movers"]}
    assert all(one["why"] for one in told["movers"])
    assert moved == {(key, before[key], band) for key, band in after.items() if band != before[key]} and moved
    flows = {(one["before"], one["after"]): one["accounts"] for one in told["flows"]}
    assert sum(flows.values()) == 3 and told["changed"] == len(moved)
    assert HealthConfig.objects.get().version == 2, "only the save has written"


def test_what_is_wrong_with_a_draft_is_told_with_its_place(config: HealthConfig, admin: ApiClient) -> None:
    paying = by_rules("paying", *({"field": "account.mrr", "op": "at_least", "value": n} for n in (50, 1)))
    overlapping = admin("POST", f"{CONFIGS}effect/", {"definition": only(paying), "config": config.pk}).json()
    assert [(one["pointer"], one["code"]) for one in overlapping["problems"]] == [
        ("/definition/dimensions/0/measures/0/good", "bands-overlap")
    ]
    health = by_number("health", "health.score", 1, 0)
    for body, code, place in (
        ({"definition": only(health), "config": config.pk}, "later-stage", "/definition/dimensions/0/measures/0/field"),
        ({"definition": BOTH | {"segment": 1}, "config": config.pk}, "unknown-key", "/definition/segment"),
        ({"definition": only(PLAN)}, "required", "/segment"),
        ({"definition": only(PLAN), "config": 0}, "unknown-config", "/config"),
        ({"definition": only(PLAN), "segment": "nothing"}, "unknown-segment", "/segment"),
    ):
        answer = admin("POST", f"{CONFIGS}effect/", body)
        assert (answer.status_code, code_of(answer)) == (422, code), answer.content
        assert answer.json()["errors"][0]["pointer"] == place
    assert admin("POST", f"{CONFIGS}effect/", {"draft": {}}).status_code == 400


def test_who_may_change_configs(config: HealthConfig, as_: Any) -> None:
    address = f"{CONFIGS}{config.pk}/"
    for client in (as_("csm"), as_("viewer")):
        assert client.get(f"{address}versions/")["results"]
        for what, body in (("clone/", {}), ("versions/1/restore/", None)):
            assert client("POST", f"{address}{what}", body).status_code == 403
        assert client("POST", f"{CONFIGS}reorder/", {"ids": [config.pk]}).status_code == 403
    assert as_("viewer")("POST", f"{CONFIGS}effect/", {"definition": BOTH, "config": config.pk}).status_code == 200
