"""Erasing leaves no trace, takes nothing of others, is exact when it is killed or asked twice, and keeps the id out."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.facts import Fact, RelationshipFact, record_accounts, record_relationships, record_users
from accounts.models import Account, EndUser, Erasure, Note, Relationship, TouchedAccount
from accounts.privacy import erasing
from accounts.privacy.erasing import (
    NothingHeld,
    continue_erasures,
    lift,
    plan_erasure,
    reapply_erasures,
    request_erasure,
    unknown_keys,
)
from accounts.privacy.holdings import Subject, counted, find_subject
from accounts.privacy.redacting import redact
from alerts.models import Alert, AlertEntry, AlertReplay, Delivery, Notice
from core.models import IdempotentAnswer
from health.backtest.models import BackTest
from health.models import Pulse
from integrations.imports.storing import folder
from integrations.models import ConnectionLink, ConnectionRun, Identity, Import, ImportReject
from integrations.tracking import spool
from segments.models import Segment
from segments.refresh import refresh_due
from tests.privacy.conftest import NEEDLES, NOW, OTHER, World, build, events, found_in, numbers
from usage.models import AccountUsage, Event, MessageReceipt
from usage.rollup import roll_up
from usage.store import EventFact, PostgresStore

LINES = ("raised", "moved")


def erase_now(kind: str, external_id: str, **more: Any) -> Erasure:
    made = request_erasure(kind, external_id, by="ann", **more)
    continue_erasures()
    made.refresh_from_db()
    return made


def test_no_table_knows_a_person_any_more(world: World) -> None:
    assert len(found_in(*NEEDLES)) >= 9  # the search sees what it must
    plan = plan_erasure("user", "bob-7731")
    made = erase_now("user", "bob-7731")
    assert found_in(*NEEDLES) == {}
    assert made.state == "done" and made.external_id == ""
    assert made.rows == plan.total + made.removed["receipts"] + 1  # the event of a visitor, found by what waits for it
    assert made.removed["events"] == 25 and made.removed["receipts"] == 26
    assert [row.facts[0]["account"] for row in Identity.objects.all()] == ["acme"]
    assert sorted(path.name for path in (spool.folder() / "aside").iterdir()) == ["2.json", "2.json.reason"]
    kept = {job.name: (folder() / job.stored).exists() for job in Import.objects.all()}
    assert kept == {"(erased)": False, "others.csv": True, "one.csv": True}
    assert list(ConnectionRun.objects.values_list("problems", flat=True)) == [
        ["(erased)", "Brook: fine", "acme: mrr: no"]
    ]
    assert set(Pulse.objects.values_list("note", flat=True)) == {"(erased) is angry", "All well"}
    assert list(ImportReject.objects.order_by("pk").values_list("cells", flat=True)) == [["ann-1", "acme"], ["z"]]
    assert list(IdempotentAnswer.objects.values_list("key", "answer")) == [("k1", {})]
    told = Notice.objects.order_by("key").values_list("key", "title", "text", "deliveries__error")
    assert list(told) == [  # the one about a note about Bob is gone, with its delivery
        ("n1", "Silent: Acme", "Acme lost its champion (erased)", "550 no such user (erased)"),
        ("n3", "Call (erased)", "before Friday", "550 no such user"),
    ]
    said = Alert.objects.values_list("message", "snooze_reason", "entries__text")
    assert list(said) == [("Acme lost its champion (erased)", "(erased) is on leave", "Called (erased)")]
    assert made.removed["note_mentions"] == 1 and made.removed["user_memberships"] == 1


def test_what_is_left_equals_a_world_without_the_person(world: World) -> None:
    erase_now("user", "bob-7731")
    assert set(TouchedAccount.objects.values_list("account", flat=True)) >= {world.acme.pk, world.brook.pk}
    left = numbers()
    notes = list(Note.objects.order_by("pk").values_list("kind", "text", "user__name"))
    assert notes == [
        ("call", "(erased) with the person it was about.", None),
        ("note", "Ann says (erased) left, ask (erased) first", "Ann Lee"),
        ("note", "Nothing about anybody", None),
    ]
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("TRUNCATE accounts_account, accounts_enduser, usage_event, usage_messagereceipt CASCADE")
    build(with_bob=False)
    assert left == numbers()


def test_an_account_goes_with_all_that_hangs_on_it(world: World) -> None:
    other = AccountUsage.objects.get(account=world.brook)
    made = erase_now("account", "acme")
    assert not Account.objects.filter(external_id="acme").exists()
    assert Account.objects.get(external_id="acme-north").parent is None
    refresh_due()
    assert Segment.objects.get(key="all").member_count == 2
    assert {"events", "daily_usage", "subscriptions", "pins", "assignments", "account_notes"} <= made.removed.keys()
    assert set(EndUser.objects.values_list("external_id", flat=True)) == {"ann-1", "bob-7731"}
    assert Event.objects.filter(account=world.brook).count() == 20
    assert AccountUsage.objects.get(account=world.brook).last_seen_at == other.last_seen_at
    # The name of the child and of our own user's id may hold the word; nothing else does.
    assert {name.split(":")[0] for name in found_in("acme")} <= {"accounts_account", "accounts_attributechange"}
    left = found_in('"acme"')
    assert left == {}
    assert {"health", "health_days", "band_changes", "health_overrides", "pulses", "links"} <= made.removed.keys()
    # A notification of a note goes with the note, and its delivery with it.
    alerts = {"alerts": 1, "notices": 2, "deliveries": 2, "alert_replays": 1, "back_tests": 1}
    assert {key: made.removed[key] for key in alerts} == alerts
    assert not (Alert.objects.exists() or AlertEntry.objects.exists())
    assert not (Notice.objects.exists() or Delivery.objects.exists())
    lines = [row.report.get(part) for row in (*AlertReplay.objects.all(), *BackTest.objects.all()) for part in LINES]
    assert [[line[0] for line in found] for found in lines if found] == [[OTHER]] * 3  # the other account's stay
    assert ConnectionLink.objects.get(remote_id="10").seen == {"@accounts": ["brook"]}
    assert list(ImportReject.objects.values_list("line", "cells")) == [(2, ["bob-7731", "x"]), (2, ["z"])]
    assert ConnectionRun.objects.get().problems == ["bob-7731: email: no", "Brook: fine", "(erased)"]


def test_an_account_goes_with_its_people_when_asked(world: World) -> None:
    record_users([Fact("solo-9", {"name": "Solo Nine"}, NOW)], source="crm")
    record_relationships([RelationshipFact("solo-9", "acme", NOW)], source="crm")
    assert plan_erasure("account", "acme").only_here == ["solo-9"]
    erase_now("account", "acme", with_users=True)
    assert found_in("solo-9", "Solo Nine") == {}
    # With the id that Acme's company in the CRM would get.
    assert Erasure.objects.count() == 3 and EndUser.objects.count() == 2


def test_asking_twice_is_one_erasure_and_a_crash_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasing, "BATCH", 3)
    total = plan_erasure("user", "bob-7731").total
    first = request_erasure("user", "bob-7731", by="ann")
    assert request_erasure("user", "bob-7731", by="eve").pk == first.pk
    step, left = erasing._batch, [0]

    def killed(*given: Any) -> bool:
        left[0] -= 1
        if left[0] < 0:
            raise SystemError("killed")
        return step(*given)

    monkeypatch.setattr(erasing, "_batch", killed)
    for lives in range(0, 200, 4):  # each attempt dies some batches later than the one before
        left[0] = lives
        try:
            continue_erasures()
            break
        except SystemError:
            assert Erasure.objects.exclude(error="").first().error == "killed"
            first.refresh_from_db()  # the record goes last
            assert first.state == "done" or EndUser.objects.filter(external_id="bob-7731").exists()
    assert lives > 10
    made = Erasure.objects.get(pk=first.pk)
    assert made.state == "done" and made.error == ""
    assert made.rows == total + made.removed["receipts"] + 1
    assert found_in(*NEEDLES) == {}
    assert request_erasure("user", "bob-7731", by="eve").state == "done"
    assert Erasure.objects.count() == 3  # with the ids of two contacts in the CRM


def test_nothing_is_erased_of_an_unknown_id(db: None) -> None:
    with pytest.raises(NothingHeld):
        request_erasure("user", "nobody", by="ann")
    assert not Erasure.objects.exists()
    for command in (["erase", "user", "nobody"], ["erase", "user", "a\x00b"], ["erase", "account", ""]):
        with pytest.raises(CommandError):
            call_command(*command)


def test_what_comes_in_later_is_refused_and_counted_until_it_is_lifted(
    world: World, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    made = erase_now("user", "bob-7731")
    with django_capture_on_commit_callbacks(execute=True):
        again = PostgresStore().append(events("bob-7731", "acme"), source="sdk", create_missing=True)
    assert again.stored == 0 and len(again.rejected) == 10 and "was erased on" in again.rejected[0].reason
    with django_capture_on_commit_callbacks(execute=True):
        outcome = record_users([Fact("bob-7731", {"name": "Bob"}, NOW), Fact("cat", {}, NOW)], source="sdk")
        assert [(one.index, one.key) for one in outcome.rejected] == [(0, "external_id")]
        belongs = RelationshipFact("bob-7731", "acme", NOW)
        outcome = record_relationships([belongs], source="sdk", create_missing=True)
        assert [one.key for one in outcome.rejected][-1] == "user"
    assert found_in(*NEEDLES) == {} and EndUser.objects.filter(external_id="cat").exists()
    made.refresh_from_db()
    assert made.refused >= 3 and made.refused_at
    lift(made, by="ann")
    assert PostgresStore().append(events("bob-7731", "acme"), source="sdk", create_missing=True).stored == 10
    assert erase_now("user", "bob-7731").pk != made.pk
    assert found_in(*NEEDLES) == {}


def test_an_account_that_was_erased_does_not_come_back(world: World) -> None:
    erase_now("account", "acme")
    assert PostgresStore().append(events("ann-1", "acme"), source="sdk", create_missing=True).stored == 0
    assert record_accounts([Fact("acme", {}, NOW)], source="crm").rejected
    assert not Account.objects.filter(external_id="acme").exists()


def test_the_log_holds_no_personal_data_and_brings_nobody_back(world: World, ledger: Path) -> None:
    made = erase_now("user", "bob-7731")
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert [line["what"] for line in lines] == ["erased", "done"] * 3 and lines[1]["removed"] == made.removed
    assert not any(needle.lower() in ledger.read_text().lower() for needle in NEEDLES)
    # An older backup: Bob is there, the erasure is not known.
    Erasure.objects.all().delete()
    record_users([Fact("bob-7731", {"name": "Bob Quill"}, NOW)], source="crm")
    PostgresStore().append(events("bob-7731", "brook"), source="sdk")
    roll_up()
    done = reapply_erasures()
    assert (done.entries, done.added, done.erased, done.unreadable) == (3, 3, 1, 0)
    assert found_in(*NEEDLES) == {}
    mine = Erasure.objects.get(uid=made.uid)
    again = reapply_erasures()
    assert (again.added, again.erased) == (0, 0)
    assert set(mine.others.values_list("state", flat=True)) == {"done"} and mine.others.count() == 2
    lift(mine, by="ann")
    assert reapply_erasures().entries == 0
    Erasure.objects.update(lifted_at=None)  # restored to before the lift
    reapply_erasures()
    mine.refresh_from_db()
    assert mine.lifted_at is not None


def test_a_damaged_log_is_told_and_a_torn_last_line_is_not(world: World, ledger: Path) -> None:
    erase_now("user", "bob-7731")
    whole = ledger.read_text()
    ledger.write_text(whole + '{"what": "era')
    call_command("reapply_erasures")
    ledger.write_text("garbage\n" + whole)
    with pytest.raises(CommandError, match="Line 1"):
        call_command("reapply_erasures")
    ledger.unlink()
    call_command("reapply_erasures")


def test_the_secret_key_may_change(world: World, settings: Any) -> None:
    erase_now("user", "bob-7731")
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another" * 9
    assert not unknown_keys()
    assert record_users([Fact("bob-7731", {}, NOW)], source="sdk").rejected
    settings.SECRET_KEY_FALLBACKS = []
    assert unknown_keys()
    with pytest.raises(CommandError, match="CSBOX_SECRET_KEY_FALLBACKS"):
        call_command("reapply_erasures")


def test_a_short_name_is_not_looked_for_in_texts() -> None:
    subject = Subject("user", 1, "7", ("7", "Al", "al@example.com"))
    assert redact("Al and 7 others, Al@Example.com", subject) == "Al and 7 others, (erased)"
    assert redact("erased", Subject("user", 1, "erased", ("erased",))) == "erased"


def test_a_writer_that_began_before_is_waited_for(
    committed: None, at_once: Callable[..., list[Any]], ledger: Path
) -> None:
    """Whoever stores while the erasure is asked for: its rows go too, or it is refused."""
    record_users([Fact("bob-7731", {"name": "Bob Quill"}, NOW)], source="crm")
    record_accounts([Fact("acme", {}, NOW)], source="crm")

    def write(place: int) -> None:
        for n in range(15):
            fact = EventFact(f"bob-7731-{place}-{n}", "Login", NOW - dt.timedelta(days=n), "acme", "bob-7731")
            PostgresStore().append([fact], source="sdk", create_missing=True)

    def ask() -> None:
        request_erasure("user", "bob-7731", by="ann")
        continue_erasures()

    results = at_once(lambda: write(1), lambda: write(2), ask, continue_erasures)
    assert not [result for result in results if isinstance(result, Exception)]
    continue_erasures()
    roll_up()
    assert Erasure.objects.get().state == "done"
    assert found_in(*NEEDLES) == {}


def test_the_command_says_what_would_go_and_what_went(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("erase", "user", "bob-7731", "--dry-run")
    assert "Would erase" in capsys.readouterr().out and EndUser.objects.filter(pk=world.bob.pk).exists()
    call_command("erase", "user", "bob-7731")
    assert "events: 25" in capsys.readouterr().out
    assert not counted(find_subject("user", "bob-7731"))
    assert not Relationship.objects.filter(user=world.bob.pk).exists()
    assert MessageReceipt.objects.filter(message_id__startswith="ann").count() == 20
