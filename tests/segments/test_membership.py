"""Intervals: who was in a segment from when to when, and that writing them twice changes nothing."""

from __future__ import annotations

import datetime as dt
from random import Random
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import Account
from core.clock import Moment, moment
from segments import questions
from segments.changing import Changed
from segments.models import AccountMembership, Segment
from segments.questions import preview, read_rule
from segments.refresh import refresh_due, refresh_segments
from tests import factories
from tests.drawing import draws
from tests.segments.conftest import mrr_from, names_in
from tests.segments.judging import world_in_database
from tests.segments.stays import SEGMENTS, USER_SEGMENTS
from tests.segments.storing import furnish
from tests.segments.worlds import case_of

DAY = dt.timedelta(days=1)


def at(days: int) -> Moment:
    """A moment so many days from now."""
    return moment(timezone.now() + days * DAY)


def test_an_account_that_leaves_and_comes_back_has_two_intervals(account: Any, segment: Any) -> None:
    acme, big = account("acme", mrr=900), segment("Big", mrr_from(500))
    times = [at(day) for day in range(3)]
    for now, mrr in zip(times, (900, 100, 700), strict=True):
        Account.objects.filter(pk=acme.pk).update(mrr=mrr)
        refresh_segments(now=now)
    stays = list(
        AccountMembership.objects.filter(segment=big).order_by("entered_at").values_list("entered_at", "left_at")
    )
    assert stays == [(times[0].now, times[1].now), (times[2].now, None)]


def test_a_second_refresh_changes_nothing(account: Any, segment: Any) -> None:
    account("acme", mrr=900)
    account("tiny", mrr=1)
    segment("Big", mrr_from(500))
    refresh_segments(now=at(0))
    before = list(AccountMembership.objects.values_list("pk", "entered_at", "left_at"))
    again = refresh_segments(now=at(1))
    assert (again.joined, again.left) == (0, 0)
    assert list(AccountMembership.objects.values_list("pk", "entered_at", "left_at")) == before


def test_an_interval_names_the_runs_that_opened_and_closed_it(account: Any, segment: Any) -> None:
    acme, big = account("acme", mrr=900), segment("Big", mrr_from(500))
    first = refresh_segments(now=at(0))
    Account.objects.filter(pk=acme.pk).update(mrr=None)
    second = refresh_segments(now=at(1))
    stay = AccountMembership.objects.get(segment=big)
    assert (stay.opened_by.run, stay.closed_by.run) == (first, second)


def test_an_archived_account_leaves_every_segment(account: Any, segment: Any) -> None:
    acme, everybody = account("acme"), segment("Everybody", {})
    refresh_segments(now=at(0))
    assert names_in(everybody) == {"acme"}
    Account.objects.filter(pk=acme.pk).update(archived_at=timezone.now())
    refresh_segments(now=at(1))
    assert names_in(everybody) == set()


def test_the_database_refuses_a_second_open_interval_and_one_that_ends_before_it_begins(
    account: Any, segment: Any
) -> None:
    acme, big = account("acme"), segment("Big", mrr_from(500))
    now = timezone.now()
    AccountMembership.objects.create(account=acme, segment=big, entered_at=now)
    for values in ({"entered_at": now}, {"entered_at": now, "left_at": now - DAY}):
        with pytest.raises(IntegrityError), transaction.atomic():
            AccountMembership.objects.create(account=acme, segment=big, **values)


def test_the_counts_on_the_segment_are_those_of_its_members(account: Any, segment: Any) -> None:
    for number, mrr in enumerate((100, 600, 800, None)):
        account(f"a{number}", mrr=mrr)
    big = segment("Big", mrr_from(500))
    refresh_segments(now=at(0))
    big.refresh_from_db()
    assert (big.member_count, big.contract_value) == (2, 1_400 * 12)


def test_refreshing_some_accounts_after_new_data_is_the_same_as_refreshing_all(db: None) -> None:
    furnish()
    for seed in range(draws(12)):
        case = case_of(Random(seed), rules=8, depth=4)
        with world_in_database(case.world):
            now = Moment(case.world["now"], case.world["zone"])
            made = [
                Segment.everything.create(key=f"s{i}", name=f"S{i}", rule=rule, version=1)
                for i, rule in enumerate(one for one in case.rules if "is_me" not in str(one))
            ]
            refresh_segments(now=now, segments=made)
            changed = list(Account.objects.values_list("pk", flat=True)[:3])
            Account.objects.filter(pk__in=changed).update(
                folded={}, attributes={}, mrr=5, stage=None, renews_on=now.today
            )
            # At the same moment, because the clock alone may move the accounts that did not change.
            refresh_segments(now=now, segments=made, changed=Changed.of(changed))
            some = {one.key: names_in(one) for one in made}
            counts = dict(Segment.everything.values_list("key", "member_count"))
            full = refresh_segments(now=now, segments=made)
            assert (full.joined, full.left) == (0, 0)
            assert {one.key: names_in(one) for one in made} == some
            assert all(counts[key] == len(names) for key, names in some.items())


def test_a_preview_counts_what_the_refresh_then_finds(db: None) -> None:
    furnish()
    for seed in range(40, 40 + draws(12)):
        case = case_of(Random(seed), rules=5)
        with world_in_database(case.world):
            Segment.everything.exclude(key__in=(*SEGMENTS, *USER_SEGMENTS)).delete()
            for number, rule in enumerate(one for one in case.rules if "is_me" not in str(one)):
                saved = Segment.everything.create(key=f"p{number}", name=f"P{number}", rule=rule, version=1)
                seen = preview(read_rule(rule), base=Account.objects.live(), segment=saved)
                run = refresh_segments(segments=[saved])
                saved.refresh_from_db()
                assert (seen.count, seen.joins, seen.leaves) == (saved.member_count, run.joined, run.left)
                assert seen.mrr * 12 == saved.contract_value
                again = preview(read_rule(rule), base=Account.objects.live(), segment=saved)
                assert (again.joins, again.leaves) == (0, 0)


def test_a_refresh_that_ends_during_a_preview_moves_nobody_twice(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Joiners and leavers are told from one look at the stored members."""
    factories.account(mrr=500)
    segment = factories.segment("Large", {"field": "account.mrr", "op": "at_least", "value": 100}, refreshed=False)
    right = questions.pin_effect

    def meanwhile(*args: Any) -> Any:
        refresh_due()
        return right(*args)

    monkeypatch.setattr(questions, "pin_effect", meanwhile)
    question = read_rule(segment.rule)
    found = preview(question, base=Account.objects.live(), segment=segment)
    assert (found.count, found.joins, found.leaves) == (1, 1, 0)
    found = preview(question, base=Account.objects.live(), segment=segment)
    assert (found.count, found.joins, found.leaves) == (1, 0, 0)
