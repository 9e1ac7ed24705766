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
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any

from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import Case, F, PositiveIntegerField, QuerySet, Value, When
from django.utils import timezone

from accounts.fields import Subject
from accounts.fields.uses import follow_fields_with, texts_in
from accounts.models import Account
from core.clock import Moment, moment
from core.ids import Ids, OneOf
from core.jobs import enqueue
from core.locks import xact_lock
from segments.changing import Changed
from segments.holding.holds import Holds
from segments.limits import PreviewTooSlow, bounded
from segments.membership import Difference, apply
from segments.models import RefreshRun, Segment, SegmentRefresh
from segments.ordering import in_order, with_dependents
from segments.questions import Reader
from segments.rules.tree import RuleError
from segments.stages import reads_only_stored
from segments.subjects import members_of, subject_of
from segments.uses import tell_of_moves

log = logging.getLogger(__name__)
LIMIT_MS = 60_000
PASSING = ("08", "40", "53", "57")  # connection lost, deadlock, disk or memory full, server going down
Trigger = RefreshRun.Trigger


def request_refresh(segments: Iterable[Segment], trigger: str = Trigger.SAVE, *, redefined: bool = False) -> None:
    """Ask for these segments, and all that depend on them, to be refreshed soon after the caller's commit.

    `redefined`: what they read means something else from now on. Who joins or leaves any of them in the refresh that
    answers, whichever it is, does so by that definition and not by the customers' doing.
    """
    chosen = with_dependents({segment.key for segment in segments}, Segment.everything.all())
    _ask_for([segment.pk for segment in chosen], trigger, redefined=redefined)


def _ask_for(ids: Iterable[int], trigger: str, *, redefined: bool) -> None:
    answered = {"live_version": 0} if redefined else {}  # the stored members answer no definition any more
    Segment.everything.filter(pk__in=sorted(ids)).update(requested_rev=F("requested_rev") + 1, **answered)
    enqueue("segments.tasks.refresh_due", str(trigger))


@follow_fields_with
def refresh_readers(keys: Collection[str], redefined: bool) -> None:
    """Ask for the segments whose rules name one of these fields."""
    readers = [one for one in Segment.everything.all() if texts_in(one.rule) & set(keys)]
    if readers:
        request_refresh(readers, redefined=redefined)


def refresh_due(trigger: str = Trigger.SAVE, now: Moment | None = None) -> RefreshRun | None:
    """Answer every open request, in the order of dependence; None if there was nothing to do."""
    everything = in_order(Segment.everything.all())
    due = [segment for segment in everything if segment.due]
    if not due:
        return None
    run = _run(due, trigger, now or moment(), only_due=True, changed=None)
    if not run.refreshes.exists():  # somebody else was quicker with all of them
        run.delete()
        return None
    return run


def refresh_segments(
    trigger: str = Trigger.DAILY,
    now: Moment | None = None,
    *,
    segments: Iterable[Segment] | None = None,
    changed: Changed | None = None,
    told: Ids | None = None,
) -> RefreshRun:
    """Refresh all segments (or the given ones), for everybody or only for those of whom something changed. Who joins or
    leaves on the way is added to `changed`. Where nothing but usage is new of all accounts but those `told`, segments
    that read only what is stored of an account look at these alone."""
    chosen = in_order(Segment.everything.all() if segments is None else segments)
    return _run(chosen, trigger, now or moment(), only_due=False, changed=changed, told=told)


