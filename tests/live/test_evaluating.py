"""Evaluations that are killed, doubled, late or never woken: nothing is lost and nothing is done twice."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as project
from django.db import connections, transaction
from django.utils import timezone
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from accounts.facts import Fact, record_accounts
from accounts.models import Account, TouchedAccount
from accounts.touching import read_touched
from core.clock import Moment
from core.ids import Ids
from core.locks import held
from core.models import WakeUp
from core.waking import LOST_AFTER
from csbox import pipeline, tasks
from csbox.evaluating import evaluate_waiting, forget_empty_runs, is_waiting
from csbox.pipeline import refresh_everything, refresh_touched
from segments import refresh as refreshing
from segments.models import AccountMembership, RefreshRun, Segment, SegmentRefresh
from tests.live.company import all_, furnish, is_, state
from tests.live.keeping import Rows, keep, put_back
from usage.models import DailyUsage, PendingUsage
from usage.store import EventFact, PostgresStore

pytestmark = pytest.mark.usefixtures("committed")
MADE: Rows = {}  # the company, once it was made


@pytest.fixture
def company(committed: None) -> None:
    """Eight accounts, refreshed; then news about two of them."""
    if MADE:
        put_back(MADE)
    else:
        furnish()
        for name in "abcdefgh":
            Account.objects.create(external_id=name, name=name)
        refresh_everything()
        OrmQ.objects.all().delete()
        WakeUp.objects.all().delete()
        MADE.update(keep())
    send()


def send(mark: str = "") -> None:
    """Five exports and money for one account, one export for another."""
    now = timezone.now()
    exports = [EventFact(f"e{n}{mark}", "Export", now, "a", "u", {"pages": 9}) for n in range(5)]
    PostgresStore().append([*exports, EventFact(f"b{mark}", "Export", now, "b")], source="app", create_missing=True)
    record_accounts([Fact("a", {"stated_mrr": 500}, now)], source="app")


def in_a_process(work: Callable[[], None]) -> int:
    """Run something in a process of its own, on connections of its own; the signal that ended it, 0 for none."""
    connections.close_all()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            work()
        os._exit(0)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


def killed(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


POINTS = [
    (pipeline, "read_touched"), (pipeline, "refresh_metrics"), (pipeline, "decide_levels"),
    (pipeline, "refresh_segments"), (pipeline, "settle"),
]  # fmt: skip


@pytest.mark.machine
@pytest.mark.parametrize(("module", "name"), POINTS, ids=[name for _, name in POINTS])
def test_a_worker_that_is_killed_between_two_steps_loses_nothing(
    module: Any, name: str, company: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(module, name, killed)
        assert in_a_process(evaluate_waiting) == signal.SIGKILL
    assert is_waiting(), "what the killed worker had in hand is not waiting any more"
    evaluate_waiting()
    assert_done()


def test_segments_that_read_no_usage_are_not_asked_about_usage(company: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not one of the accounts either in which only events happened, where something else is new of others."""
    right, asked = refreshing.apply, {}

    def spied(segment: Segment, *args: Any, **values: Any) -> Any:
        only = values["only"]
        asked[segment.key] = (
            None if only is None else set(Account.objects.filter(pk__in=[*only]).values_list("name", flat=True))
        )
        return right(segment, *args, **values)

    monkeypatch.setattr(refreshing, "apply", spied)
    assert refresh_touched() is not None
    stored = {"pays", "plan", "admins", "half", "spoken"}
    assert {key: asked[key] for key in stored} == dict.fromkeys(stored, {"a"})
    assert asked["busy"] == asked["follows"] == asked["level"] == {"a", "b"}
    asked.clear()
    now = timezone.now()
    PostgresStore().append([EventFact("more", "Export", now, "b", "u")], source="app")
    assert refresh_touched() is not None
    assert not stored & set(asked) and "b" in asked["busy"]
    asked.clear()
    record_accounts([Fact("b", {"stated_mrr": 900}, now)], source="app")
    assert refresh_touched() is not None
    assert asked["pays"] == {"b"} and Segment.objects.get(key="pays").member_count == 2


