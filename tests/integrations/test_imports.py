"""Imports on screen, below the pages: files kept and refused, mappings guessed, work that goes on, undoing."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from django.utils import timezone

from accounts.models import Account, AttributeChange, AttributeDefinition
from csbox.tasks import tick
from integrations import loading
from integrations.imports import running
from integrations.imports.guessing import dates_in, guess_rows_kind
from integrations.imports.mapping_form import propose_mapping, read_mapping
from integrations.imports.previewing import preview
from integrations.imports.storing import folder, path_of, store
from integrations.models import Import, ImportedRow, ScheduledImport
from integrations.sources.files import NotReadable
from tests.integrations.imported import counts, draft, ended, imported
from usage.models import DirtyDay

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, settings: Any) -> None:
    settings.DATA_DIR = tmp_path


def workbook(rows: list[list[Any]], **options: Any) -> bytes:
    """An Excel file as a spreadsheet program saves it."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, **options})
    sheet, day = book.add_worksheet(), book.add_format({"num_format": "d.m.yyyy"})
    for y, cells in enumerate(rows):
        for x, cell in enumerate(cells):
            if isinstance(cell, dt.date):
                sheet.write_datetime(y, x, cell, day)
            else:
                sheet.write(y, x, cell)
    book.close()
    return out.getvalue()


def test_a_file_is_imported_and_kept_privately(tmp_path: Path) -> None:
    job = imported("id,name,Tier code\na,Alder,G\nb,Birch,S\n")
    assert (job.state, counts(job)) == ("done", (2, 0, 0, 0))
    assert Account.objects.get(external_id="a").attributes == {"tier_code": "G"}
    assert job.made == ["tier_code"] and DirtyDay.objects.exists()
    path = path_of(job)
    assert path.stat().st_mode & 0o777 == 0o600 and folder().stat().st_mode & 0o777 == 0o700
    assert path.parent == tmp_path / "imports" and "rows" not in path.name
    change = AttributeChange.objects.filter(key="name").first()
    assert change is not None and change.source == "import rows.csv"


def test_the_same_file_again_changes_nothing() -> None:
    imported("id,name\na,Alder\n")
    history = AttributeChange.objects.count()
    assert counts(imported("id,name\na,Alder\n")) == (0, 0, 1, 0)
    assert AttributeChange.objects.count() == history


def test_an_excel_file_gives_the_same_as_its_texts() -> None:
    rows = [["id", "name", "Since", "Seats used", "Active"], [7, "Ærø", dt.date(2026, 4, 3), 12.5, True], ["007", "B"]]
    job = imported(workbook(rows), name="rows.xlsx", Since="customer_since")
    assert counts(job) == (2, 0, 0, 0)
    row = Account.objects.get(external_id="7")
    assert (row.name, row.customer_since) == ("Ærø", dt.date(2026, 4, 3))
    assert row.attributes == {"seats_used": 12.5, "active": True}
    assert Account.objects.filter(external_id="007").exists()


def test_typed_dates_beside_real_ones_are_read_in_their_own_form() -> None:
    rows = [["id", "customer_since"], ["a", dt.date(2026, 4, 3)], ["b", "25/04/2026"]]
    job = imported(workbook(rows), name="r.xlsx")
    assert job.bad_rows == 0
    assert set(Account.objects.values_list("customer_since", flat=True)) == {dt.date(2026, 4, 3), dt.date(2026, 4, 25)}


def _bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("xl/workbook.xml", b"0" * 40_000_000)
    return out.getvalue()


def _lying_bomb() -> bytes:
    content = bytearray(_bomb())
    for mark, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = content.index(mark) + place
        content[at : at + 4] = (1000).to_bytes(4, "little")
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "rows.csv is empty"),
        (b"id,name\n", "a header and no rows"),
        (b"id,name,name\na,b,c", "the column name twice"),
        (workbook([["id", "id"], ["a", "b"]]), "the column id twice"),
        (workbook([]), "is empty"),
        (workbook([["id", "name"]]), "a header and no rows"),
        (workbook([["id"], ["a"]])[:900], "damaged or cut off"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le"), "protected by a password"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "old Excel or Word file"),
        (_bomb(), "which is too much"),
        (_lying_bomb(), "does not fit its checksum"),
        (b"%PDF-1.7", "a PDF"),
    ],
)
def test_what_cannot_be_imported_is_refused_and_not_kept(content: bytes, words: str) -> None:
    with pytest.raises(NotReadable, match=words) as told:
        store([content], kind="accounts", name="C:\\files\\rows.csv")
    assert "imports/" not in str(told.value)
    assert not list(folder().iterdir()) and not Import.objects.exists()


