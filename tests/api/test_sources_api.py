"""Sources over the API: made with a key that is answered once, changed with an ETag, rotated, disabled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from integrations.models import Source
from integrations.tracking import keys
from tests.api.conftest import ApiClient


def opens(key: str) -> bool:
    """Whether a key opens a source now."""
    keys.forget_known()
    return keys.find_source(keys.digest_of(key)) is not None


def test_a_source_is_made_changed_and_rotated(admin: ApiClient) -> None:
    made = admin("POST", "sources/", {"name": "Web app"})
    first = made.json()["write_key"]
    assert made.status_code == 201 and first.startswith("wk_") and opens(first)
    assert first not in str(admin.get("sources/")) + str(admin.get("sources/web-app/"))
    assert admin("POST", "sources/", {"name": "WEB app"}).status_code == 409
    new = admin("POST", "sources/web-app/rotate-key/", {"overlap_hours": 0}).json()["write_key"]
    assert (opens(first), opens(new)) == (False, True)
    body = {"disabled": True, "name": "Website"}
    changed = admin("PATCH", "sources/web-app/", body, match=admin.etag("sources/web-app/"))
    assert changed.status_code == 200 and changed.json()["disabled"] is True and changed.json()["key"] == "web-app"
    assert not opens(new)
    assert admin("DELETE", "sources/web-app/").status_code == 405


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": 7}, {"name": "x", "key": "y"}, {"name": "x" * 121}])
def test_what_cannot_be_a_source_is_refused(admin: ApiClient, body: dict[str, Any]) -> None:
    assert admin("POST", "sources/", body).status_code in (400, 422)
    assert not Source.objects.exists()


def test_only_administrators_and_managers_make_sources(as_: Callable[[str], ApiClient]) -> None:
    for role, status in (("manager", 201), ("csm", 403), ("viewer", 403), ("outsider", 403)):
        assert as_(role)("POST", "sources/", {"name": f"Of {role}"}).status_code == status
    for role in ("csm", "viewer"):
        assert as_(role)("POST", "sources/of-manager/rotate-key/", {}).status_code == 403
