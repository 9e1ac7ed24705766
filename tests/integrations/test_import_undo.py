"""Undoing imports: what was made goes, what was changed is given back, what others have touched since stays."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounts.facts import Fact, record_accounts
from accounts.models import Account, AttributeChange, EndUser, Relationship, Subscription
from integrations.imports import running, undoing
from integrations.imports.storing import folder, forget_old_files, path_of
from integrations.models import Import
from integrations.sources.files import NotReadable
from tests.integrations.imported import counts, draft, ended, imported
from usage.models import Event, MessageReceipt

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, settings: Any) -> None:
    settings.DATA_DIR = tmp_path


def test_undo_gives_back_what_was_and_leaves_what_changed_since() -> None:
    now = timezone.now() - dt.timedelta(days=1)
    record_accounts([Fact(key, {"name": key.upper(), "country": "NO"}, now) for key in "abc"], source="crm")
    before = {row.external_id: (row.name, row.country, row.stamps) for row in Account.objects.all()}
    job = imported("id,name,country,Score\na,New A,SE,1\nb,New B,SE,2\nd,D,SE,3\ne,E,SE,4\n")
    record_accounts([Fact("b", {"name": "Later"}, timezone.now())], source="crm")
    record_accounts([Fact("e", {"industry": "Steel"}, timezone.now())], source="crm")
    assert undoing.outlook(job) == {"made": {"account": 2}, "changed": {"account": 2}, "why_not": ""}
    running.ask_undo(job)
    assert ended(job).state == "undone"
    after = {row.external_id: (row.name, row.country, row.stamps) for row in Account.objects.all()}
    assert after["a"] == before["a"] and after["c"] == before["c"]
    assert after["b"][:2] == ("Later", "NO") and set(after) == {"a", "b", "c", "e"}
    assert Account.objects.get(external_id="a").attributes == {}
    assert job.undo_report == {"restored": 2, "removed": 1, "changed_since": 2}
    newest = AttributeChange.objects.filter(key="name", source__startswith="undo of import").first()
    assert newest is not None and (newest.old, newest.new) == ("New A", "A")
    assert counts(imported("id,name\na,Again\n")) == (0, 1, 0, 0)


def test_undo_of_people_subscriptions_and_belonging() -> None:
    imported("id,name\na,A\n")
    people = imported("id,email\nu,u@a.example\nv,v@a.example\n", "users")
    belong = imported(
        "user,account,role,started_at\nu,a,buyer,2026-01-01\nv,b,admin,2026-01-01\n",
        "relationships",
        create_missing="1",
    )
    money = imported("id,account,plan,mrr\ns,a,Growth,10.50\n", "subscriptions")
    assert Relationship.objects.count() == 2 and Account.objects.count() == 2
    ended_one = imported("user,account,ended_at\nu,a,2030-11-01\n", "relationships", name="ends.csv")
    assert Relationship.objects.open().count() == 1
    running.ask_undo(people)
    assert ended(people).undo_report["in_use"] == 2 and EndUser.objects.count() == 2
    for job in (ended_one, belong, money):
        running.ask_undo(job)
        assert ended(job).state == "undone"
    assert not Relationship.objects.exists() and not Subscription.objects.exists()
    assert list(Account.objects.values_list("external_id", flat=True)) == ["a"]


def test_undo_of_events_lets_them_come_again() -> None:
    imported("id,name\na,A\n")
    content = "event,timestamp,account,Pages\nreport,2026-11-01T10:00:00Z,a,3\nreport,2026-11-02T10:00:00Z,a,4\n"
    job = imported(content, "events")
    assert job.created == 2 and Event.objects.get(at__day=1).properties == {"pages": 3}
    assert counts(imported(content, "events", name="copy.csv")) == (0, 0, 2, 0)
    running.ask_undo(job)
    assert ended(job).undo_report == {"removed": 2}
    assert not Event.objects.exists() and not MessageReceipt.objects.exists()
    assert counts(imported(content, "events")) == (2, 0, 0, 0)


def test_files_go_when_their_time_is_up() -> None:
    job, other = imported("id,name\na,A\n"), draft("id\nb\n")
    path = path_of(job)
    stray = folder() / "stray"
    stray.touch()
    late = timezone.now() + dt.timedelta(days=31)
    assert forget_old_files(late) == 2
    job.refresh_from_db()
    assert not path.exists() and undoing.outlook(job)["why_not"].startswith("What it changed is not kept")
    assert not Import.objects.filter(pk=other.pk).exists() and not list(folder().iterdir())
    with pytest.raises(NotReadable, match="Upload it again"):
        path_of(job)