def test_a_worker_that_is_killed_between_two_segments_loses_nothing(
    company: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, seen = refreshing.apply, []

    def third_time(*args: Any, **values: Any) -> Any:
        seen.append(1)
        return killed() if len(seen) == 3 else right(*args, **values)

    with monkeypatch.context() as patched:
        patched.setattr(refreshing, "apply", third_time)
        assert in_a_process(evaluate_waiting) == signal.SIGKILL
    half = AccountMembership.objects.count()
    evaluate_waiting()
    assert AccountMembership.objects.count() > half
    assert_done()


def assert_done(of_a: int = 5, of_b: int = 1) -> None:
    """Everything was evaluated: the state is that of a full refresh, every stay has been opened once."""
    while is_waiting():
        evaluate_waiting()
    assert not PendingUsage.objects.exists() and not TouchedAccount.objects.exists()
    assert sorted(DailyUsage.objects.values_list("account__external_id", "count")) == [("a", of_a), ("b", of_b)]
    found = state()
    stays = AccountMembership.objects.count()
    refresh_everything()
    assert state() == found
    assert AccountMembership.objects.count() == stays
    assert ("busy", "a") in found["members"] and ("busy", "b") not in found["members"]


def test_the_lock_of_a_killed_worker_is_free_at_once(company: None) -> None:
    def die() -> None:
        with held("evaluation") as mine:
            assert mine
            killed()

    assert in_a_process(die) == signal.SIGKILL
    with held("evaluation") as mine:
        assert mine


def test_two_workers_at_once_do_it_once(company: None, at_once: Callable[..., list[Any]]) -> None:
    assert at_once(*[evaluate_waiting] * 4) == [None] * 4
    assert_done()
    moved = RefreshRun.objects.filter(trigger=RefreshRun.Trigger.DATA, joined__gt=0)
    joined = SegmentRefresh.objects.filter(run__in=moved).values_list("segment", "joined")
    assert len({segment for segment, _ in joined}) == len(joined), "a segment was joined in two runs"


def test_what_is_committed_while_an_evaluation_runs_waits_for_the_next_one(
    company: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = pipeline.settle

    def meanwhile(touched: Any) -> None:
        record_accounts([Fact("c", {"stated_mrr": 900}, timezone.now())], source="app")
        right(touched)

    with monkeypatch.context() as patched:
        patched.setattr(pipeline, "settle", meanwhile)
        evaluate_waiting()
    assert Account.objects.get(external_id="c").pk in read_touched().accounts
    assert OrmQ.objects.exists(), "nobody was told that more has come"
    assert_done()
    assert AccountMembership.objects.filter(segment__key="pays", account__external_id="c").exists()


def test_a_mark_that_is_committed_late_is_not_taken_away_by_an_earlier_evaluation(company: None) -> None:
    """The writer began first and commits last: its mark has a lower number than those that are settled."""
    started, go = threading.Event(), threading.Event()

    def slow() -> None:
        try:
            with transaction.atomic():
                record_accounts([Fact("c", {"stated_mrr": 900}, timezone.now())], source="app")
                started.set()
                go.wait(30)
        finally:
            connections.close_all()

    writer = threading.Thread(target=slow)
    writer.start()
    started.wait(30)
    send("again")
    evaluate_waiting()
    go.set()
    writer.join(30)
    assert read_touched().accounts == {Account.objects.get(external_id="c").pk}
    evaluate_waiting()
    assert AccountMembership.objects.filter(segment__key="pays", account__external_id="c").exists()


def wake_ups() -> int:
    return sum(SignedPackage.loads(row.payload)["func"] == project.EVALUATION for row in OrmQ.objects.all())


class TestWakeUps:
    def test_many_writers_send_one_until_it_is_answered(self, company: None) -> None:
        for number in range(20):
            send(str(number))
        assert wake_ups() == 1
        while is_waiting() or WakeUp.objects.exists():
            evaluate_waiting()
        OrmQ.objects.all().delete()
        send("later")
        assert wake_ups() == 1

    def test_a_write_that_is_rolled_back_sends_none(self, company: None) -> None:
        evaluate_waiting()
        OrmQ.objects.all().delete()
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            send("undone")
            raise ZeroDivisionError
        assert wake_ups() == 0

    def test_one_that_is_lost_is_sent_again_and_the_tick_finds_what_it_left(self, company: None) -> None:
        OrmQ.objects.all().delete()
        send("too soon")
        assert wake_ups() == 0
        WakeUp.objects.update(at=timezone.now() - LOST_AFTER * 2)
        send("later")
        assert wake_ups() == 1
        OrmQ.objects.all().delete()
        tasks.tick()
        assert wake_ups() == 1

    def test_one_that_comes_while_another_works_or_for_nothing_does_no_harm(self, company: None) -> None:
        with held("evaluation"):
            evaluate_waiting()
        assert is_waiting()
        evaluate_waiting()
        evaluate_waiting()  # what the first one found on its way rings once more
        runs = RefreshRun.objects.count()
        evaluate_waiting()
        assert RefreshRun.objects.count() == runs
        assert not WakeUp.objects.exists()


class TestRuns:
    def test_a_run_says_that_new_data_caused_it_and_keeps_only_segments_that_moved(self, company: None) -> None:
        run = refresh_touched()
        assert run is not None
        assert (run.trigger, run.state, run.total) == (RefreshRun.Trigger.DATA, RefreshRun.State.DONE, run.done)
        assert run.joined > 0
        assert all(one.joined or one.left for one in run.refreshes.all())

    def test_with_news_about_many_of_all_accounts_everybody_is_looked_at(
        self, company: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pipeline, "FEW", 0)
        monkeypatch.setattr(pipeline, "SHARE", 10)  # a tenth is many
        run = refresh_touched()
        assert run is not None and run.accounts is None
        send("more")
        monkeypatch.setattr(pipeline, "FEW", 100)
        run = refresh_touched()
        assert run is not None and run.accounts == 2
        assert_done(10, 2)

    def test_with_news_about_a_good_many_segments_look_at_everybody_and_the_other_steps_at_those(
        self, company: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pipeline, "FEW", 0)
        monkeypatch.setattr(pipeline, "SEGMENTS_SHARE", 10)  # a tenth is a good many
        monkeypatch.setattr(pipeline, "SHARE", 0)
        measured: list[Ids | None] = []
        right = pipeline.refresh_metrics

        def noted(now: Moment, accounts: Ids | None) -> set[int]:
            measured.append(accounts)
            return right(now, accounts)

        monkeypatch.setattr(pipeline, "refresh_metrics", noted)
        before = set(Segment.everything.values_list("key", "refreshed_at"))
        run = refresh_touched()
        assert run is not None and run.accounts is None and run.joined > 0
        assert [len(accounts or ()) for accounts in measured] == [2]
        # Of the others the figures are still those of the last refresh, which may be on its way: it is not outdone.
        assert set(Segment.everything.values_list("key", "refreshed_at")) == before
        assert_done()

    def test_runs_that_moved_nobody_are_forgotten(self, company: None) -> None:
        refresh_touched()
        for number in range(3):
            record_accounts([Fact("c", {"industry": f"x{number}"}, timezone.now())], source="app")
            refresh_touched()
        data = RefreshRun.objects.filter(trigger=RefreshRun.Trigger.DATA)
        empty = data.filter(joined=0, left=0)
        assert data.count() == 8 and empty.count() >= 6  # each time one before health and one after it
        kept = {run.pk for run in data.exclude(joined=0, left=0)} | {empty.order_by("-pk")[0].pk}
        forget_empty_runs(timezone.now())
        assert {run.pk for run in data.all()} == kept  # those that moved accounts, and the newest

    def test_a_frozen_segment_is_not_tried_with_each_new_event(self, company: None) -> None:
        Segment.everything.filter(key="plan").update(error="broken", rule=all_(is_("account.custom.gone", "is", "x")))
        run = refresh_touched()
        assert run is not None and run.state == RefreshRun.State.DONE
        refresh_everything()
        assert "Problem" not in Segment.everything.get(key="plan").error != "broken"

    def test_a_run_that_was_held_up_past_a_full_refresh_leaves_its_segments_alone(self, company: None) -> None:
        late = RefreshRun.objects.count()
        before = timezone.now()
        refresh_everything()
        found = state()
        pipeline.refresh_accounts([Account.objects.get(external_id="a").pk], pipeline.moment(before))
        assert state()["members"] == found["members"]
        assert RefreshRun.objects.count() == late + 4  # two each, before and after health
