"""Refreshes at the same time, on connections of their own, and refreshes whose connection is cut."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, connection, connections

from accounts.models import Account
from segments import refresh as refreshing
from segments.editing import save_segment
from segments.models import AccountMembership, RefreshRun, Segment, SegmentRefresh
from segments.refresh import refresh_due, refresh_segments
from tests.segments.conftest import mrr_from, names_in

pytestmark = pytest.mark.usefixtures("committed_segments")


def together(*works: Callable[[], Any]) -> list[BaseException]:
    """Run each in a thread with its own connection; the exceptions that came out."""
    raised: list[BaseException] = []

    def run(work: Callable[[], Any]) -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    return raised


@pytest.fixture
def big(committed_segments: None) -> Segment:
    """A segment over fifty accounts, thirty of which are in."""
    Account.objects.bulk_create([Account(external_id=f"a{n}", name=f"a{n}", mrr=n * 10) for n in range(50)])
    return save_segment(None, name="Big", rule=mrr_from(200))


def test_two_refreshes_of_one_segment_do_not_interleave(big: Segment, monkeypatch: pytest.MonkeyPatch) -> None:
    right, inside, most = refreshing.apply, [0], [0]
    guard = threading.Lock()

    def slowly(*args: Any, **values: Any) -> Any:
        with guard:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        time.sleep(0.05)
        found = right(*args, **values)
        with guard:
            inside[0] -= 1
        return found

    monkeypatch.setattr(refreshing, "apply", slowly)
    assert together(*[refresh_segments] * 6) == []
    assert most[0] == 1
    assert len(names_in(big)) == 30
    assert AccountMembership.objects.count() == 30
    # One run did the work; those behind it found nothing to do, or a later moment answered already.
    joined = sorted(SegmentRefresh.objects.values_list("joined", flat=True))
    assert joined == [0] * (len(joined) - 1) + [30]


def test_two_workers_answer_one_request_once(big: Segment) -> None:
    assert together(*[refresh_due] * 4) == []
    assert SegmentRefresh.objects.count() == 1
    assert RefreshRun.objects.count() == 1
    assert not Segment.objects.get(pk=big.pk).due


def test_ten_quick_saves_beside_a_working_worker_end_in_two_refreshes_and_the_newest_rule(big: Segment) -> None:
    done, poll, took = threading.Event(), settings.Q_CLUSTER["poll"], [0.0]

    def save() -> None:
        began = time.monotonic()
        for number in range(1, 11):
            save_segment(Segment.objects.get(pk=big.pk), name="Big", rule=mrr_from(number * 10))
        took[0] = time.monotonic() - began
        done.set()

    def work() -> None:
        while not done.is_set():
            time.sleep(poll)  # as the queue does between two looks
            refresh_due()
        refresh_due()

    assert together(save, work) == []
    last = Segment.objects.get(pk=big.pk)
    assert (last.rule, last.live_version, last.due) == (mrr_from(100), 11, False)
    assert len(names_in(big)) == 40
    # One or two; more only where a slow machine did not save quickly, but over several looks of the queue.
    assert SegmentRefresh.objects.count() <= 2 + int(took[0] / poll)


def test_saves_from_many_people_at_once_lose_no_version(big: Segment) -> None:
    works = [
        lambda n=n: save_segment(Segment.objects.get(pk=big.pk), name="Big", rule=mrr_from(n))
        for n in (300, 310, 320, 330)
    ]
    assert together(*works) == []
    assert sorted(big.versions.values_list("number", flat=True)) == [1, 2, 3, 4, 5]
    assert Segment.objects.get(pk=big.pk).version == 5


def test_a_connection_that_is_cut_leaves_the_request_open_and_nothing_half(
    big: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    Segment.objects.filter(pk=big.pk).update(live_rev=big.requested_rev)
    refresh_segments()
    Account.objects.filter(external_id="a49").update(mrr=0)
    Segment.objects.filter(pk=big.pk).update(requested_rev=big.requested_rev + 1)
    right, found = refreshing._Work.settle, []

    def cut(self: Any, *args: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        found.append(right(self, *args))

    with monkeypatch.context() as patch:
        patch.setattr(refreshing._Work, "settle", cut)
        (error,) = together(refresh_due)
    assert isinstance(error, OperationalError)
    assert found == []
    current = Segment.objects.get(pk=big.pk)
    assert current.due
    assert (len(names_in(big)), current.error, current.member_count) == (30, "", 30)
    refresh_due()
    assert len(names_in(big)) == 29
    assert AccountMembership.objects.filter(left_at__isnull=False).count() == 1


def test_a_reader_sees_the_old_members_or_the_new_and_never_a_part(big: Segment) -> None:
    refresh_due()
    seen: set[tuple[int, int]] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT s.member_count, (SELECT count(*) FROM segments_accountmembership m"
                    " WHERE m.segment_id = s.id AND m.left_at IS NULL) FROM segments_segment s WHERE s.id = %s",
                    [big.pk],
                )
                seen.add(cursor.fetchone())

    def write() -> None:
        try:
            for number in range(20):
                Account.objects.filter(external_id__startswith="a1").update(mrr=1_000 if number % 2 else 0)
                refresh_segments()
        finally:
            done.set()

    assert together(read, write) == []
    assert len(seen) > 1
    assert all(count == members for count, members in seen)
