"""The page Privacy: found, looked at, exported, erased after typing the id, logged; for administrators alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import EndUser, Erasure, Relationship
from accounts.privacy.erasing import continue_erasures
from tests import factories
from tests.web.conftest import Company
from tests.web.reading import text


@pytest.fixture(autouse=True)
def _ledger(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


@pytest.fixture
def admin(company: Company, browse: Callable[..., Client]) -> Client:
    return browse(factories.member("admin"))


@pytest.fixture
def bob(company: Company) -> EndUser:
    bob = factories.end_user("Bob Quill", external_id="bob-7731", email="Bob@example.com")
    Relationship.objects.create(account=company.accounts["Fir"], user=bob)
    return bob


@pytest.mark.parametrize("query", ["bob-7731", "BOB@example.com", "bob q"])
def test_a_person_is_found_by_id_mail_and_name(admin: Client, bob: EndUser, query: str) -> None:
    assert "Person bob-7731" in text(admin.get("/privacy/", {"q": query}).content.decode())


def test_nobody_is_found_and_the_page_says_what_that_means(admin: Client) -> None:
    assert "Nobody has this id" in text(admin.get("/privacy/", {"q": "zzz"}).content.decode())
    assert "Nothing was erased yet" in text(admin.get("/privacy/").content.decode())


def test_erasing_needs_the_id_typed_and_is_followed_in_the_log(admin: Client, bob: EndUser) -> None:
    page = f"/privacy/user/{bob.pk}/"
    assert "2 rows" in text(admin.get(page).content.decode())
    wrong = admin.post(f"{page}erase/", {"typed": "bob"})
    assert wrong.status_code == 422 and "Nothing was erased" in text(wrong.content.decode())
    assert not Erasure.objects.exists()
    admin.post(f"{page}erase/", {"typed": " bob-7731 "})
    busy = admin.get("/privacy/").content.decode()
    assert 'hx-trigger="every 2s"' in busy and "<progress" in busy
    part = admin.get("/privacy/", headers={"HX-Request": "true", "HX-Target": "privacy-log"}).content.decode()
    assert "<html" not in part and 'id="privacy-log"' in part
    continue_erasures()
    done = admin.get("/privacy/").content.decode()
    assert "every 2s" not in done and "bob" not in done.casefold() and "Done" in text(done)
    assert admin.get(page).status_code == 404
    admin.post(f"/privacy/erasures/{Erasure.objects.get().pk}/lift/")
    assert "Lifted by" in text(admin.get("/privacy/").content.decode())


def test_an_account_goes_with_its_people_when_ticked(admin: Client, bob: EndUser, company: Company) -> None:
    page = f"/privacy/account/{company.accounts['Fir'].pk}/"
    assert "1 person who belong" in text(admin.get(page).content.decode())
    admin.post(f"{page}erase/", {"typed": company.accounts["Fir"].external_id, "with_users": "1"})
    continue_erasures()
    assert not EndUser.objects.exists() and Erasure.objects.count() == 2


def test_an_export_is_made_downloaded_and_gone(admin: Client, bob: EndUser) -> None:
    admin.post(f"/privacy/user/{bob.pk}/export/")
    html = admin.get("/privacy/").content.decode()
    address = html.split('href="/privacy/exports/')[1].split('"')[0]
    answer = admin.get(f"/privacy/exports/{address}")
    assert answer["Content-Type"] == "application/zip" and b"".join(answer.streaming_content)[:2] == b"PK"
    admin.post(f"/privacy/user/{bob.pk}/erase/", {"typed": "bob-7731"})
    continue_erasures()
    assert admin.get(f"/privacy/exports/{address}").status_code == 302


@pytest.mark.parametrize("who", ["manager", "csm", "viewer"])
def test_others_see_and_do_nothing(company: Company, browse: Callable[..., Client], bob: EndUser, who: str) -> None:
    client = browse(getattr(company, who))
    assert "/privacy/" not in client.get("/accounts/").content.decode()
    assert client.get("/privacy/").status_code == 403
    assert client.get(f"/privacy/user/{bob.pk}/").status_code == 403
    for address in (f"user/{bob.pk}/erase/", f"user/{bob.pk}/export/", "erasures/1/lift/"):
        assert client.post(f"/privacy/{address}", {"typed": "bob-7731"}).status_code == 403
    assert client.get("/privacy/exports/1/").status_code == 403
    assert not Erasure.objects.exists()


def test_the_page_asks_as_much_for_ten_as_for_one(admin: Client, company: Company) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert admin.get("/privacy/", {"q": "many"}).status_code == 200
        return len(queries)

    for number in range(2):
        factories.end_user(f"Many {number}")
    statements()
    few = statements()
    for number in range(10):
        factories.end_user(f"Many more {number}")
        Erasure.objects.create(kind="user", digest=str(number), key_mark="", requested_by="a", state="done")
    assert statements() == few
