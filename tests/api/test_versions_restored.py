"""A segment through time, over the API."""

from __future__ import annotations

from collections.abc import Callable

from segments.refresh import refresh_due
from tests import factories
from tests.api.conftest import ApiClient, Company, code_of


def rule(value: int) -> dict[str, object]:
    return {"match": "all", "rules": [{"field": "account.mrr", "op": "at_least", "value": value}]}


def test_versions_tell_what_changed_and_can_be_restored(company: Company, as_: Callable[[str], ApiClient]) -> None:
    manager = as_("manager")
    tag = manager.etag("segments/everyone/")
    assert manager("PATCH", "segments/everyone/", {"rule": rule(500), "reason": "Fewer"}, match=tag).status_code == 200
    newest, first = manager.get("segments/everyone/versions/")["results"]
    assert newest["changes"] == [{"kind": "changed", "words": "MRR is at least $1 → MRR is at least $500"}]
    assert (newest["reason"], first["changes"], first["number"]) == ("Fewer", [], 1)
    one = manager.get("segments/everyone/versions/?page_size=1")["results"]
    assert one[0]["changes"] == newest["changes"], "also where the version before is on another page"
    path = "segments/everyone/versions/1/restore/"
    assert manager("POST", path).status_code == 428
    tag = manager.etag("segments/everyone/")
    assert as_("viewer")("POST", path, match=tag).status_code == 403
    restored = manager("POST", path, match=tag)
    assert (restored.status_code, restored.json()["version"]) == (200, 3)
    refresh_due()
    assert manager.get("segments/everyone/")["member_count"] == 3
    tag = manager.etag("segments/everyone/")
    assert code_of(manager("POST", "segments/everyone/versions/77/restore/", match=tag)) == "not-found"


def test_sizes_and_movements_of_the_accounts_that_one_sees(company: Company, as_: Callable[[str], ApiClient]) -> None:
    manager = as_("manager")
    assert [day["members"] for day in manager.get("segments/everyone/sizes/")["results"]] == [3]
    moves = manager.get("segments/everyone/movements/?days=7")["results"]
    assert {move["account"] for move in moves} == {"fjord-lines", "orchid-labs", "zinc-works"}
    assert {(move["joined"], move["cause"], move["reason"]) for move in moves} == {(True, "definition", "")}
    csm = as_("csm")
    assert [day["members"] for day in csm.get("segments/everyone/sizes/?days=1")["results"]] == [2]
    assert {move["account"] for move in csm.get("segments/everyone/movements/")["results"]} == {
        "fjord-lines",
        "zinc-works",
    }
    for wrong in ("0", "-1", "x", "9999", ""):
        assert manager("GET", f"segments/everyone/sizes/?days={wrong}").status_code == 400
    assert manager("GET", "segments/everyone/movements/?day=7").status_code == 400


def test_a_preview_says_what_else_would_change(company: Company, as_: Callable[[str], ApiClient]) -> None:
    factories.segment("Built on it", {"segment": "everyone", "op": "in"})
    sent = {"rule": rule(500), "segment": "everyone"}
    found = as_("manager")("POST", "segments/preview/", sent).json()
    assert found["uses"] == [{"kind": "segment", "name": "Built on it"}]
    assert found["knock_on"] == [
        {"segment": "built-on-it", "joins": 0, "leaves": 3, "certain": True, "uses": [], "effects": []}
    ]
    assert as_("manager")("POST", "segments/preview/", {"rule": rule(500)}).json()["knock_on"] == []
