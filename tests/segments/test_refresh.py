"""What a refresh leaves behind: records, trends, frozen segments, and nothing half after a failure."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from accounts.models import Account, AttributeDefinition
from core.clock import Moment, moment
from segments import refresh as refreshing
from segments.changing import Changed
from segments.editing import save_segment, set_active
from segments.models import AccountMembership, RefreshRun, Segment, SegmentRefresh
from segments.refresh import give_up_lost_runs, refresh_due, refresh_segments
from segments.trends import joined_left
from tests.segments.conftest import mrr_from, names_in

HOUR = dt.timedelta(hours=1)
UNKNOWN = {"match": "all", "rules": [{"field": "account.gone", "op": "is_set"}]}


def test_a_run_records_why_when_and_what(account: Any, segment: Any) -> None:
    account("acme", mrr=900)
    account("tiny", mrr=1)
    big = segment("Big", mrr_from(500))
    run = refresh_segments(RefreshRun.Trigger.HAND)
    assert (run.trigger, run.state, run.total, run.done, run.joined, run.left) == ("hand", "done", 1, 1, 1, 0)
    assert run.started_at <= run.finished_at
    record = run.refreshes.get()
    assert (record.segment, record.version, record.joined, record.members, record.error) == (big, 1, 1, 1, "")
    assert record.duration_ms > 0


def test_a_request_is_answered_once(segment: Any) -> None:
    big = segment("Big", mrr_from(500))
    assert big.due
    assert refresh_due() is not None
    big.refresh_from_db()
    assert not big.due
    assert big.refreshed_at is not None
    assert refresh_due() is None
    assert RefreshRun.objects.count() == 1


def test_ten_quick_saves_end_in_one_refresh(segment: Any, drain: Any) -> None:
    big = segment("Big", mrr_from(500))
    for mrr in range(1, 10):
        save_segment(big, name="Big", rule=mrr_from(mrr))
    drain()
    assert SegmentRefresh.objects.filter(segment=big).count() == 1
    assert Segment.objects.get(pk=big.pk).live_version == 10


def test_a_save_during_the_refresh_is_answered_by_another_one(
    account: Any, segment: Any, drain: Any, monkeypatch: Any
) -> None:
    account("acme", mrr=900)
    big = segment("Big", mrr_from(500))
    right, saves = refreshing.apply, iter([2_000])

    def save_meanwhile(*args: Any, **values: Any) -> Any:
        found = right(*args, **values)
        for mrr in saves:
            Segment.objects.filter(pk=big.pk).update(rule=mrr_from(mrr), version=2, requested_rev=big.requested_rev + 1)
        return found

    monkeypatch.setattr(refreshing, "apply", save_meanwhile)
    refresh_due()
    assert Segment.objects.get(pk=big.pk).due
    drain()
    assert names_in(big) == set()
    assert SegmentRefresh.objects.filter(segment=big).count() == 2


def break_by_field(broken: Segment) -> None:
    """Its rule names a field that is not there."""
    Segment.objects.filter(pk=broken.pk).update(rule=UNKNOWN)


def break_by_value(broken: Segment) -> None:
    """A stored value cannot be read as what it says it is."""
    AttributeDefinition.objects.create(subject="account", key="signed", name="Signed", kind="date")
    Account.objects.filter(external_id="acme").update(attributes={"signed": "2026-02-30"})
    rule = {"match": "all", "rules": [{"field": "account.custom.signed", "op": "is_set"}]}
    Segment.objects.filter(pk=broken.pk).update(rule=rule)


@pytest.mark.parametrize("breakage", [break_by_field, break_by_value])
def test_a_broken_segment_is_frozen_with_its_reason_and_the_others_go_on(
    account: Any, segment: Any, breakage: Any
) -> None:
    account("acme", mrr=900)
    first, broken, last = (segment(name, mrr_from(500)) for name in ("First", "Broken", "Last"))
    refresh_segments()
    breakage(broken)
    Account.objects.create(external_id="new", name="new", mrr=900)
    run = refresh_segments()
    broken.refresh_from_db()
    assert broken.frozen
    assert broken.error
    assert (names_in(broken), broken.member_count, broken.live_version) == ({"acme"}, 1, 1)
    assert names_in(first) == names_in(last) == {"acme", "new"}
    assert (run.state, run.done) == (RefreshRun.State.FAILED, 3)
    assert run.refreshes.get(segment=broken).error == broken.error


def test_a_frozen_segment_recovers_with_the_next_good_save(account: Any, segment: Any, drain: Any) -> None:
    account("acme", mrr=900)
    broken = segment("Broken", mrr_from(500))
    Segment.objects.filter(pk=broken.pk).update(rule=UNKNOWN)
    drain()
    assert Segment.objects.get(pk=broken.pk).frozen
    assert refresh_due() is None, "a frozen segment must not be tried without end"
    save_segment(broken, name="Broken", rule=mrr_from(500))
    drain()
    broken.refresh_from_db()
    assert not broken.frozen
    assert names_in(broken) == {"acme"}


def test_a_rule_that_takes_too_long_is_frozen(account: Any, segment: Any, monkeypatch: Any) -> None:
    account("acme", mrr=900)
    slow, quick = segment("Slow", mrr_from(1)), segment("Quick", mrr_from(1))
    right = refreshing._Work.matched

    def sleeping(self: Any, segment: Segment, only: Any) -> Any:
        found = right(self, segment, only)
        return found.extra(where=["pg_sleep(1) IS NOT NULL"]) if segment.pk == slow.pk else found

    monkeypatch.setattr(refreshing._Work, "matched", sleeping)
    monkeypatch.setattr(refreshing, "LIMIT_MS", 100)
    refresh_segments()
    slow.refresh_from_db()
    assert "longer than" in slow.error
    assert names_in(quick) == {"acme"}


def test_a_failure_in_the_middle_leaves_nothing_half_and_the_request_open(
    account: Any, segment: Any, drain: Any, monkeypatch: Any
) -> None:
    account("acme", mrr=900)
    big = segment("Big", mrr_from(500))

    def killed(*args: Any, **values: Any) -> None:
        raise OperationalError("the connection is lost")

    with monkeypatch.context() as patch:
        patch.setattr(refreshing._Work, "settle", killed)
        with pytest.raises(OperationalError):
            refresh_due()
    big.refresh_from_db()
    assert big.due
    assert not AccountMembership.objects.exists()
    assert not SegmentRefresh.objects.exists()
    assert RefreshRun.objects.get().state == RefreshRun.State.RUNNING
    assert give_up_lost_runs(timezone.now() + HOUR) == 1
    drain()
    assert names_in(big) == {"acme"}


def test_joins_and_leaves_of_a_changed_definition_are_marked_and_no_trend(
    account: Any, segment: Any, drain: Any
) -> None:
    for number in range(4):
        account(f"a{number}", mrr=100 * number)
    big = segment("Big", mrr_from(200))
    drain()
    assert SegmentRefresh.objects.get(segment=big).new_definition
    assert joined_left() == {}
    Account.objects.filter(external_id="a1").update(mrr=900)
    refresh_segments()
    assert joined_left() == {big.pk: (1, 0)}
    save_segment(big, name="Big", rule=mrr_from(5_000))
    drain()
    assert SegmentRefresh.objects.filter(segment=big).first().left == 3
    assert joined_left() == {big.pk: (1, 0)}
    Account.objects.filter(external_id="a3").update(mrr=9_000)
    refresh_segments()
    assert joined_left() == {big.pk: (2, 0)}


def test_switching_a_segment_off_and_on_is_no_trend(account: Any, segment: Any, drain: Any) -> None:
    account("acme", mrr=900)
    big = segment("Big", mrr_from(500))
    drain()
    for active in (False, True):
        set_active(big, active)
        drain()
    assert names_in(big) == {"acme"}
    assert joined_left() in ({}, {big.pk: (0, 0)})


def test_the_clock_alone_moves_accounts(account: Any, segment: Any) -> None:
    start = moment(dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC))
    account("acme", renews_on=dt.date(2026, 3, 31))
    rule = {
        "match": "all",
        "rules": [{"field": "account.renews_on", "op": "within_next", "value": {"n": 7, "unit": "day"}}],
    }
    soon = segment("Renews soon", rule)
    seen = []
    for day in (0, 22, 23, 30, 31):
        refresh_segments(now=Moment(start.now + dt.timedelta(days=day), start.zone))
        seen.append(names_in(soon))
    assert seen == [set(), set(), {"acme"}, {"acme"}, set()]
    stay = AccountMembership.objects.get(segment=soon)
    assert (stay.left_at - stay.entered_at) == dt.timedelta(days=8)


def test_a_run_that_was_held_up_does_not_put_an_older_answer_over_a_newer_one(account: Any, segment: Any) -> None:
    start = moment(dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC))
    account("acme", renews_on=dt.date(2026, 3, 31))
    rule = {
        "match": "all",
        "rules": [{"field": "account.renews_on", "op": "within_next", "value": {"n": 7, "unit": "day"}}],
    }
    soon = segment("Renews soon", rule)
    newer = Moment(start.now + dt.timedelta(days=25), start.zone)
    refresh_segments(now=newer)
    refresh_segments(now=start)  # began weeks ago, was frozen, and only now comes to this segment
    assert names_in(soon) == {"acme"}
    soon.refresh_from_db()
    assert soon.refreshed_at == newer.now


def test_new_data_of_some_accounts_does_not_answer_a_request_for_all(account: Any, segment: Any) -> None:
    acme = account("acme", mrr=900)
    account("other", mrr=900)
    big = segment("Big", mrr_from(500))
    refresh_segments(changed=Changed.of([acme.pk]))
    assert names_in(big) == {"acme", "other"}
    save_segment(big, name="Big", rule=mrr_from(5_000))
    refresh_segments(changed=Changed.of([acme.pk]))
    assert names_in(big) == set()
    assert not Segment.objects.get(pk=big.pk).due


def test_new_data_of_some_accounts_does_not_hold_back_the_daily_refresh(account: Any, segment: Any) -> None:
    start = timezone.now()
    acme = account("acme", mrr=900)
    other = account("other", mrr=900)
    big = segment("Big", mrr_from(500))
    refresh_segments(now=moment(start))
    Account.objects.filter(pk=other.pk).update(mrr=1)
    refresh_segments(now=moment(start + 2 * HOUR), changed=Changed.of([acme.pk]))
    assert names_in(big) == {"acme", "other"}
    refresh_segments(now=moment(start + HOUR))
    assert names_in(big) == {"acme"}
