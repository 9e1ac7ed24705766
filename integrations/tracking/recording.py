"""Recording a request's messages: in one transaction, each once, in one order of locks.

The order is: message ids, attribute definitions, identities, accounts, users, relationships, names of events, events,
marks. Every step locks its rows in the order of their ids. Whoever waits, waits for somebody further on, so nobody
waits in a circle.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.db import InterfaceError, OperationalError, connection, transaction

from accounts.facts import (
    Departure,
    Fact,
    Reject,
    RelationshipFact,
    record_accounts,
    record_relationships,
    record_users,
)
from accounts.facts import Outcome as Recorded
from accounts.facts.rows import account_ids, external_ids, user_ids
from accounts.models import Account, Relationship, Subject
from accounts.touching import touch
from core.intake import short
from integrations.destinations.marking import drop_echoes
from integrations.models import Outcome, Source
from integrations.tracking.identities import Identities
from integrations.tracking.messages import Envelope, Tracked
from integrations.tracking.outages import is_away, sqlstate
from integrations.tracking.refusing import refuse_erased
from integrations.tracking.repetitions import drop_repeated
from integrations.tracking.tallies import log_messages, tally
from integrations.tracking.traits import Definitions, values_of
from usage import partitions
from usage.placing.homes import spans_of
from usage.store import EventFact, PostgresStore, Prepared

log = logging.getLogger(__name__)
ATTEMPTS = 4
LONGEST_STATEMENT_MS = 10_000  # a request over HTTP is given up before (outages.PATIENCE); the spool's are not
# Another writer won a race that PostgreSQL has ended; the same work succeeds the next time.
RACES = ("40P01", "40001")


def record(source: Source, messages: Sequence[Tracked], envelope: Envelope) -> None:
    """Record messages and set what became of each. On return all is committed.

    Raises what the database raises when it is away; then nothing is recorded and nothing is set.
    """
    one_by_one = False
    for attempt in range(1, ATTEMPTS + 1):
        before = [message.state for message in messages]  # recording changes them, and an attempt may be in vain
        try:
            # COPY raises psycopg's own errors, which Django does not translate by itself.
            with connection.wrap_database_errors, transaction.atomic():
                _record_once(source, messages, envelope, one_by_one=one_by_one)
            return
        except InterfaceError:
            raise
        except OperationalError as error:
            if sqlstate(error) not in RACES or attempt == ATTEMPTS:
                raise
        except Exception as error:
            if one_by_one or is_away(error):
                raise
            log.exception("a batch of %s failed and is taken message by message", source.key)
            one_by_one = True
        for message, state in zip(messages, before, strict=True):
            message.state = state


def _record_once(source: Source, messages: Sequence[Tracked], envelope: Envelope, *, one_by_one: bool) -> None:
    good = [message for message in messages if not message.outcome]
    store = PostgresStore()
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(LONGEST_STATEMENT_MS)])
    # Before everything else: a new partition locks the accounts against writers.
    partitions.ensure_months({partitions.month_of(message.at) for message in good if message.is_event})
    refuse_erased(messages)
    drop_echoes([message for message in messages if not message.outcome])
    good = [message for message in good if not message.outcome]
    fresh = store.claim([message.message_id for message in good], source=source.key)
    new: list[Tracked] = []
    repeated: list[Tracked] = []
    for message in good:
        (new if message.message_id in fresh else repeated).append(message)
        fresh.discard(message.message_id)
    if repeated:
        drop_repeated(source, repeated, new)
    if new and one_by_one:
        _record_or_set_aside(source, new, envelope)
    elif new:
        Batch(source, new, envelope).record()
    log_messages(source, messages, envelope.received_at)
    tally(source, messages, envelope.received_at)


def _record_or_set_aside(source: Source, messages: list[Tracked], envelope: Envelope) -> None:
    """Record one message after the other, so that the one at fault stands in nobody's way."""
    for message in messages:
        if why := record_alone(source, message, envelope):
            message.drop(why, Outcome.FAILED)


def record_alone(source: Source, message: Tracked, envelope: Envelope) -> str:
    """Record one message, whose id is claimed already; why that failed, or "". Then the message is as it was.

    Raises what the database raises when it is away.
    """
    before = message.state
    try:
        with connection.wrap_database_errors, transaction.atomic():
            Batch(source, [message], envelope).record()
    except Exception as error:
        if is_away(error):
            raise
        message.state = before
        return f"{type(error).__name__}: {short(error, 200)}"
    return ""


