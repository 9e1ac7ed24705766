"""Refreshing: a request is a number in the segment's row, the work is one transaction a segment.

A request (`requested_rev`) is committed with what caused it; whoever comes by answers it. The segment's lock is held
and its row read again inside the transaction, so two refreshes cannot interleave, ten quick requests end in one or two
refreshes, and a worker that was held up can never overwrite a newer answer with an older one. A segment that cannot be
run is frozen with its last good members and says why; the others go on.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import DatabaseError, OperationalError, transaction
from django.db.models import Count, F, QuerySet, Sum
from django.utils import timezone

from accounts.models import Account
from core.clock import Moment, moment
from core.jobs import enqueue
from core.locks import xact_lock
from segments.holding.holds import Holds
from segments.membership import Difference, apply
from segments.models import AccountMembership, RefreshRun, Segment, SegmentRefresh
from segments.ordering import in_order, with_dependents
from segments.questions import PreviewTooSlow, Reader, bounded
from segments.rules.tree import RuleError

log = logging.getLogger(__name__)
LIMIT_MS = 60_000
PASSING = ("08", "40", "53", "57")  # connection lost, deadlock, disk or memory full, server going down
Trigger = RefreshRun.Trigger


def request_refresh(segments: Iterable[Segment], trigger: str = Trigger.SAVE) -> None:
    """Ask for these segments, and all that depend on them, to be refreshed soon after the caller's commit."""
    chosen = with_dependents({segment.key for segment in segments}, Segment.everything.all())
    ids = sorted(segment.pk for segment in chosen)
    Segment.everything.filter(pk__in=ids).update(requested_rev=F("requested_rev") + 1)
    enqueue("segments.tasks.refresh_due", str(trigger))


def refresh_due(trigger: str = Trigger.SAVE, now: Moment | None = None) -> RefreshRun | None:
    """Answer every open request, in the order of dependence; None if there was nothing to do."""
    everything = in_order(Segment.everything.all())
    due = [segment for segment in everything if segment.due]
    if not due:
        return None
    run = _run(due, trigger, now or moment(), only_due=True, accounts=None)
    if not run.refreshes.exists():  # somebody else was quicker with all of them
        run.delete()
        return None
    return run


def refresh_segments(
    trigger: str = Trigger.DAILY,
    now: Moment | None = None,
    *,
    segments: Iterable[Segment] | None = None,
    accounts: Sequence[int] | None = None,
) -> RefreshRun:
    """Refresh all segments (or the given ones), for every account or only for those whose ids are given."""
    chosen = in_order(Segment.everything.all() if segments is None else segments)
    return _run(chosen, trigger, now or moment(), only_due=False, accounts=accounts)


def _run(
    segments: list[Segment], trigger: str, now: Moment, *, only_due: bool, accounts: Sequence[int] | None
) -> RefreshRun:
    run = RefreshRun.objects.create(trigger=trigger, now=now.now, total=len(segments))
    reader = Reader.now(now)
    work = _Work(run, now, only_due, accounts, reader, Holds.now(reader.vocabulary))
    failed = False
    for segment in segments:
        done = work.refresh(segment.pk)
        failed |= done is not None and bool(done.error)
        joined, left = (done.joined, done.left) if done else (0, 0)
        RefreshRun.objects.filter(pk=run.pk).update(
            done=F("done") + 1, joined=F("joined") + joined, left=F("left") + left
        )
    state = RefreshRun.State.FAILED if failed else RefreshRun.State.DONE
    RefreshRun.objects.filter(pk=run.pk).update(state=state, finished_at=timezone.now())
    run.refresh_from_db()
    return run


