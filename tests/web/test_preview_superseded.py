"""The builder's preview: a newer one ends the older one, and what takes too long says so."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections, transaction
from django.test import Client

from accounts.models import Account
from segments import questions
from segments.limits import PreviewTooSlow, bounded
from segments.questions import preview, read_rule
from tests import factories
from tests.committing import committed

__all__ = ["committed"]
FORM = {"root": "n", "n.match": "all", "n.0.field": "account.mrr", "n.0.op": "at_least", "n.0.value": "5"}
WINDOW = "0123456789ab"


class Asking(threading.Thread):
    """A preview asked for by a browser, with the number of its asking."""

    def __init__(self, user: User, **fields: str) -> None:
        super().__init__(daemon=True)
        self.user, self.fields = user, fields
        self.answer: Any = None
        self.start()

    def run(self) -> None:
        """Send the form."""
        try:
            client = Client()
            client.force_login(self.user)
            self.answer = client.post("/segments/preview/", FORM | self.fields)
        finally:
            connections.close_all()


def wait_for_waiting(number: int) -> None:
    """Until so many previews wait for the table."""
    with connection.cursor() as cursor:
        for _ in range(500):
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE starts_with(application_name, 'csbox:preview.')"
                " AND wait_event_type = 'Lock' AND datname = current_database()"
            )
            if cursor.fetchone()[0] == number:
                return
            time.sleep(0.01)
    raise AssertionError(f"never {number} previews at once")


@pytest.mark.usefixtures("committed")
def test_a_newer_preview_of_the_same_window_cancels_the_older_one_on_the_server() -> None:
    user = User.objects.create_superuser("root-of-previews")
    try:
        factories.account("One", mrr=10)
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("LOCK TABLE accounts_account IN ACCESS EXCLUSIVE MODE")
            first = Asking(user, **{"preview-window": WINDOW, "preview-asked": "1"})
            other = Asking(user, **{"preview-window": "ba9876543210", "preview-asked": "1"})
            wait_for_waiting(2)
            second = Asking(user, **{"preview-window": WINDOW, "preview-asked": "2"})
            first.join(5)
            assert first.answer.status_code == 204
            wait_for_waiting(2)
        for one in (second, other):
            one.join(5)
            assert one.answer.status_code == 200 and b"pv-count" in one.answer.content
    finally:
        user.delete()


@pytest.mark.usefixtures("committed")
def test_a_preview_that_takes_too_long_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "PREVIEW_LIMIT_MS", 100)
    user = User.objects.create_superuser("root-of-previews")
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("LOCK TABLE accounts_account IN ACCESS EXCLUSIVE MODE")
            asking = Asking(user, **{"preview-window": WINDOW, "preview-asked": "1"})
            asking.join(5)
        assert asking.answer.status_code == 200
        assert "Saving works; the count comes with the refresh." in asking.answer.content.decode()
    finally:
        user.delete()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "fields", [{"preview-window": "x' OR 1", "preview-asked": "1"}, {"preview-window": WINDOW}, {}]
)
def test_a_preview_without_a_window_is_counted_all_the_same(client: Client, fields: dict[str, str]) -> None:
    client.force_login(User.objects.create_superuser("root-of-previews"))
    answer = client.post("/segments/preview/", FORM | fields)
    assert answer.status_code == 200 and b"pv-count" in answer.content


@pytest.mark.django_db
def test_what_there_is_no_time_for_is_left_out_of_the_single_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    factories.account("One", mrr=10)
    factories.relationship(factories.account("Two", mrr=1), factories.end_user(title="Buyer"))
    buyer = {"field": "user.title", "op": "is", "value": "Buyer"}
    rule = factories.rule({"field": "account.mrr", "op": "at_least", "value": 5}, buyer, match="any")
    seen = preview(read_rule(rule), base=Account.objects.live())
    assert (seen.count, seen.alone, seen.uncounted) == (2, {"/rules/0": 1, "/rules/1": 1}, ())
    monkeypatch.setattr("segments.alone.ALONE_LIMIT_MS", 0)
    seen = preview(read_rule(rule), base=Account.objects.live())
    assert (seen.count, seen.alone, seen.uncounted) == (2, {"/rules/0": 1}, ("/rules/1",))


@pytest.mark.django_db
def test_a_limit_inside_another_gives_the_outer_one_back() -> None:
    def limit() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            return str(cursor.fetchone()[0])

    usual = limit()
    with bounded(5_000):
        with bounded(300):
            assert limit() == "300ms"
        assert limit() == "5s"
        with pytest.raises(PreviewTooSlow), bounded(50), connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(1)")
        assert limit() == "5s"
    assert limit() == usual