def _run(
    segments: list[Segment],
    trigger: str,
    now: Moment,
    *,
    only_due: bool,
    changed: Changed | None,
    told: Ids | None = None,
) -> RefreshRun:
    looked_at = None if changed is None or changed.everybody else len(changed.accounts)
    run = RefreshRun.objects.create(trigger=trigger, now=now.now, total=len(segments), accounts=looked_at)
    reader = Reader.now(now)
    holds = Holds.now(reader.vocabulary)
    work = _Work(run, now, only_due, changed, reader, holds, told, _changed_since_last(changed))
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
    changed: Changed | None
    reader: Reader
    holds: Holds
    told: Ids | None = None  # the accounts of which more than usage is new; None: perhaps all
    money: bool = True  # whether an account may pay something else than when it was last looked at

    @property
    def by_sight(self) -> bool:
        """Whether everybody is looked at because of some."""
        return self.changed is not None and self.changed.everybody

    def refresh(self, pk: int) -> SegmentRefresh | None:
        """One segment in one transaction; None if it is gone, or if its request was answered meanwhile."""
        started = time.perf_counter()
        with transaction.atomic():
            xact_lock("segment", pk)
            segment = Segment.everything.filter(pk=pk).first()
            if segment is None or (self.only_due and not segment.due) or self.comes_late(segment):
                return None
            only = self.narrowed(segment)
            if only is not None and not only:
                return None
            if self.run.trigger == Trigger.DATA and segment.frozen and not segment.due:
                return None  # what cannot be run is tried with the next daily refresh, not with each new event
            held = self.held(segment)
            if held and self.changed is not None:  # once a day is enough for the record
                self.wait(segment, held)
                return None
            done = SegmentRefresh(
                pk=_next_number(),
                run=self.run,
                segment=segment,
                version=segment.version,
                new_definition=segment.live_version != segment.version,
            )
            if held:
                done.held, done.members = held, segment.member_count
                self.wait(segment, held)
            else:
                self.evaluate(segment, done, only)
            done.duration_ms = (time.perf_counter() - started) * 1000
            # Members refer to it already; the database looks at that when the transaction ends. A look at a few
            # accounts that moved nobody would fill the table for nothing.
            if only is None or done.joined or done.left or done.error:
                done.save(force_insert=True)
        return done

    def evaluate(self, segment: Segment, done: SegmentRefresh, only: Ids | None) -> None:
        """Run the rule and record the answer, or why there is none."""
        try:
            difference = self.difference(segment, done, only)
        except (RuleError, PreviewTooSlow, DatabaseError) as error:
            self.freeze(segment, done, error)
        else:
            self.settle(segment, done, difference, only)

    def held(self, segment: Segment) -> str:
        """Why the members stay as they are; empty if the rule is evaluated, as it always is when a person asks."""
        by_person = self.run.trigger in (Trigger.SAVE, Trigger.HAND) or segment.live_version != segment.version
        if by_person or not segment.active or not self.holds.silences.open:
            return ""
        try:
            return self.holds.reason(self.reader.read(segment.rule, subject=segment.subject).rule)
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
        return newer and not segment.due

    def narrowed(self, segment: Segment) -> Ids | None:
        """The members to look at: all of them if the stored ones do not answer the present rule."""
        if _is_stale(segment):
            return None
        if self.told is not None and reads_only_stored(segment, self.reader.vocabulary):
            return self.told
        if self.changed is None or self.changed.everybody:
            return None
        return self.changed.ids(subject_of(segment))

    def difference(self, segment: Segment, done: SegmentRefresh, only: Ids | None) -> Difference:
        """Run the rule; whatever fails is rolled back to here, so that the freeze can be recorded."""
        with bounded(LIMIT_MS):
            told = only is not None or self.by_sight
            return apply(segment, self.matched(segment, only), refresh=done, now=self.now, only=only, told=told)

    def matched(self, segment: Segment, only: Ids | None) -> QuerySet[Any]:
        """The rows that match the rule of a segment; none if it is switched off."""
        if not segment.active:
            return members_of(segment).live().none()
        accounts = self.asked_about(segment, only)
        try:
            return replace(self.reader, accounts=accounts).read(segment.rule, subject=segment.subject).matching()
        except RuleError:
            # The rule may name an attribute or a segment that is newer than what this run has read.
            self.reader = Reader.now(self.now)
            return replace(self.reader, accounts=accounts).read(segment.rule, subject=segment.subject).matching()

    def asked_about(self, segment: Segment, only: Ids | None) -> Ids | None:
        """The accounts that the rule need look at: those to look at, or all those of the users to look at."""
        if only is None or self.changed is None or subject_of(segment) is Subject.ACCOUNT:
            return only
        return self.changed.places()

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

    def settle(self, segment: Segment, done: SegmentRefresh, difference: Difference, only: Ids | None) -> None:
        """Record the answer with the version and the request that it answers, and the moment if all were looked at."""
        # Of those who were only looked at with the others, the figures are of an earlier moment.
        whole = only is None and (not self.by_sight or _is_stale(segment))
        members, value = difference.matched, difference.mrr * 12
        if only is not None and not (difference.joined or difference.left or self.money):
            members, value = segment.member_count, segment.contract_value
        elif only is not None:  # only some were looked at
            members, mrr = members_of(segment).totals(segment)
            value = mrr * 12
        if self.changed is not None:
            self.changed.follow(subject_of(segment), difference.moved)
        done.joined, done.left, done.members = difference.joined, difference.left, members
        Segment.everything.filter(pk=segment.pk).update(
            error="",
            held="",
            live_rev=segment.requested_rev,
            # Whoever asked meanwhile may have said that what is read means something else: that is not answered yet.
            live_version=Case(
                When(requested_rev=segment.requested_rev, then=Value(segment.version)),
                default=F("live_version"),
                output_field=PositiveIntegerField(),
            ),
            refreshed_at=self.now.now if whole else segment.refreshed_at,
            member_count=members,
            contract_value=value,
        )
        if not (difference.joined or difference.left):
            return
        if done.new_definition:
            self.pass_on(segment)
        if self.only_due:
            tell_of_moves(segment, redefined=done.new_definition)

    def pass_on(self, segment: Segment) -> None:
        """Have those that depend on a redefined segment refreshed by the members it has now. They were asked for with
        it, but one may have been refreshed before it moved: by a run that was past this segment when it was saved, or
        while it was frozen."""
        below = with_dependents({segment.key}, Segment.everything.all())
        late = [one.pk for one in below if one.pk != segment.pk and one.live_version]
        if late:
            _ask_for(late, self.run.trigger, redefined=True)


def _is_stale(segment: Segment) -> bool:
    return segment.due or segment.frozen or segment.live_version != segment.version


def _changed_since_last(changed: Changed | None) -> bool:
    """Whether a row of the accounts, what they pay included, was written since a refresh came to its end."""
    whole = RefreshRun.objects.filter(trigger__in=(Trigger.DAILY, Trigger.DATA), done=F("total"))
    last = whole.filter(finished_at__isnull=False).order_by("-pk").first()
    if changed is None or last is None:
        return True
    return Account.objects.filter(OneOf(F("pk"), changed.ids(Subject.ACCOUNT)), updated_at__gte=last.now).exists()


def _next_number() -> int:
    """The number of the next record, which is written when it is known to say something."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence(%s, 'id'))", [SegmentRefresh._meta.db_table])
        return int(cursor.fetchone()[0])


def give_up_lost_runs(before: dt.datetime) -> int:
    """Mark runs that a killed worker left behind; their segments are still due and come again."""
    lost = RefreshRun.objects.filter(state=RefreshRun.State.RUNNING, started_at__lt=before)
    return lost.update(state=RefreshRun.State.FAILED, finished_at=timezone.now())
