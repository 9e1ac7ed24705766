"""Finding what changed since a destination was told, and writing the messages about it.

Refreshes say of whom something changed, or that everybody is to be looked at; a job of its own looks. Each look is a
row of small transactions: some values are remembered, with their messages. So a look that is killed, or runs twice,
goes on where it stopped, and a change has one number, and with it one message id, for good. What changes while a
destination is paused is found when it goes on.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import F, JSONField, Max, Q, Value

from accounts.fields import Category, Field, Owner, Stage, Subject, Vocabulary, vocabulary
from accounts.fields.reading import OF_ACCOUNTS
from accounts.fields.uses import follow_fields_with
from accounts.models import Relationship
from core.clock import Moment, moment
from core.ids import Ids, OneOf
from core.jobs import enqueue
from health.requesting import follow_scores_with
from integrations.destinations.differing import Change, Desired, desired_of, desired_of_users, has_one_value, remember
from integrations.destinations.reasons import reasons_of
from integrations.models import Destination, Outgoing, SyncedValue, SyncItem, SyncMark
from segments.history import moves_of
from segments.models import Segment, SegmentRefresh
from segments.questions import Reader
from segments.recorded import recorded_between
from segments.rules.tree import RuleError
from segments.subjects import members_of, subject_of
from segments.uses import follow_moves_with

log = logging.getLogger(__name__)
TASK = "integrations.tasks.sync_out"
BATCH = 10_000  # values of a transaction; each compares all that should be known with all that is
MOST_MARKS = 20_000
Call = Outgoing.Call
_TAKE_MARKS = """
DELETE FROM integrations_syncmark WHERE account_id IN (SELECT account_id FROM integrations_syncmark LIMIT %s)
RETURNING account_id
"""
_MARK = """
INSERT INTO integrations_syncmark (account_id) SELECT unnest(%s::bigint[]) ON CONFLICT DO NOTHING
"""


def request_looks(accounts: Collection[int] | None) -> None:
    """Something changed about these accounts (None: about any): have destinations told of it soon after the commit."""
    if not Destination.objects.open().exists():
        return
    if accounts is None:
        request_items(SyncItem.objects.open())
    elif accounts:
        with connection.cursor() as cursor:
            cursor.execute(_MARK, [Ids.of(accounts).array])
        enqueue(TASK)


def request_items(items: Iterable[SyncItem], *, redefined: bool = False) -> None:
    """Have everybody looked at for these items soon; `redefined`: what moves does not by the customers' doing."""
    ids = [item.pk for item in items]
    if ids:
        more = {"redefined": True} if redefined else {}
        SyncItem.objects.filter(pk__in=ids).update(requested=F("requested") + 1, **more)
        enqueue(TASK)


@follow_moves_with
def look_at_segment(segment: Segment, redefined: bool) -> None:
    """Members of a segment moved because somebody saved something."""
    request_items(SyncItem.objects.open().filter(segment=segment))


@follow_fields_with
def look_at_fields(keys: Collection[str], redefined: bool) -> None:
    """The values of fields changed because somebody saved something. Paused destinations remember why."""
    request_items(SyncItem.objects.filter(ended_at=None, field__in=list(keys)), redefined=redefined)


@follow_scores_with
def look_at_health(redefined: bool) -> None:
    """Health was scored anew because somebody changed how it is."""
    items = list(SyncItem.objects.filter(ended_at=None).exclude(field=""))
    if items:
        fields = vocabulary()
        late = [item for item in items if (found := field_of(item, fields)) and found.stage >= Stage.HEALTH]
        request_items(late, redefined=redefined)


def is_to_look() -> bool:
    """Whether anything may have changed since destinations were told."""
    return SyncItem.objects.due().exists() or SyncMark.objects.exists()


def look(budget: float, now: Moment | None = None) -> int:
    """Look at whatever was asked for until nothing is, or the time is up; how many messages were written. The caller
    sees to it that only one looks at a time."""
    ends, present, written = time.monotonic() + budget, now or moment(), 0
    fields, reader = vocabulary(), Reader.now(present)
    while time.monotonic() < ends:
        item = SyncItem.objects.due().select_related("destination", "segment").order_by("requested", "pk").first()
        if item is None:
            break
        written += _everybody(_Look(item, fields, reader, present), ends)
    if not SyncItem.objects.due().exists():
        written += _look_at_marked(fields, reader, present)
    return written


def _everybody(view: _Look, ends: float) -> int:
    """One whole look; an item that cannot be read says so and stands in nobody's way until the next one."""
    try:
        return view.everybody(ends)
    except (DatabaseError, RuleError) as error:
        if isinstance(error, OperationalError):
            raise  # nothing is wrong with the item
        log.exception("an item of a destination cannot be read", extra={"item": view.item.pk})
        why = f"Its values could not be read ({type(error).__name__}). They are tried again with the next refresh."
        SyncItem.objects.filter(pk=view.item.pk).update(answered=F("requested"), error=why)
        return 0