def test_a_file_that_is_too_large_or_unpacks_to_too_much_is_refused(settings: Any) -> None:
    settings.IMPORT_BYTES = 1_000_000
    with pytest.raises(NotReadable, match="larger than 0 MB"):
        store([b"id\n" + b"x" * 600_000, b"y" * 600_000], kind="accounts", name="a.csv")
    settings.IMPORT_UNPACKED_BYTES = 100_000
    with pytest.raises(NotReadable, match="unpacks to more"):
        store([gzip.compress(b"id,name\n" + b"a,b\n" * 100_000)], kind="accounts", name="a.csv.gz")
    assert not list(folder().iterdir())


def test_the_kind_and_the_columns_are_guessed() -> None:
    assert guess_rows_kind(["User ID", "E-mail", "Job title"]) == "users"
    assert guess_rows_kind(["user_id", "account_id", "role"]) == "relationships"
    assert guess_rows_kind(["event", "timestamp", "user_id"]) == "events"
    assert guess_rows_kind(["subscription_id", "account_id", "plan", "mrr"]) == "subscriptions"
    job = store([b"Kunde,account id,Site,MRR\nA,1,a.example,5\nB,2,b.example,6\n"], kind="accounts", name="x.csv")
    found = {item.header: (item.value, item.why) for item in propose_mapping(job).columns}
    assert found == {
        "Kunde": ("new:text", "Not known yet"), "account id": ("external_id", "By its name"),
        "Site": ("domain", "By its values"), "MRR": ("stated_mrr", "By its name"),
    }  # fmt: skip
    imported("Kunde,account id\nA,1\n", Kunde="name")
    assert {item.header: item.value for item in propose_mapping(job).columns}["Kunde"] == "name"


def test_day_and_month_are_asked_for_where_the_file_cannot_tell() -> None:
    both = dates_in(["03/04/2026", "05/06/2026"])
    assert both.ambiguous and both.form == ""
    assert ("03/04/2026", "3 April 2026 or 4 March 2026") in both.examples
    assert dates_in(["03/04/2026", "25/06/2026"]).form == "%d/%m/%Y"
    assert dates_in(["03/04/2026", "06/25/2026"]).form == "%m/%d/%Y"
    assert dates_in(["2026-04-03"]).form == "" and not dates_in(["2026-04-03"]).ambiguous
    job = store([b"id,customer_since\na,03/04/2026\n"], kind="accounts", name="x.csv")
    form = read_mapping(job, {"column.0": "Id", "column.1": "Customer since"})
    assert "day or with the month" in form.errors["date_format"]
    form = read_mapping(job, {"column.0": "id", "column.1": "customer_since", "date_format": "%m/%d/%Y"})
    assert not form.errors


def test_a_mapping_that_cannot_work_is_told_at_its_column() -> None:
    job = store([b"a,b,c\n1,2,3\n"], kind="accounts", name="x.csv")
    form = read_mapping(job, {"column.0": "Name", "column.1": "name", "column.2": "nothing like this"})
    assert set(form.errors) == {"", "b", "c"}
    assert "Every row of accounts needs one" in form.errors[""]


def test_a_preview_shows_rows_as_stored_and_keeps_nothing() -> None:
    job = draft("id,name,stage,Score\na, Alder ,Live,5\nb,B,nonsense,6\n,C,,7\n")
    found = preview(job)
    assert found.columns == ["Id", "Name", "Stage", "Score"]
    assert found.rows == [(2, ["a", "Alder", "live", "5"])]
    assert [(p.line, p.column) for p in found.problems] == [(3, "stage"), (4, "id")]
    assert not Account.objects.exists() and not AttributeDefinition.objects.exists()
    assert not any("--" in p.reason for p in found.problems)


def test_bad_rows_are_kept_with_their_cells_and_work_when_corrected() -> None:
    job = imported(b"id,name,mrr\na,A,1\nb,B,$2\nc,\xff,3\nd,D,-4\n")
    assert counts(job) == (1, 0, 0, 3)
    told = {row.line: (row.column, row.cells) for row in job.rejects.all()}
    assert told[3] == ("mrr", ["b", "B", "$2"]) and told[4] == ("name", ["c", "\ufffd", "3"])
    again = "line,column,reason,id,name,mrr\n3,mrr,why,b,B,2\n4,name,why,c,C,3\n"
    fixed = imported(again, name="rejects.csv")
    assert counts(fixed) == (2, 0, 0, 0)
    assert not AttributeDefinition.objects.exists()


