"""Bulk upserts: good rows in, bad rows told by index and pointer, twice is once, a key is used once."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import Account, AttributeChange, EndUser, Relationship, Subscription
from core.models import IdempotentAnswer
from integrations.models import Import, ImportReject

pytestmark = pytest.mark.django_db


def post(client: Any, kind: str, rows: Any, **headers: str) -> Any:
    return client("POST", f"bulk/{kind}/", {"rows": rows}, **headers)


def results(answer: Any) -> list[str]:
    return [item["result"] for item in answer.json()["results"]]


def test_good_rows_are_stored_and_bad_ones_told(as_: Any) -> None:
    rows = [
        {"external_id": "n1", "name": "New", "parent": "n2"},
        {"external_id": "n2", "stage": "nonsense", "stated_mrr": "-1"},
        {"external_id": "n3", "nmae": "typo"},
        {"external_id": "n2", "stated_mrr": "7.50"},
        "no object",
        {"external_id": "n4", "attributes": {"unknown": 1}},
    ]
    answer = post(as_("manager"), "accounts", rows)
    assert answer.status_code == 200
    assert results(answer) == ["created", "rejected", "rejected", "created", "rejected", "rejected"]
    told = {
        item["index"]: [fault.get("pointer") for fault in item["errors"]]
        for item in answer.json()["results"]
        if "errors" in item
    }
    assert told[1] == ["/rows/1/stated_mrr"] and told[2] == ["/rows/2/nmae"]
    assert told[4] == ["/rows/4"] and told[5] == ["/rows/5/attributes/unknown"]
    assert "Did you mean “name”" in answer.json()["results"][2]["errors"][0]["detail"]
    assert {key: answer.json()[key] for key in ("created", "updated", "unchanged", "rejected")} == {
        "created": 2, "updated": 0, "unchanged": 0, "rejected": 4,
    }  # fmt: skip
    row = Account.objects.select_related("parent").get(external_id="n1")
    assert row.parent and row.parent.external_id == "n2" and str(row.parent.mrr) == "7.50"


def test_the_same_rows_again_change_nothing(as_: Any) -> None:
    rows = [{"external_id": f"u{n}", "email": f"u{n}@a.example", "at": "2026-01-01T00:00:00Z"} for n in range(50)]
    assert set(results(post(as_("admin"), "users", rows))) == {"created"}
    history = AttributeChange.objects.count()
    assert set(results(post(as_("admin"), "users", rows))) == {"unchanged"}
    assert (
        EndUser.objects.filter(external_id__startswith="u").count() >= 50 and AttributeChange.objects.count() == history
    )


def test_subscriptions_and_relationships(as_: Any) -> None:
    post(as_("admin"), "accounts", [{"external_id": "n1"}])
    post(as_("admin"), "users", [{"external_id": "p1"}])
    money = [{"external_id": "s1", "account": "n1", "mrr": "10"}, {"external_id": "s2", "account": "nowhere"}]
    answer = post(as_("admin"), "subscriptions", money)
    assert results(answer) == ["created", "rejected"]
    assert answer.json()["results"][1]["errors"][0]["pointer"] == "/rows/1/account"
    assert (
        Subscription.objects.filter(external_id="s1").exists()
        and str(Account.objects.get(external_id="n1").mrr) == "10.00"
    )
    belong = [{"user": "p1", "account": "n1", "role": "buyer"}, {"user": "p9", "account": "n1"}, {"user": "p1"}]
    answer = post(as_("admin"), "relationships", belong)
    assert results(answer) == ["created", "rejected", "rejected"]
    assert answer.json()["results"][2]["errors"][0]["pointer"] == "/rows/2/account"
    assert results(post(as_("admin"), "relationships", belong[:1])) == ["unchanged"]
    assert Relationship.objects.get(user__external_id="p1").role == "buyer"


def test_what_is_no_list_of_rows_is_refused(as_: Any) -> None:
    for body in ({}, [], {"rows": []}, {"rows": {}}, {"rows": [{}], "more": 1}):
        assert as_("admin")("POST", "bulk/accounts/", body).status_code == 400
    answer = post(as_("admin"), "accounts", [{"external_id": str(n)} for n in range(1_001)])
    assert answer.status_code == 400 and answer.json()["errors"][0]["pointer"] == "/rows"
    assert as_("admin")("POST", "bulk/accounts/?x=1", {"rows": [{}]}).status_code == 400
    assert as_("admin")("GET", "bulk/accounts/").status_code == 405


def test_a_key_makes_a_call_happen_once(as_: Any) -> None:
    rows, key = [{"external_id": "k1"}, {"external_id": "k2", "stated_mrr": "x"}], {"Idempotency-Key": "abc"}
    first = post(as_("admin"), "accounts", rows, **key)
    again = post(as_("admin"), "accounts", rows, **key)
    assert again.json() == first.json() and results(again) == ["created", "rejected"]
    assert again.headers["Idempotent-Replayed"] == "true" and "Idempotent-Replayed" not in first.headers
    other = post(as_("admin"), "accounts", [{"external_id": "k3"}], **key)
    assert other.status_code == 422 and not Account.objects.filter(external_id="k3").exists()
    assert post(as_("admin"), "users", rows, **key).status_code == 422
    assert results(post(as_("manager"), "accounts", rows, **key)) == ["unchanged", "rejected"]  # keys are one's own
    assert post(as_("admin"), "accounts", rows, **{"Idempotency-Key": "x" * 300}).status_code == 400
    refused = post(as_("admin"), "accounts", [], **{"Idempotency-Key": "def"})
    assert refused.status_code == 400 and not IdempotentAnswer.objects.filter(key="def").exists()


@pytest.mark.parametrize("role", ["csm", "viewer", "outsider", "anonymous"])
def test_only_administrators_and_managers_write(as_: Any, role: str) -> None:
    for kind in ("accounts", "users", "subscriptions", "relationships"):
        assert post(as_(role), kind, [{"external_id": "z"}]).status_code in (401, 403)
    assert not Account.objects.filter(external_id="z").exists()


def test_imports_can_be_read_by_managers(as_: Any) -> None:
    job = Import.objects.create(kind="users", name="a.csv", state="done", rows=3, bad_rows=2, digest="")
    Import.objects.create(kind="accounts", name="b.csv", digest="")
    for line in (3, 2):
        ImportReject.objects.create(job=job, line=line, column="email", reason="Why.", cells=["x"])
    found = as_("manager").get("imports/?kind=users")["results"]
    assert [(item["name"], item["state"], item["rejected"], item["author"]) for item in found] == [
        ("a.csv", "done", 2, None)
    ]
    told = as_("admin").get(f"imports/{job.pk}/rejects/")["results"]
    assert [(item["line"], item["column"], item["cells"]) for item in told] == [
        (2, "email", ["x"]),
        (3, "email", ["x"]),
    ]
    assert as_("manager").get(f"imports/{job.pk}/")["rows"] == 3
    for role in ("csm", "viewer", "outsider"):
        assert as_(role)("GET", "imports/").status_code == 403
        assert as_(role)("GET", f"imports/{job.pk}/rejects/").status_code == 403
    assert as_("admin")("POST", "imports/", {}).status_code == 415