def _some(view: _Look, ids: dict[Subject, Ids]) -> int:
    """A look at some; an item that cannot be read is left to a whole look."""
    try:
        with transaction.atomic():
            return view.some(ids)
    except (DatabaseError, RuleError) as error:
        if isinstance(error, OperationalError):
            raise
        request_items([view.item])
        return 0


def _look_at_marked(fields: Vocabulary, reader: Reader, now: Moment) -> int:
    """Look at the accounts that were marked, and their users, for every item; the marks go with what they led to."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_TAKE_MARKS, [MOST_MARKS])
            accounts = Ids([pk for (pk,) in cursor.fetchall()])
        if not accounts:
            return 0
        items = list(SyncItem.objects.open().select_related("destination", "segment"))
        _follow_definitions(items)
        theirs = Relationship.objects.filter(OneOf(F("account_id"), accounts)).order_by()
        ids = {Subject.ACCOUNT: accounts, Subject.USER: Ids(theirs.values_list("user_id", flat=True).distinct())}
        written = sum(_some(_Look(item, fields, reader, now), ids) for item in items)
    if SyncMark.objects.exists():
        enqueue(TASK)
    return written


def _follow_definitions(items: Sequence[SyncItem]) -> None:
    """Ask for everybody where a segment was refreshed by a new definition, which may have moved anybody."""
    segments = {item.segment_id for item in items if item.segment_id}
    moved = SegmentRefresh.objects.filter(segment__in=segments, new_definition=True).filter(
        Q(joined__gt=0) | Q(left__gt=0)
    )
    newest = dict(moved.order_by().values_list("segment").annotate(newest=Max("pk")))
    request_items([item for item in items if newest.get(item.segment_id or 0, 0) > item.refresh])


def field_of(item: SyncItem, fields: Vocabulary) -> Field | None:
    """The field that an item sends, if there still is one that can be sent."""
    found = fields.get(item.field) if item.field else None
    if found is None or found.owner not in (*OF_ACCOUNTS, Owner.USER):
        return None
    return found if found.owner is not Owner.USER or has_one_value(found) else None


@dataclass
class _Look:
    """A look at one item."""

    item: SyncItem
    fields: Vocabulary
    reader: Reader
    now: Moment

    def everybody(self, ends: float) -> int:
        """Batch after batch until everything is known there, or the time is up."""
        written = 0
        while time.monotonic() < ends:
            with transaction.atomic():
                held = self.held()
                if held is None:
                    return written
                newest = self.newest_refresh()
                number, done = self.batch(None, cause="" if held.first_done_at else "first")
                written += number
                if done:
                    held.answered, held.answered_at, held.redefined = held.requested, self.now.now, False
                    held.refresh, held.first_done_at = newest, held.first_done_at or self.now.now
                    held.error = self.error()
                    held.save()
                    return written
        return written

    def some(self, ids: dict[Subject, Ids]) -> int:
        """These accounts and users, in the caller's transaction; nobody before the first sync is written."""
        held = self.held()
        if held is None or held.first_done_at is None or held.requested > held.answered:
            return 0  # everybody is looked at next
        written, done = 0, False
        while not done:
            number, done = self.batch(ids)
            written += number
        SyncItem.objects.filter(pk=held.pk).update(answered_at=self.now.now)
        return written

    def held(self) -> SyncItem | None:
        """The item's row, locked, as long as it is to be sent."""
        rows = SyncItem.objects.open().select_for_update(of=("self",)).select_related("destination", "segment")
        held = rows.filter(pk=self.item.pk).first()
        self.item = held or self.item
        return held

    def newest_refresh(self) -> int:
        """The newest refresh of the segment, read before its members."""
        if self.item.segment_id is None:
            return 0
        found = SegmentRefresh.objects.filter(segment=self.item.segment_id).aggregate(newest=Max("pk"))
        return max(found["newest"] or 0, self.item.refresh)

    def error(self) -> str:
        """Why there is nothing to send."""
        if self.item.segment is None and field_of(self.item, self.fields) is None:
            return "There is no such field any more. Stop sending it, or define it again."
        return ""

    def batch(self, ids: dict[Subject, Ids] | None, *, cause: str = "") -> tuple[int, bool]:
        """Remember and write some; how many messages, and whether that was all."""
        field = field_of(self.item, self.fields)
        if self.item.segment is None and field is None:
            return 0, True
        desired = desired_of(self.item, field)
        written, full = self.tell(desired, ids, cause, field)
        if full:
            return written, False
        users = desired_of_users(self.item) if self.item.destination.to_users else None
        if users is not None:
            more, full = self.tell(users, ids, cause, field)
            written += more
        return written, not full

    def tell(
        self, desired: Desired, ids: dict[Subject, Ids] | None, cause: str, field: Field | None
    ) -> tuple[int, bool]:
        """Remember one batch and write its messages; how many, and whether there may be more."""
        only = None if ids is None else ids[desired.subject]
        known = cause or self.plain_cause(field, narrow=ids is not None)
        changes = remember(self.item, desired, only, cause=known, now=self.now.now, limit=BATCH)
        whys = {} if cause or not changes else self.causes(desired.subject, changes, field, known)
        self.correct(desired.subject, whys, known)
        rows = [
            row for one in changes for row in self.messages(desired, one, *whys.get(one.member, (known, self.now.now)))
        ]
        Outgoing.objects.bulk_create(rows, ignore_conflicts=True, batch_size=BATCH)
        return len(rows), len(changes) == BATCH

    def plain_cause(self, field: Field | None, *, narrow: bool) -> str:
        """Why values change where nothing is known of each: by a definition; by the clock, if they move with it and
        everybody is looked at; else by new data."""
        if self.item.redefined:
            return "definition"
        if field is None or narrow:
            return "data"
        by_clock = field.at is not None or field.category in (Category.USAGE, Category.TRAITS, Category.HEALTH)
        return "time" if by_clock else "data"

    def causes(
        self, subject: Subject, changes: Sequence[Change], field: Field | None, known: str
    ) -> dict[int, tuple[str, dt.datetime]]:
        """Why and when each of the members moved: as its segment's history says; a user of an account by what moved
        the account in this look. Of a field: why it has its value, where that is kept; what would move with the clock
        (`known` says so) is no such move where anything was recorded since the last look."""
        segment, members = self.item.segment, [one.member for one in changes]
        if self.item.redefined:
            return {}
        if segment is None:
            assert field is not None
            found = dict.fromkeys(self.recorded(subject, members), "data") if known == "time" else {}
            return {pk: (why, self.now.now) for pk, why in (found | reasons_of(field, members)).items()}
        if subject_of(segment) is subject:
            about = members_of(segment)
            column = f"{about.column}_id"
            stays = about.memberships.objects.filter(segment=segment, **{f"{column}__in": members})
            stays = stays.order_by(column, "-entered_at", "-pk").distinct(column)
            stays = stays.select_related(about.column, "opened_by__run", "closed_by__run", "opened_pin", "closed_pin")
            return {one.member.pk: (one.cause, one.at) for one in moves_of(segment, self.reader, list(stays))}
        since = self.item.answered_at or self.now.now
        belong = Relationship.objects.filter(user__in=members).order_by().values_list("account_id", "user_id")
        users: dict[int, list[int]] = defaultdict(list)
        for account, user in belong:
            users[account].append(user)
        moved = SyncedValue.objects.filter(item=self.item, account__in=list(users), at__gt=since).order_by("at", "pk")
        return {user: (row.cause, row.at) for row in moved for user in users[row.account_id or 0]}

    def recorded(self, subject: Subject, members: Collection[int]) -> set[int]:
        """Those about whom something came since the last look: it may have been of all, or come after a pause."""
        after = self.item.answered_at
        return recorded_between(subject, members, after, self.now.now) if after else set()

    def correct(self, subject: Subject, whys: dict[int, tuple[str, dt.datetime]], known: str) -> None:
        """Keep the causes that are others than was thought."""
        by_cause: dict[str, list[int]] = defaultdict(list)
        for member, (cause, _) in whys.items():
            if cause != known:
                by_cause[cause].append(member)
        for cause, members in by_cause.items():
            SyncedValue.objects.filter(item=self.item, **{f"{subject}__in": members}).update(cause=cause)

    def messages(self, desired: Desired, change: Change, cause: str, at: dt.datetime) -> list[Outgoing]:
        """What is sent of one change."""
        to, about_users = self.item.destination, desired.subject is Subject.USER
        calls = [Call.IDENTIFY] if about_users else [Call.GROUP] if to.groups else []
        of_users = not about_users and to.to_users and self.item.segment is not None
        if self.is_event(change, cause) and not of_users:  # else each of its users has one
            calls.append(Call.TRACK)
        value = Value(None, JSONField()) if change.value is None else change.value  # null, and not nothing
        return [
            Outgoing(
                destination=to, item=self.item, call=call, value=value, seq=change.seq, cause=cause, at=at,
                account_id=None if about_users else change.member, user_id=change.member if about_users else None,
            )
            for call in calls
        ]  # fmt: skip

    def is_event(self, change: Change, cause: str) -> bool:
        """Whether a change is told as an event too, as the destination chose."""
        to = self.item.destination
        wanted = {"first": to.events_of_first, "definition": to.events_of_definition}.get(cause, True)
        return to.events and wanted and change.value is not None