class Batch:
    """Messages that were not recorded before, on their way into facts and events."""

    def __init__(self, source: Source, messages: Sequence[Tracked], envelope: Envelope) -> None:
        self.source, self.messages, self.envelope = source, messages, envelope
        self.accounts: list[tuple[Tracked | None, Fact]] = []
        self.users: list[tuple[Tracked | None, Fact]] = []
        self.relationships: list[tuple[Tracked | None, RelationshipFact]] = []
        self.departures: list[Departure] = []
        self.touched: set[int] = set()
        self.used: set[int] = set()  # accounts with new events
        self.archived: set[str] = set()
        self.account_ids: dict[str, int] = {}
        self.user_ids: dict[str, int] = {}
        self.identities = Identities(source, messages, envelope.received_at)

    def record(self) -> None:
        """All steps, in the order of locks."""
        facts = [message for message in self.messages if message.traits or message.relationship or message.company]
        if facts:
            self._prepare_traits(facts)
        self.identities.resolve()
        self._find_archived()
        for message in self.messages:
            self._translate(message)
        for place in self.identities.told:
            self._collect(None, place)
        self._ensure_rows()
        self._write(self.accounts, record_accounts, touches=True)
        self.identities.take_back()
        self._write(self.users, record_users)
        self._write(self.relationships, record_relationships)
        if self.departures:
            record_relationships([], source=self.source.key, departures=self.departures)
        self._touch_people()
        self.identities.link()
        self._find_new_rows()
        self._append_events()
        self.touched |= self.identities.touched
        touch(self.touched)
        touch(self.used - self.touched, usage_only=True)
        for message in self.messages:
            message.outcome = message.outcome or Outcome.STORED

    def _prepare_traits(self, messages: Sequence[Tracked]) -> None:
        """Traits into values, with the attributes that they need; before any row is locked."""
        definitions = Definitions(may_define=self.source.new_attributes)
        read = []
        for message in messages:
            subject = Subject.ACCOUNT if message.kind == "group" else Subject.USER
            relationship = values_of(Subject.RELATIONSHIP, message.relationship)
            company = values_of(Subject.ACCOUNT, message.company_traits)
            read.append((message, subject, values_of(subject, message.traits), relationship, company))
        definitions.prepare(
            (subject, values)
            for _, own, traits, relationship, company in read
            for subject, values in ((own, traits), (Subject.RELATIONSHIP, relationship), (Subject.ACCOUNT, company))
        )
        for message, subject, values, relationship, company in read:
            message.traits, remarks = definitions.usable(subject, values)
            message.relationship, more = definitions.usable(Subject.RELATIONSHIP, relationship)
            message.company_traits, others = definitions.usable(Subject.ACCOUNT, company)
            for text in (*remarks, *more, *others):
                message.remark(text)

    def _translate(self, message: Tracked) -> None:
        """The facts that one message states about a person or an account that is known by id."""
        if message.deletes:
            self._take_away(message)
            return
        if message.kind == "group":
            back = {"archived_at": None} if message.restores and message.account not in self.archived else {}
            self.accounts.append((message, Fact(message.account, {**message.traits, **back}, message.at)))
        if message.company:
            self.accounts.append((message, Fact(message.company, message.company_traits, message.at)))
        user, at, lent = message.user, message.at, self.identities.lends(message)
        if message.kind == "identify" and user:
            self.users.append((message, Fact(user, message.traits, at, lent)))
        if message.company and user:
            self.relationships.append((message, RelationshipFact(user, message.company, at, lent=lent)))
        if user and message.tells_belonging:
            ended, values = at if message.leaves else None, message.relationship
            fact = RelationshipFact(user, message.account, at, values, ended_at=ended, lent=lent)
            self.relationships.append((message, fact))

    def _find_archived(self) -> None:
        """The accounts that somebody else has put into the archive: these are left there."""
        named = {message.account for message in self.messages if message.deletes or message.restores} - {""}
        if named:
            rows = Account.objects.filter(external_id__in=named, archived_at__isnull=False)
            stamps = rows.values_list("external_id", "stamps__archived_at__1")
            self.archived = {name for name, source in stamps if source != self.source.key}

    def _take_away(self, message: Tracked) -> None:
        """An account goes to the archive; a user leaves every account."""
        if message.kind == "group":
            if message.account in self.archived:
                return
            self.accounts.append((message, Fact(message.account, {"archived_at": message.at.isoformat()}, message.at)))
            return
        self.departures.append(Departure(message.user, message.at))

    def _collect(self, message: Tracked | None, told: Fact | RelationshipFact) -> None:
        if isinstance(told, RelationshipFact):
            self.relationships.append((message, told))
        else:
            self.users.append((message, told))

    def _ensure_rows(self) -> None:
        """Rows for every account and user that is named and does not exist yet, with the first time they were named."""
        accounts: dict[str, Any] = {}
        users: dict[str, Any] = {}
        for message in self.messages:
            if account := message.account or self.identities.home_of(message):
                accounts.setdefault(account, message.at)
            if message.user:
                users.setdefault(message.user, message.at)
        for _, fact in self.relationships:
            accounts.setdefault(fact.account, fact.at)
            users.setdefault(fact.user, fact.at)
        self.account_ids, self.user_ids = account_ids(accounts), user_ids(users)
        told = {fact.external_id for _, fact in self.accounts}
        self.accounts += [
            (None, Fact(key, {}, at)) for key, at in accounts.items() if key not in self.account_ids and key not in told
        ]
        told = {fact.external_id for _, fact in self.users}
        self.users += [
            (None, Fact(key, {}, at)) for key, at in users.items() if key not in self.user_ids and key not in told
        ]

    def _find_new_rows(self) -> None:
        """The primary keys of what was made on the way."""
        events = [message for message in self.messages if message.is_event]
        accounts = {message.account or self.identities.home_of(message) for message in events} - {""}
        users = {message.user for message in events} - {""}
        self.account_ids |= account_ids(accounts - self.account_ids.keys())
        self.user_ids |= user_ids(users - self.user_ids.keys())

    def _write(
        self, items: Sequence[tuple[Tracked | None, Any]], write: Callable[..., Recorded], *, touches: bool = False
    ) -> None:
        """Write facts; a value that cannot be kept is left out with a remark, the rest of its fact is kept."""
        while items:
            outcome = write([fact for _, fact in items], source=self.source.key)
            if touches:
                self.touched |= outcome.touched
            items = self._mended(items, outcome.rejected)

    @staticmethod
    def _mended(
        items: Sequence[tuple[Tracked | None, Any]], rejects: Sequence[Reject]
    ) -> list[tuple[Tracked | None, Any]]:
        again: dict[int, tuple[Tracked | None, Any]] = {}
        for reject in rejects:
            message, fact = again.get(reject.index, items[reject.index])
            if reject.key in fact.values:
                values = {key: value for key, value in fact.values.items() if key != reject.key}
                again[reject.index] = (message, replace(fact, values=values))
                if message:
                    message.remark(f"“{short(reject.key.removeprefix('custom.'))}” left out: {reject.reason}")
            elif message:
                message.drop(reject.reason)
        return [again[index] for index in sorted(again)]

    def _touch_people(self) -> None:
        """The accounts of everybody whose values or belonging may have changed."""
        people = {fact.external_id for _, fact in self.users if fact.values} | {
            fact.user for _, fact in self.relationships
        }
        if people:
            found = Relationship.objects.filter(user__external_id__in=people)
            self.touched |= set(found.values_list("account_id", flat=True))

    def _append_events(self) -> None:
        """Events, and for those without a user or an account the place to find them again."""
        events = [message for message in self.messages if message.is_event and not message.outcome]
        if not events:
            return
        facts = [
            EventFact(
                message.message_id, message.name, message.at,
                message.account or self.identities.home_of(message) or None, message.user or None, message.properties,
                message.active, not message.account,
            )
            for message in events
        ]  # fmt: skip
        prepared = Prepared(self.account_ids, self.user_ids)
        result = PostgresStore().append(facts, source=self.source.key, prepared=prepared)
        for reject in result.rejected:
            events[reject.index].drop(reject.reason)
        self.used |= {account for account in result.accounts.values() if account is not None}
        self.identities.keep_pending(events, result.accounts, self.user_ids)
        self._name_homes(events, result.accounts)
        self._explain([events[place] for place, account in result.accounts.items() if account is None])

    def _name_homes(self, events: Sequence[Tracked], accounts: Mapping[int, int | None]) -> None:
        """Note which account was filled in for events that name none."""
        homes = {place: account for place, account in accounts.items() if account and not events[place].account}
        if homes:
            names = external_ids(homes.values())
            for place, account in homes.items():
                events[place].home = names.get(account, "")

    def _explain(self, events: Sequence[Tracked]) -> None:
        """Say of events without an account why they have none."""
        periods = spans_of({self.user_ids[event.user] for event in events if event.user})
        for event in events:
            event.outcome = Outcome.NO_ACCOUNT
            theirs = periods.get(self.user_ids[event.user], ()) if event.user else ()
            if not event.user:
                event.remark("Nobody has been identified by this anonymousId yet. Send context.groupId or identify.")
            elif not theirs:
                event.remark("The user belongs to no account yet. Send a group call, or context.groupId.")
            elif any(span.covers(event.at) for span in theirs) or event.at < min(span.starts for span in theirs):
                event.remark(
                    "The user belonged to several accounts then. Send context.groupId to say in which it happened."
                )
            else:
                event.remark("The user belonged to no account then. Send context.groupId if it happened in one.")
