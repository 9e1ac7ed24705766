"""The file holds all that is known of a person and nothing of others, is there for a stated time, and is logged."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import zipfile
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import DataExport, ExportPart
from accounts.privacy import exporting
from accounts.privacy.erasing import NothingHeld, continue_erasures, request_erasure
from accounts.privacy.exporting import drop_old_exports, make_exports, read_export, request_export
from accounts.privacy.holdings import holdings
from tests.privacy.conftest import NEEDLES, World


def opened(export: DataExport) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(b"".join(read_export(export))))


def test_a_person_gets_everything_about_them_and_nothing_of_others(world: World) -> None:
    made = request_export("user", "bob-7731", by="ann")
    assert made.state == "ready" and made.size == sum(len(bytes(part.data)) for part in made.parts.all())
    archive = opened(made)
    assert archive.testzip() is None
    names = set(archive.namelist())
    assert {"index.html", "user.json", "events.csv", "events.json", "relationships.json", "notes.json"} <= names
    events = json.loads(archive.read("events.json"))
    assert len(events) == 24 and {row["user"] for row in events} == {"bob-7731"}
    assert len(list(csv.DictReader(io.StringIO(archive.read("events.csv").decode("utf-8-sig"))))) == 24
    (person,) = json.loads(archive.read("user.json"))
    assert person["email"] == NEEDLES[1] and person["attributes"] == {"city": "Oslo"}
    named = {"alert_mentions", "snooze_mentions", "notice_mentions", "notice_title_mentions", "note_notices"}
    assert {f"{key}.json" for key in named | {"alert_message_mentions", "delivery_mentions"}} <= names
    assert {"messages.json", "identities.json", "links.json", "pulse_mentions.json", "import_rejects.json"} <= names
    assert json.loads(archive.read("identities.json"))[0]["id"] == "anon-bob"
    page = archive.read("index.html").decode()
    assert "Bob Quill" in page and "events.csv" in page
    assert "ann@example.com" not in "".join(archive.read(name).decode() for name in names)
    assert sum(len(json.loads(archive.read(name))) for name in names if name.endswith(".json")) == made.rows


def test_an_account_gets_its_own(world: World) -> None:
    archive = opened(request_export("account", "acme", by="ann"))
    events = json.loads(archive.read("events.json"))
    assert {row["account"] for row in events} == {"acme"}
    assert json.loads(archive.read("pins.json"))[0]["reason"] == "Board"
    assert json.loads(archive.read("account.json"))[0]["name"] == "Acme"
    assert [row["value"] for row in json.loads(archive.read("pulses.json"))] == [2, 4]
    assert [row["message"] for row in json.loads(archive.read("alerts.json"))] == ["Acme lost its champion Bob Quill"]
    assert len(json.loads(archive.read("notices.json"))) == len(json.loads(archive.read("deliveries.json"))) == 3
    assert json.loads(archive.read("alert_replays.json"))[0]["rule"] == "Silent"
    assert {"health.json", "health_days.json", "band_changes.json", "health_overrides.json", "links.json"} <= {
        *archive.namelist()
    }


def test_a_large_one_is_made_in_the_background_and_in_pieces(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "AT_ONCE", 3)
    monkeypatch.setattr(exporting, "PART", 1000)
    made = request_export("user", "bob-7731", by="ann")
    assert made.state == "waiting" and not made.parts.exists()
    make_exports()
    made.refresh_from_db()
    assert made.state == "ready" and made.parts.count() > 2
    assert opened(made).testzip() is None
    make_exports()  # nothing is waited for
    assert made.parts.count() == ExportPart.objects.count()


def test_the_file_goes_after_its_time_and_with_an_erasure(world: World) -> None:
    made, mine = request_export("user", "ann-1", by="ann"), request_export("user", "bob-7731", by="ann")
    theirs = request_export("account", "acme", by="ann")
    request_erasure("user", "bob-7731", by="ann")
    continue_erasures()
    states = dict(DataExport.objects.values_list("pk", "state"))
    assert states == {made.pk: "ready", mine.pk: "gone", theirs.pk: "gone"}
    assert set(ExportPart.objects.values_list("export", flat=True)) == {made.pk}
    assert drop_old_exports(timezone.now()) == 0
    assert drop_old_exports(timezone.now() + exporting.KEPT + dt.timedelta(seconds=1)) == 1
    assert not ExportPart.objects.exists()
    assert set(DataExport.objects.values_list("external_id", flat=True)) == {""}


def test_nothing_is_exported_of_nobody(db: None) -> None:
    with pytest.raises(NothingHeld):
        request_export("user", "nobody", by="ann")
    assert not DataExport.objects.exists()


def test_the_command_writes_a_file_and_logs_it(world: World, tmp_path: Path) -> None:
    path = tmp_path / "bob.zip"
    call_command("export_person", "bob-7731", str(path))
    assert "user.json" in zipfile.ZipFile(path).namelist()
    log = DataExport.objects.get()
    assert (log.requested_by, log.external_id, log.downloads) == ("manage.py export_person", "", 1)
    with pytest.raises(CommandError, match="is there already"):
        call_command("export_person", "bob-7731", str(path))
    with pytest.raises(CommandError, match="no user"):
        call_command("export_person", "nobody", str(tmp_path / "x.zip"))


def test_what_is_personal_is_exported(world: World) -> None:
    """Kinds without columns are about the bookkeeping alone."""
    left_out = {item.key for kind in ("user", "account") for item in holdings(kind) if not item.columns}
    assert left_out == {
        "back_office_log", "exports", "naming_changes", "touched", "pins_log", "health_log",
        "integrations_log", "placing_marks", "sync_marks",
        # What others said, which is cleaned of the name, or what is kept of it for a day or two.
        "message_mentions", "visitor_facts", "link_mentions", "run_problems", "import_texts", "imported_values",
        "answers", "set_aside", "outgoing_mentions", "synced_mentions",
    }  # fmt: skip
