"""What comes in about somebody who was erased is refused and counted, and leaves nothing: tracking, imports, CRM."""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.facts import Fact, record_accounts, record_users
from accounts.models import Account, EndUser, Erasure
from accounts.privacy.digests import digest
from accounts.privacy.erasing import continue_erasures, lift, reapply_erasures, request_erasure
from accounts.privacy.gate import erased_among
from accounts.privacy.ledger import read_ledger
from integrations.connections.running import request_run, run_due
from integrations.imports.previewing import preview
from integrations.imports.storing import folder
from integrations.models import Connection, ConnectionLink, ConnectionRun, Identity, Import, ImportReject, Message
from integrations.tracking import keys, spool
from integrations.tracking.requests import Received
from tests.connections.conftest import hubspot, standin, stripe
from tests.connections.standin import StandIn
from tests.connections.stripe_side import customer, subscription
from tests.integrations.imported import counts, draft, ended, imported
from tests.privacy.conftest import NOW, found_in
from usage.models import Event, MessageReceipt
from usage.store import EventFact, PostgresStore

__all__ = ["hubspot", "standin", "stripe"]
pytestmark = [pytest.mark.django_db, pytest.mark.once]
KEY = "wk_of-a-test-and-nowhere-else"
GONE = ("bob-7731", "acme-9", "Bob Quill", "bob.quill@example.com")


def erase(*wanted: tuple[str, str]) -> None:
    for kind, external_id in wanted:
        request_erasure(kind, external_id, by="ann")
    continue_erasures()


@pytest.fixture
def gone() -> None:
    """Bob and Acme were here once."""
    record_users([Fact("bob-7731", {"name": "Bob Quill"}, NOW)], source="crm")
    record_accounts([Fact("acme-9", {"name": "Acme"}, NOW), Fact("brook", {}, NOW)], source="crm")
    erase(("user", "bob-7731"), ("account", "acme-9"))
    assert found_in(*GONE) == {}


@pytest.fixture
def send() -> Callable[[list[dict[str, Any]]], Any]:
    """Post a batch to the tracking API."""
    keys.forget_known()
    keys.create_source("Web app", key=KEY)
    word = base64.b64encode(f"{KEY}:".encode()).decode()

    def post(messages: list[dict[str, Any]]) -> Any:
        batch = [{"messageId": f"bob-7731-{place}"} | message for place, message in enumerate(messages)]
        body = json.dumps({"batch": batch}).encode()
        return Client(headers={"authorization": f"Basic {word}"}).generic("POST", "/v1/batch", body, "application/json")

    return post


ABOUT_THEM: list[dict[str, Any]] = [
    {"type": "track", "event": "Login", "userId": "bob-7731"},
    {"type": "page", "userId": "ann-1", "context": {"groupId": "acme-9"}},
    {"type": "identify", "userId": "bob-7731", "anonymousId": "anon-1", "traits": {"email": "bob.quill@example.com"}},
    {"type": "group", "userId": "ann-1", "groupId": "acme-9", "traits": {"name": "Acme"}},
    {"type": "alias", "userId": "new-1", "previousId": "bob-7731"},
    {"type": "identify", "anonymousId": "bob-7731", "traits": {"name": "Bob Quill"}},
    {"type": "track", "userId": "bob-7731", "properties": {"name": "Bob Quill"}},  # and without its event
    {"type": "track", "event": "x" * 40_000, "userId": "bob-7731"},  # and too large to be read
]