def _interrupted(job: Import, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Work on an import with a worker that dies in the middle of its batch number `at`."""
    kept, calls = running.ImportLedger.end, iter(range(100))

    def end(self: Any, progress: Any, position: int) -> None:
        kept(self, progress, position)
        if next(calls) == at:
            raise SystemExit("killed")

    with monkeypatch.context() as patch:
        patch.setattr(running.ImportLedger, "end", end)
        with pytest.raises(SystemExit):
            running.work(job.pk)


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(running, "BATCH", 10)
    yield


@pytest.mark.usefixtures("small_batches")
def test_a_killed_worker_loses_and_repeats_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "".join(f"k{n},N{n},{'x' if n % 7 == 3 else n}\n" for n in range(45)) + "k3,twice,1\n"
    job = draft("id,name,mrr\n" + rows)
    running.start(job)
    _interrupted(job, monkeypatch, 2)
    job.refresh_from_db()
    assert (job.position, job.rows, Account.objects.count()) == (20, 20, 20 - job.bad_rows)
    running.work(job.pk)
    job.refresh_from_db()
    assert job.position == 20  # nobody takes it while the claim is fresh
    Import.objects.filter(pk=job.pk).update(beat_at=timezone.now() - dt.timedelta(minutes=3))
    ended(job)
    bad = sum(n % 7 == 3 for n in range(45)) + 1
    assert (job.state, job.rows, job.bad_rows, job.created) == ("done", 46, bad, 46 - bad)
    assert job.rejects.count() == bad and "already on line 5" in job.rejects.last().reason
    assert ImportedRow.objects.filter(job=job).count() == job.created


@pytest.mark.usefixtures("small_batches")
def test_reading_up_to_where_it_was_gives_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "PASSED_OVER", 5)
    job = draft("id,name\n" + "".join(f"k{n},N\n" for n in range(35)))
    running.start(job)
    running.work(job.pk, seconds=0)
    beats: list[Any] = []
    kept = running.ImportLedger.alive

    def alive(self: Any) -> None:
        kept(self)
        beats.append(Import.objects.get(pk=job.pk).beat_at)
        if len(beats) == 2:  # somebody takes it over
            Import.objects.filter(pk=job.pk).update(claim="another")

    monkeypatch.setattr(running.ImportLedger, "alive", alive)
    running.work(job.pk)
    assert len(beats) == 2 and beats[0] < beats[1] and Account.objects.count() == 10
    job.refresh_from_db()
    assert (job.claim, job.position) == ("another", 10)


@pytest.mark.usefixtures("small_batches")
def test_a_long_import_is_done_in_slices_and_a_second_wake_up_finds_nothing() -> None:
    job = draft("id,name\n" + "".join(f"k{n},N\n" for n in range(35)))
    running.start(job)
    running.work(job.pk, seconds=0)
    job.refresh_from_db()
    assert (job.state, job.position, job.claim) == ("running", 10, "")
    ended(job, seconds=0)
    assert counts(job) == (35, 0, 0, 0)
    running.work(job.pk)
    job.refresh_from_db()
    assert job.rows == 35


@pytest.mark.usefixtures("small_batches")
def test_a_cancelled_import_stops_after_its_batch_and_can_be_undone() -> None:
    job = draft("id,name\n" + "".join(f"k{n},N\n" for n in range(35)))
    running.start(job)
    running.work(job.pk, seconds=0)
    running.cancel(job)
    assert ended(job).state == "cancelled" and Account.objects.count() == 10
    running.ask_undo(job)
    assert ended(job).state == "undone" and not Account.objects.exists()


def test_a_job_that_kills_its_worker_is_given_up_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    job = draft("id,name\na,A\n")
    running.start(job)
    for _ in range(6):
        Import.objects.filter(pk=job.pk).update(beat_at=None)
        if Import.objects.get(pk=job.pk).attempts < 5:
            _interrupted(job, monkeypatch, 0)
        else:
            running.work(job.pk)
    job.refresh_from_db()
    assert job.state == "failed" and "five times" in job.error and not Account.objects.exists()


def test_the_tick_finds_what_lost_wake_ups_left() -> None:
    from django_q.models import OrmQ

    def asked() -> set[str]:
        found = {item.func() for item in OrmQ.objects.all()}
        OrmQ.objects.all().delete()
        return found

    job = draft("id\na\n")
    running.start(job)
    assert asked() == {running.TASK}
    tick()
    assert running.TASK in asked()
    ended(job)
    asked()
    tick()
    assert asked() & {running.TASK, "integrations.tasks.forget_old_files"} == set()
    Import.objects.update(file_until=timezone.now() - dt.timedelta(days=1))
    ScheduledImport.objects.create(name="n", url="https://x.example/a", kind="accounts")
    tick()
    assert {"integrations.tasks.forget_old_files", "integrations.tasks.fetch_scheduled"} <= asked()
