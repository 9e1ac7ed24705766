"""Imports over the API: sent with a mapping, followed, undone; what cannot be is refused at its place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.models import Account, AttributeDefinition
from integrations.imports import running
from integrations.imports.storing import folder
from integrations.models import Import
from tests.api.conftest import ApiClient, check_problem

CONTENT = b"Key,Company,Floors,Since,Junk\nx1,Xenia,3,03/04/2026,z\nx2,Yew,4,05/06/2026,z\n,Alder,5,,\n"
COLUMNS = {"Key": "external_id", "Company": "name", "Floors": "new:number", "Since": "customer_since", "Junk": ""}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, settings: Any) -> None:
    settings.DATA_DIR = tmp_path


def send(client: ApiClient, content: bytes = CONTENT, **parts: Any) -> Any:
    """Post a file; `mapping` is sent as JSON."""
    mapping = {"mapping": json.dumps(parts.pop("mapping"))} if "mapping" in parts else {}
    data = {"file": SimpleUploadedFile("rows.csv", content)} | parts | mapping
    answer = client.http.post("/api/v1/imports/", data, headers=client.headers)
    if answer.status_code >= 400:
        check_problem(answer)
    return answer


def kept() -> int:
    """Files and imports there are."""
    return Import.objects.count() + len(list(folder().iterdir()))


def test_a_file_is_sent_followed_and_undone(as_: Callable[[str], ApiClient]) -> None:
    manager = as_("manager")
    before = Account.objects.count()
    made = send(manager, kind="accounts", mapping=COLUMNS, date_format="%d/%m/%Y")
    assert made.status_code == 201, made.content
    told = made.json()
    assert told["state"] == "running" and told["author"] and told["mapping"]["columns"]["Floors"] == "custom.floors"
    running.work(told["id"])
    found = manager.get(f"imports/{told['id']}/")
    assert (found["state"], found["created"], found["rejected"]) == ("done", 2, 1)
    row = Account.objects.get(external_id="x1")
    assert (row.name, str(row.customer_since), row.attributes["floors"]) == ("Xenia", "2026-04-03", 3)
    assert AttributeDefinition.objects.filter(key="floors", kind="number").exists()
    assert manager("POST", f"imports/{told['id']}/start/").status_code == 409
    assert manager("DELETE", f"imports/{told['id']}/").status_code == 409
    assert manager("POST", f"imports/{told['id']}/undo/").json()["state"] == "undoing"
    running.work(told["id"])
    assert manager.get(f"imports/{told['id']}/")["state"] == "undone" and Account.objects.count() == before
    assert manager("POST", f"imports/{told['id']}/undo/").status_code == 409


def test_a_draft_is_looked_at_started_or_thrown_away(as_: Callable[[str], ApiClient]) -> None:
    manager = as_("manager")
    made = send(manager, b"user_id,email,title\nu1,u1@example.com,CFO\n", start="false").json()
    assert (made["kind"], made["state"]) == ("users", "draft")
    assert made["mapping"]["columns"] == {"user_id": "external_id", "email": "email", "title": "title"}
    assert manager("POST", f"imports/{made['id']}/cancel/").status_code == 409
    assert manager("POST", f"imports/{made['id']}/start/").json()["state"] == "running"
    assert manager("POST", f"imports/{made['id']}/cancel/").json()["state"] == "cancelled"
    other = send(manager, b"user_id,email\nu2,u2@example.com\n", start="false").json()
    assert manager("DELETE", f"imports/{other['id']}/").status_code == 204
    assert not Import.objects.filter(pk=other["id"]).exists() and len(list(folder().iterdir())) == 1


@pytest.mark.parametrize(
    ("parts", "status", "pointer"),
    [
        ({"mapping": COLUMNS | {"Nope": "name"}}, 422, "/mapping/Nope"),
        ({"mapping": COLUMNS | {"Company": "nonsense"}}, 422, "/mapping/Company"),
        ({"mapping": COLUMNS | {"Junk": "name"}}, 422, "/mapping/Junk"),
        ({"mapping": COLUMNS | {"Key": ""}, "kind": "accounts"}, 422, "/mapping"),
        ({"mapping": COLUMNS}, 422, "/date_format"),  # the day or the month first?
        ({"mapping": ["Key"]}, 400, "/mapping"),
        ({"mapping": COLUMNS, "kind": "planets"}, 400, "/kind"),
        ({"mapping": COLUMNS, "start": "maybe"}, 400, "/start"),
        ({"mapping": COLUMNS, "unknown": "1"}, 400, "/unknown"),
    ],
)
def test_what_cannot_be_names_its_place_and_keeps_nothing(
    as_: Callable[[str], ApiClient], parts: dict[str, Any], status: int, pointer: str
) -> None:
    answer = send(as_("manager"), **parts)
    assert answer.status_code == status, answer.content
    assert pointer in {fault.get("pointer") for fault in answer.json()["errors"]}, answer.content
    assert kept() == 0


def test_a_file_that_is_none_and_people_who_may_not(as_: Callable[[str], ApiClient]) -> None:
    assert send(as_("manager"), b"\x00\x01\x02").status_code == 422
    assert send(as_("manager"), b"id,name\n").status_code == 422
    no_file = as_("manager").http.post("/api/v1/imports/", {"kind": "users"}, headers=as_("manager").headers)
    assert no_file.status_code == 400 and no_file.json()["errors"][0]["pointer"] == "/file"
    assert as_("manager")("POST", "imports/", {"kind": "users"}).status_code == 415
    for role in ("csm", "viewer", "outsider"):
        assert send(as_(role)).status_code == 403
    assert send(as_("anonymous")).status_code == 401
    assert kept() == 0