def test_the_tracking_api_answers_and_keeps_nothing(
    gone: None, send: Any, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        answer = send([*ABOUT_THEM, {"messageId": "good", "type": "track", "event": "Login", "userId": "cat"}])
    assert answer.status_code == 200
    rows = list(Message.objects.order_by("pk").values_list("outcome", "payload", "user_ref", "account_ref"))
    assert rows[:-1] == [("dropped", "", "", "")] * len(ABOUT_THEM) and rows[-1][0] == "no_account"
    assert all("was erased on" in reason for reason in Message.objects.values_list("reason", flat=True)[1:])
    assert set(EndUser.objects.values_list("external_id", flat=True)) == {"cat"}
    assert set(Account.objects.values_list("external_id", flat=True)) == {"brook"}
    assert Event.objects.count() == MessageReceipt.objects.count() == 1 and not Identity.objects.exists()
    assert found_in(*GONE) == {}
    assert list(Erasure.objects.order_by("kind").values_list("kind", "refused")) == [("account", 1), ("user", 1)]


def test_a_visitor_who_is_known_as_somebody_in_erasure_is_refused(send: Any) -> None:
    send([{"type": "identify", "userId": "bob-7731", "anonymousId": "anon-1"}])
    request_erasure("user", "bob-7731", by="ann")  # not worked on yet
    send([{"messageId": "later", "type": "track", "event": "Login", "anonymousId": "anon-1"}])
    assert Message.objects.get(name="Login").payload == "" and not Event.objects.exists()


def test_a_former_id_is_kept_out_too(send: Any) -> None:
    send([{"type": "identify", "userId": "old-bob"}, {"type": "alias", "userId": "bob-7731", "previousId": "old-bob"}])
    assert set(EndUser.objects.values_list("external_id", flat=True)) == {"bob-7731"}
    erase(("user", "bob-7731"))
    assert Erasure.objects.filter(state="done").count() == 2 and found_in("old-bob", "bob-7731") == {}
    send([{"messageId": "later", "type": "track", "event": "Login", "userId": "old-bob"}])
    assert not EndUser.objects.exists() and not Event.objects.exists() and found_in("old-bob") == {}


def test_what_waited_on_the_disk_is_refused_and_leaves_the_disk(gone: None, send: Any) -> None:
    data = {"batch": [{"messageId": "late", "type": "track", "event": "Login", "userId": "bob-7731"}]}
    assert spool.keep_if_known(Received("segment", "batch", keys.digest_of(KEY), NOW, "request-1", data))
    assert spool.drain() == 1 and spool.waiting() == [] and not (spool.folder() / "aside").exists()
    assert found_in(*GONE) == {} and not EndUser.objects.exists()


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("users", "id,name\nbob-7731,Bob Quill\ncat,Cat\n"),
        ("accounts", "id,name\nacme-9,Acme\nbrook,Brook\n"),
        ("relationships", "user_id,account_id\nbob-7731,brook\ncat,acme-9\ncat,brook\n"),
        ("subscriptions", "id,account_id,plan\ns-1,acme-9,Pro\ns-2,brook,Pro\n"),
        (
            "events",
            "id,event,user_id,account_id,at\ne1,Login,bob-7731,brook,2026-03-01\ne2,Login,cat,brook,2026-03-01\n",
        ),
        ("users", "id,email,first_seen_at\nbob-7731,bob.quill@example.com,not a day\ncat,cat@example.com,2026-03-01\n"),
    ],
)
def test_an_import_refuses_the_rows_and_takes_the_others(gone: None, kind: str, content: str) -> None:
    job = draft(content, kind)
    job.options |= {"create_missing": True}
    job.save()
    job = ended(job)
    wrong = content.count("\n") - 2
    assert (job.state, job.rows, job.bad_rows) == ("done", wrong + 1, wrong)
    assert {(tuple(row.cells), "was erased on" in row.reason) for row in ImportReject.objects.all()} == {((), True)}
    assert found_in(*GONE) == {} and not (folder() / job.stored).exists()
    assert set(EndUser.objects.values_list("external_id", flat=True)) <= {"cat"}
    assert set(Account.objects.values_list("external_id", flat=True)) == {"brook"}


def test_other_rejects_and_files_are_kept(gone: None) -> None:
    job = imported("id,name,created\ncat,Cat,2026-03-01\n\ndog,Dog,never\n", "users", created="first_seen_at")
    assert counts(job)[3] == 1 and ImportReject.objects.get().cells == ["dog", "Dog", "never"]
    assert (folder() / job.stored).exists()


def test_a_file_that_is_being_read_goes_when_its_import_has_ended(gone: None) -> None:
    record_users([Fact("eve-5521", {"name": "Eve Stone"}, NOW)], source="crm")
    job = draft("id,name\neve-5521,Eve Stone\n", "users")
    Import.objects.filter(pk=job.pk).update(state="running")
    request_erasure("user", "eve-5521", by="ann")
    with pytest.raises(RuntimeError, match="reading a file"):
        continue_erasures()
    assert (folder() / job.stored).exists() and EndUser.objects.filter(external_id="eve-5521").exists()
    ended(job)
    continue_erasures()
    assert not (folder() / job.stored).exists() and found_in("eve-5521", "Eve Stone") == {}


def pulled(found: Connection) -> ConnectionRun:
    run = request_run(found, full=True)
    run_due()
    run.refresh_from_db()
    return run


