"""The pages of imports: upload, mapping, preview, progress, rejects, undo; who may use them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import Account
from integrations.imports import running
from integrations.models import Import, ScheduledImport
from tests.web.conftest import Company

pytestmark = pytest.mark.django_db
CONTENT = b"id,name,mrr,Floors,Opened\nx1,Xenia,10,3,03/04/2026\nx2,Yew,$5,4,05/06/2026\nAlder,,,5,\n"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, settings: Any) -> None:
    settings.DATA_DIR = tmp_path


@pytest.fixture
def browser(company: Company) -> Client:
    client = Client()
    client.force_login(company.manager.user)
    return client


def upload(client: Client, content: bytes = CONTENT, name: str = "rows.csv", kind: str = "") -> Any:
    return client.post("/imports/new/", {"file": SimpleUploadedFile(name, content), "kind": kind})


def text(response: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def fields(response: Any) -> dict[str, str]:
    """The boxes of the mapping page as they stand."""
    found = re.findall(r'name="(column\.\d+)" value="([^"]*)"', response.content.decode())
    return dict(found) | {"kind": "accounts", "date_format": ""}


def test_a_file_goes_from_upload_to_result(browser: Client) -> None:
    answer = upload(browser)
    job = Import.objects.get()
    assert answer.status_code == 302 and answer.url == f"/imports/{job.pk}/mapping/"
    shown = browser.get(answer.url)
    assert "03/04/2026 is read as 3 April 2026 or 4 March 2026" in text(shown)
    boxes = fields(shown)
    assert boxes["column.0"] == "Id" and boxes["column.3"] == "New attribute: Number"
    refused = browser.post(answer.url, boxes)
    assert refused.status_code == 422 and "The dates may begin with the day" in text(refused)
    boxes["date_format"] = "%d/%m/%Y"
    done = browser.post(answer.url, boxes)
    assert done.url == f"/imports/{job.pk}/preview/"
    shown = browser.get(done.url)
    assert "$5" in text(shown) and "3 Apr 2026" in text(shown) and not Account.objects.filter(external_id="x1").exists()
    assert "--" not in text(shown)
    started = browser.post(f"/imports/{job.pk}/start/")
    assert started.url == f"/imports/{job.pk}/"
    assert "Waiting for the background worker" in text(browser.get(started.url))
    running.work(job.pk)
    shown = text(browser.get(started.url))
    assert "Rows read 3" in shown and "Rejected 1" in shown and "Undo…" in shown
    assert Account.objects.get(external_id="x1").attributes == {"floors": 3, "opened": "2026-04-03"}
    assert "rows.csv" in text(browser.get("/imports/"))


def test_rejects_are_downloaded_corrected_and_imported(browser: Client) -> None:
    upload(browser, b"id,name,mrr,stated_licences\nx1,Xenia,$1,many\nx2,=Yew,-5,1\n", kind="accounts")
    first = Import.objects.get()
    page = browser.get(f"/imports/{first.pk}/mapping/")
    browser.post(f"/imports/{first.pk}/mapping/", fields(page))
    browser.post(f"/imports/{first.pk}/start/")
    running.work(first.pk)
    answer = browser.get(f"/imports/{first.pk}/rejects/")
    rows = b"".join(answer.streaming_content).decode("utf-8-sig")
    assert rows.splitlines()[0] == "line,column,reason,id,name,mrr,stated_licences"
    assert rows.splitlines()[1].startswith('2,"mrr, stated_licences",')
    assert rows.splitlines()[2].endswith("x2,'=Yew,-5,1")
    mended = rows.replace("$1", "1").replace("many", "7").replace("-5", "5").replace("'=", "=")
    upload(browser, mended.encode(), name="rejects.csv")
    second = Import.objects.first()
    assert second is not None
    browser.post(f"/imports/{second.pk}/mapping/", fields(browser.get(f"/imports/{second.pk}/mapping/")))
    browser.post(f"/imports/{second.pk}/start/")
    running.work(second.pk)
    second.refresh_from_db()
    assert (second.created, second.bad_rows) == (2, 0)


def test_undo_tells_beforehand_and_then_does_it(browser: Client) -> None:
    upload(browser, b"id,country\nAlder,SE\nx1,NO\n", kind="accounts")
    job = Import.objects.get()
    browser.post(f"/imports/{job.pk}/mapping/", fields(browser.get(f"/imports/{job.pk}/mapping/")))
    browser.post(f"/imports/{job.pk}/start/")
    assert "still being worked on" in text(browser.get(f"/imports/{job.pk}/undo/"))
    running.work(job.pk)
    told = text(browser.get(f"/imports/{job.pk}/undo/"))
    made = job.__class__.objects.get(pk=job.pk).created
    assert f"{made} account" in told and "What stays" in told
    browser.post(f"/imports/{job.pk}/undo/")
    running.work(job.pk)
    assert "Undone" in text(browser.get(f"/imports/{job.pk}/"))
    assert not Account.objects.filter(external_id="x1").exists()
    again = browser.post(f"/imports/{job.pk}/undo/", follow=True)
    assert "There is nothing to undo" in text(again)


def test_cancelling_and_discarding(browser: Client) -> None:
    upload(browser)
    job = Import.objects.get()
    assert browser.post(f"/imports/{job.pk}/start/").url.endswith("/mapping/")  # not without a mapping
    browser.post(f"/imports/{job.pk}/discard/")
    assert not Import.objects.exists()
    upload(browser, b"id,name\nx1,X\n", kind="accounts")
    job = Import.objects.get()
    browser.post(f"/imports/{job.pk}/mapping/", fields(browser.get(f"/imports/{job.pk}/mapping/")))
    browser.post(f"/imports/{job.pk}/start/")
    assert "Cancelled." in text(browser.post(f"/imports/{job.pk}/cancel/", follow=True))
    assert "is not running" in text(browser.post(f"/imports/{job.pk}/cancel/", follow=True))
    running.work(job.pk)
    assert not Account.objects.filter(external_id="x1").exists()


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"", "a.csv", "Choose a file|is empty"),
        (b"id,id\n1,2\n", "a.csv", "a.csv has the column id twice"),
        (b"PK\x03\x04", "a.xlsx", "damaged or cut off"),
        (b"id\n", "a.csv", "a header and no rows"),
    ],
)
def test_a_file_that_is_no_table_is_refused_on_the_page(browser: Client, content: bytes, name: str, words: str) -> None:
    answer = upload(browser, content, name)
    assert answer.status_code == 422 and re.search(words, text(answer))
    assert not Import.objects.exists()


def test_another_kind_or_encoding_is_proposed_for_anew(browser: Client) -> None:
    upload(browser, "id,email,Stadt\nu1,a@b.example,Köln\n".encode("cp1252"), kind="accounts")
    job = Import.objects.get()
    url = f"/imports/{job.pk}/mapping/"
    assert browser.post(url, fields(browser.get(url)) | {"kind": "users"}).url == url
    boxes = fields(browser.get(url)) | {"kind": "users", "encoding": "cp1252", "do": "update"}
    assert boxes["column.1"] == "Email"
    assert "Köln" in text(browser.post(url, boxes))


def test_progress_is_polled_until_the_end(browser: Client) -> None:
    upload(browser, b"id,name\nx1,X\n", kind="accounts")
    job = Import.objects.get()
    browser.post(f"/imports/{job.pk}/mapping/", fields(browser.get(f"/imports/{job.pk}/mapping/")))
    browser.post(f"/imports/{job.pk}/start/")
    asked = {"HTTP_HX_REQUEST": "true"}
    assert browser.get(f"/imports/{job.pk}/progress/", **asked).status_code == 200
    running.work(job.pk)
    ended = browser.get(f"/imports/{job.pk}/progress/", **asked)
    assert ended.status_code == 286 and ended["HX-Refresh"] == "true"
    assert browser.get(f"/imports/{job.pk}/progress/").status_code == 302


def test_only_administrators_and_managers_may_import(company: Company, browser: Client) -> None:
    upload(browser)
    job = Import.objects.get()
    for member in (company.csm, company.viewer):
        client = Client()
        client.force_login(member.user)
        for address in ("", "new/", f"{job.pk}/", f"{job.pk}/mapping/", f"{job.pk}/rejects/", f"{job.pk}/undo/"):
            assert client.get(f"/imports/{address}").status_code == 403, address
        for address in ("new/", *(f"{job.pk}/{name}/" for name in ("start", "cancel", "undo", "discard", "mapping"))):
            assert client.post(f"/imports/{address}").status_code == 403, address
        assert b'href="/imports/"' not in client.get("/accounts/").content
    assert b'href="/imports/"' in browser.get("/accounts/").content


def test_the_list_asks_the_same_however_long_it_is(
    browser: Client, company: Company, django_assert_max_num_queries: Any
) -> None:
    Import.objects.bulk_create(
        Import(kind="accounts", name=f"{n}.csv", author=company.manager.user, state="done") for n in range(60)
    )
    browser.get("/imports/")
    with django_assert_max_num_queries(8):
        shown = browser.get("/imports/")
    assert "59.csv" in text(shown) and "Older" in text(shown)
    assert "0.csv" in text(browser.get(f"/imports/?before={Import.objects.get(name='10.csv').pk}"))


def test_a_schedule_is_added_changed_run_and_deleted(browser: Client, settings: Any) -> None:
    settings.FETCH_SECRETS = {"crm": "Bearer top-secret"}
    upload(browser, b"id,name\nx1,X\n", kind="accounts")
    job = Import.objects.get()
    browser.post(f"/imports/{job.pk}/mapping/", fields(browser.get(f"/imports/{job.pk}/mapping/")))
    browser.post(f"/imports/{job.pk}/start/")
    running.work(job.pk)
    form = browser.get(f"/imports/schedules/new/?from={job.pk}").content.decode()
    assert f'value="{job.pk}" selected' in form and "top-secret" not in form and 'value="crm"' in form
    wanted = {
        "name": "Nightly",
        "url": "https://files.example/a.csv",
        "at": "04:30",
        "active": "1",
        "credential": "crm",
    }
    refused = browser.post("/imports/schedules/new/", wanted | {"at": "late"})
    assert refused.status_code == 422 and "Write a time" in text(refused)
    refused = browser.post("/imports/schedules/new/", wanted | {"url": "http://10.0.0.1/"})
    assert "Only https" in text(refused) and "Choose an import whose mapping" in text(refused)
    browser.post("/imports/schedules/new/", wanted | {"example": str(job.pk)})
    made = ScheduledImport.objects.get()
    assert (made.kind, made.mapping["columns"]["name"]) == ("accounts", "name") and not made.only_if_changed
    browser.post(f"/imports/schedules/{made.pk}/", wanted | {"name": "Nightly files", "only_if_changed": "1"})
    made.refresh_from_db()
    assert made.only_if_changed and made.mapping and made.name == "Nightly files" and made.done_on is not None
    browser.post(f"/imports/schedules/{made.pk}/run/")
    made.refresh_from_db()
    assert made.done_on is None
    own = wanted | {"credential": "", "secret": "Bearer very-own-secret"}
    browser.post(f"/imports/schedules/{made.pk}/", own)
    form = browser.get(f"/imports/schedules/{made.pk}/").content.decode()
    assert "very-own" not in form and "ends in …cret" in form
    wrong = browser.post(f"/imports/schedules/{made.pk}/", own | {"url": "http://10.0.0.1/", "secret": "Bearer other1"})
    assert "Only https" in text(wrong) and "…cret" in text(wrong) and "other1" not in wrong.content.decode()
    browser.post(f"/imports/schedules/{made.pk}/", own | {"secret": "", "forget": "1"})
    assert ScheduledImport.objects.get().secret == ""
    ScheduledImport.objects.update(state="failed", error="files.example answers 401.")
    assert "answers 401" in text(browser.get("/imports/schedules/"))
    assert "answers 401" in text(browser.get(f"/imports/schedules/{made.pk}/"))
    browser.post(f"/imports/schedules/{made.pk}/delete/")
    assert not ScheduledImport.objects.exists() and Import.objects.exists()


def test_schedules_are_for_administrators_and_managers(company: Company) -> None:
    made = ScheduledImport.objects.create(name="n", url="https://x.example/a.csv", kind="accounts")
    client = Client()
    client.force_login(company.csm.user)
    for address in ("", "new/", f"{made.pk}/"):
        assert client.get(f"/imports/schedules/{address}").status_code == 403
    for address in ("new/", f"{made.pk}/", f"{made.pk}/run/", f"{made.pk}/delete/"):
        assert client.post(f"/imports/schedules/{address}").status_code == 403