@dataclass
class _Work:
    """One run: its moment, and what rules are read against."""

    run: RefreshRun
    now: Moment
    only_due: bool
    accounts: Sequence[int] | None
    reader: Reader
    holds: Holds

    def refresh(self, pk: int) -> SegmentRefresh | None:
        """One segment in one transaction; None if it is gone, or if its request was answered meanwhile."""
        started = time.perf_counter()
        with transaction.atomic():
            xact_lock("segment", pk)
            segment = Segment.everything.filter(pk=pk).first()
            if segment is None or (self.only_due and not segment.due) or self.comes_late(segment):
                return None
            accounts = self.narrowed(segment)
            held = self.held(segment)
            if held and self.accounts is not None:  # once a day is enough for the record
                self.wait(segment, held)
                return None
            done = SegmentRefresh.objects.create(
                run=self.run,
                segment=segment,
                version=segment.version,
                new_definition=segment.live_version != segment.version,
            )
            if held:
                done.held, done.members = held, segment.member_count
                self.wait(segment, held)
            else:
                self.evaluate(segment, done, accounts)
            done.duration_ms = (time.perf_counter() - started) * 1000
            done.save()
        return done

    def evaluate(self, segment: Segment, done: SegmentRefresh, accounts: Sequence[int] | None) -> None:
        """Run the rule and record the answer, or why there is none."""
        try:
            difference = self.difference(segment, done, accounts)
        except (RuleError, PreviewTooSlow, DatabaseError) as error:
            self.freeze(segment, done, error)
        else:
            self.settle(segment, done, difference, accounts)

    def held(self, segment: Segment) -> str:
        """Why the members stay as they are; empty if the rule is evaluated, as it always is when a person asks."""
        by_person = self.run.trigger in (Trigger.SAVE, Trigger.HAND) or segment.live_version != segment.version
        if by_person or not segment.active or not self.holds.silences.open:
            return ""
        try:
            return self.holds.reason(self.reader.read(segment.rule).rule)
        except RuleError:
            return ""  # evaluating it says what is wrong

    def wait(self, segment: Segment, held: str) -> None:
        """Leave the members; a request that the program made is answered with that, a person's stays open."""
        answered = {"live_rev": segment.requested_rev} if self.only_due else {}
        Segment.everything.filter(pk=segment.pk).update(held=held, **answered)
        RefreshRun.objects.filter(pk=self.run.pk).update(held=F("held") + 1)

    def comes_late(self, segment: Segment) -> bool:
        """Whether a later moment has been answered for every account while this run was held up."""
        newer = segment.refreshed_at is not None and segment.refreshed_at > self.now.now
        return newer and self.accounts is None and not segment.due

    def narrowed(self, segment: Segment) -> Sequence[int] | None:
        """The accounts to look at: all of them if the stored members do not answer the present rule."""
        stale = segment.due or segment.frozen or segment.live_version != segment.version
        return None if stale else self.accounts

    def difference(self, segment: Segment, done: SegmentRefresh, accounts: Sequence[int] | None) -> Difference:
        """Run the rule; whatever fails is rolled back to here, so that the freeze can be recorded."""
        with bounded(LIMIT_MS):
            return apply(segment, self.matched(segment), refresh=done, now=self.now, accounts=accounts)

    def matched(self, segment: Segment) -> QuerySet[Account]:
        """The accounts of a segment; nobody if it is switched off."""
        if not segment.active or segment.subject != Segment.Subject.ACCOUNT:
            return Account.objects.none()
        try:
            return self.reader.read(segment.rule).accounts()
        except RuleError:
            # The rule may name an attribute or a segment that is newer than what this run has read.
            self.reader = Reader.now(self.now)
            return self.reader.read(segment.rule).accounts()

    def freeze(self, segment: Segment, done: SegmentRefresh, error: Exception) -> None:
        """Keep the last good members and say why; the next daily refresh, or a save, tries again."""
        state = getattr(error.__cause__, "sqlstate", None) or ""
        if isinstance(error, OperationalError) and (not state or state[:2] in PASSING):
            raise error  # nothing is wrong with the rule: the segment stays due and comes again
        slow = isinstance(error, PreviewTooSlow)
        reason = f"The rule took longer than {LIMIT_MS // 1000} s." if slow else str(error).splitlines()[0]
        log.warning("segment frozen", extra={"segment": segment.key, "reason": reason})
        done.error = reason
        done.members = segment.member_count
        Segment.everything.filter(pk=segment.pk).update(error=reason, live_rev=segment.requested_rev)

    def settle(
        self, segment: Segment, done: SegmentRefresh, difference: Difference, accounts: Sequence[int] | None
    ) -> None:
        """Record the answer with the version and the request that it answers, and the moment if all were looked at."""
        members, mrr = difference.matched, difference.mrr
        if accounts is not None:  # only some were looked at
            stored = AccountMembership.objects.filter(segment=segment, left_at__isnull=True)
            sums = stored.aggregate(members=Count("pk"), mrr=Sum("account__mrr"))
            members, mrr = sums["members"], sums["mrr"] or Decimal(0)
        done.joined, done.left, done.members = difference.joined, difference.left, members
        Segment.everything.filter(pk=segment.pk).update(
            error="",
            held="",
            live_rev=segment.requested_rev,
            live_version=segment.version,
            refreshed_at=self.now.now if accounts is None else segment.refreshed_at,
            member_count=members,
            contract_value=mrr * 12,
        )


def give_up_lost_runs(before: dt.datetime) -> int:
    """Mark runs that a killed worker left behind; their segments are still due and come again."""
    lost = RefreshRun.objects.filter(state=RefreshRun.State.RUNNING, started_at__lt=before)
    return lost.update(state=RefreshRun.State.FAILED, finished_at=timezone.now())