def test_a_crm_does_not_bring_them_back(hubspot: Connection, standin: StandIn) -> None:
    side = standin.hubspot
    side.put("companies", "101", name="Acme", domain="acme.example")
    side.put("companies", "102", name="Bolt", domain="bolt.example")
    side.put("contacts", "9", ["101", "102"], email="bob.quill@example.com", firstname="Bob", lastname="Quill")
    side.put("contacts", "10", ["102"], email="bo@bolt.example", firstname="Bo")
    # Ours by another id than the CRM's, found by domain and e-mail.
    record_accounts([Fact("acme-9", {"name": "Acme", "domain": "acme.example"}, NOW)], source="app")
    record_users([Fact("bob-7731", {"name": "Bob Quill", "email": "bob.quill@example.com"}, NOW)], source="app")
    assert pulled(hubspot).problems == []
    assert ConnectionLink.objects.filter(user__external_id="bob-7731", account=None).exists()
    erase(("user", "bob-7731"), ("account", "acme-9"))
    assert found_in(*GONE, "acme.example") == {}
    for _ in range(2):
        run = pulled(hubspot)
        assert (run.state, run.read, run.created, run.problem_count) == ("done", 4, 0, 2)
        assert all(text.startswith("Refused (1): This ") for text in run.problems)
    assert found_in(*GONE, "acme.example") == {}
    assert set(Account.objects.values_list("name", flat=True)) == {"Bolt"}
    assert set(EndUser.objects.values_list("email", flat=True)) == {"bo@bolt.example"}


def test_billing_does_not_bring_an_account_back(stripe: Connection, standin: StandIn) -> None:
    standin.stripe.put(customer("cus_1", name="Acme"), subscription("sub_1", "cus_1"))
    assert pulled(stripe).created == 2
    erase(("account", "cus_1"))
    run = pulled(stripe)
    assert (run.state, run.created, run.unmatched) == ("done", 0, 0) and run.problem_count
    assert not Account.objects.exists() and not ConnectionLink.objects.exists()
    assert found_in("cus_1", "sub_1") == {}


def test_without_an_erasure_the_gate_costs_two_small_statements(db: None, ledger: Path) -> None:
    def never() -> dict[str, list[str]]:
        raise AssertionError("asked for the ids")

    with CaptureQueriesContext(connection) as seen:
        assert erased_among(never) == {}
    assert len(seen) == 2
    fact = EventFact("m", "Login", NOW - dt.timedelta(days=1), None, None)
    assert PostgresStore().append([fact], source="sdk").stored == 1


def test_a_restore_brings_back_nobody_whom_only_texts_name(gone: None, send: Any) -> None:
    """Older copies of the database and of the folder: not the records, but a message, a file and a rejected row."""
    Erasure.objects.all().delete()
    job = draft("id,name\nbob-7731,Bob Quill\n", "users")
    send([{"messageId": "m1", "type": "track", "event": "", "userId": "acme-9"}])
    Message.objects.filter(user_ref="acme-9").update(user_ref="", account_ref="acme-9", payload="", message_id="")
    ImportReject.objects.create(job=job, line=2, reason="No.", cells=["bob-7731", "Bob"])
    done = reapply_erasures()
    assert (done.added, done.erased) == (2, 2)
    assert found_in("bob-7731", "acme-9") == {} and not (folder() / job.stored).exists()
    assert preview(job).error == "rows.csv is not kept any more. Upload it again."


def test_lifting_lets_the_other_ids_in_again_too(send: Any) -> None:
    alias = {"type": "alias", "userId": "new", "previousId": "old"}
    send([{"type": "identify", "userId": "old"}, alias, {"type": "identify", "userId": "other"}])
    made = request_erasure("user", "new", by="ann")
    kept_out = made.others.get()
    assert lift(made, by="ann").lifted_at is None  # not before all of it is done
    continue_erasures()
    apart = request_erasure("user", "other", by="ann")
    continue_erasures()
    assert kept_out.digest == digest("user", "old") and apart.other_of is None
    lift(made, by="ann")
    kept_out.refresh_from_db()
    apart.refresh_from_db()
    assert kept_out.lifted_at and kept_out.lifted_by == "ann" and apart.lifted_at is None
    send([{"messageId": "later", "type": "identify", "userId": "old"}])
    assert EndUser.objects.filter(external_id="old").exists()
    entries, lifted = read_ledger()
    assert {entry.uid for entry in entries} == {str(apart.uid)} and str(kept_out.uid) in lifted
