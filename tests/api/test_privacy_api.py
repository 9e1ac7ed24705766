"""Erasures and exports over the API: administrators only, a dry run, a log without the id."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Account, DataExport, EndUser
from accounts.privacy.erasing import continue_erasures
from tests.api.conftest import ROLES, ApiClient, Company, code_of

BODY = {"kind": "user", "external_id": "u-fjord-lines"}


@pytest.fixture(autouse=True)
def _ledger(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


def test_a_dry_run_says_what_would_go_and_an_erasure_is_followed(company: Company, admin: ApiClient) -> None:
    found = admin("POST", "erasures/", BODY | {"dry_run": True})
    assert found.status_code == 200 and found.json()["would_remove"] == {"Relationships": 1, "The user": 1}
    made = admin("POST", "erasures/", BODY)
    assert made.status_code == 202 and made.json()["state"] == "waiting" and "external_id" not in made.json()
    assert code_of(admin("POST", f"erasures/{made.json()['uid']}/lift/")) == "conflict"
    assert admin("POST", "erasures/", BODY).json()["uid"] == made.json()["uid"]
    continue_erasures()
    done = admin.get(f"erasures/{made.json()['uid']}/")
    assert done["state"] == "done" and done["removed"] == {"relationships": 1, "user": 1}
    assert not EndUser.objects.filter(external_id="u-fjord-lines").exists()
    assert code_of(admin("PUT", "users/u-fjord-lines/", {"name": "Back"})) == "validation"
    lifted = admin("POST", f"erasures/{made.json()['uid']}/lift/")
    assert lifted.json()["lifted_at"] and lifted.json()["lifted_by"] == company.members["admin"].user.username
    assert admin("PUT", "users/u-fjord-lines/", {"name": "Back"}).status_code == 201
    assert [row["uid"] for row in admin.get("erasures/?kind=user")["results"]] == [made.json()["uid"]]
    assert admin("DELETE", "users/u-orchid-labs/").status_code == 405


def test_an_account_goes_with_its_people(company: Company, admin: ApiClient) -> None:
    body = {"kind": "account", "external_id": "orchid-labs", "with_users": True}
    assert admin("POST", "erasures/", body | {"dry_run": True}).json()["users"] == ["u-orchid-labs"]
    assert admin("POST", "erasures/", body).status_code == 202
    continue_erasures()
    assert not Account.objects.filter(external_id="orchid-labs").exists()
    assert not EndUser.objects.filter(external_id="u-orchid-labs").exists()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"kind": "user", "external_id": "nobody"}, 404),
        ({"kind": "user", "external_id": "nobody", "dry_run": True}, 404),
        ({"kind": "robot", "external_id": "x"}, 400),
        ({"kind": "user", "external_id": "a\x00b"}, 400),
        ({"kind": "user"}, 400),
        (BODY | {"dry_run": "perhaps"}, 400),
        (BODY | {"sure": True}, 400),
    ],
)
def test_what_is_wrong_is_told_and_erases_nothing(admin: ApiClient, body: dict[str, Any], status: int) -> None:
    before = EndUser.objects.count()
    assert admin("POST", "erasures/", body).status_code == status
    continue_erasures()
    assert EndUser.objects.count() == before


def test_an_export_is_asked_for_and_downloaded(company: Company, admin: ApiClient) -> None:
    made = admin("POST", "exports/", BODY)
    assert made.status_code == 201 and made.json()["state"] == "ready"
    answer = admin("GET", f"exports/{made.json()['id']}/file/")
    assert answer["Content-Type"] == "application/zip" and "fjord" not in answer["Content-Disposition"]
    archive = zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))
    assert {"index.html", "user.json", "relationships.csv"} <= set(archive.namelist())
    assert admin.get(f"exports/{made.json()['id']}/")["downloads"] == 1
    DataExport.objects.update(state="gone")
    assert code_of(admin("GET", f"exports/{made.json()['id']}/file/")) == "not-found"
    assert code_of(admin("POST", "exports/", {"kind": "user", "external_id": "nobody"})) == "not-found"


@pytest.mark.parametrize("role", [role for role in ROLES if role != "admin"])
def test_nobody_else_may(as_: Callable[[str], ApiClient], role: str) -> None:
    client = as_(role)
    wanted = 401 if role == "anonymous" else 403
    for method, address in [("GET", "erasures/"), ("POST", "erasures/"), ("GET", "exports/"), ("POST", "exports/")]:
        assert client(method, address, BODY if method == "POST" else None).status_code == wanted
    assert EndUser.objects.filter(external_id="u-fjord-lines").exists()
