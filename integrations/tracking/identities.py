"""Anonymous ids and former ids: who is meant, what is kept until that is known, and what happens when it is."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from django.db import connection

from accounts.facts import Fact, RelationshipFact
from accounts.models import EndUser
from core.waking import wake_evaluation
from integrations.models import Identity, Outcome, PendingEvent, Source
from integrations.tracking.merging import begin_merge
from integrations.tracking.messages import Tracked
from integrations.tracking.settling import settle_slice
from integrations.tracking.visitors import Entry, spans, stated, together, told
from usage.placing.homes import Span, home_at


class Link(NamedTuple):
    """The user (an external id) whom a name means since an instant; `former` if it was a user's own id before."""

    user: str
    at: dt.datetime
    former: bool


class Identities:
    """The other ids that a batch names: resolved before its facts are read, linked after they are written."""

    def __init__(self, source: Source, messages: Sequence[Tracked], received_at: dt.datetime) -> None:
        self.source, self.messages, self.received_at = source, messages, received_at
        self.rows: dict[str, Identity] = {}
        self.links: dict[str, Link] = {}
        self.told: list[Fact | RelationshipFact] = []
        self.spans: dict[str, list[Span[str]]] = {}
        self.moved: list[Identity] = []  # visitors who say now that they belong elsewhere
        self.touched: set[int] = set()

    def resolve(self) -> None:
        """Put the present id in the place of each former one, and lock what this batch will link or add to."""
        names = (
            {m.anonymous for m in self.messages} | {m.user for m in self.messages} | {m.previous for m in self.messages}
        )
        names.discard("")
        known = self._known(names)
        for message in self.messages:
            self._read_names(message, known)
        wanted = sorted(self._to_lock(known))
        if wanted:
            new = [Identity(name=name) for name in wanted if name not in known]
            Identity.objects.bulk_create(new, ignore_conflicts=True)
            locked = Identity.objects.filter(name__in=wanted).select_for_update(of=("self",), no_key=True)
            self.rows = {row.name: row for row in locked.select_related("user").order_by("name")}
            for message in self.messages:  # somebody else may have linked one meanwhile
                self._read_names(message, self.rows)
            self._close_chains()
            self._explain()
        self._keep_or_tell()

    @staticmethod
    def _known(names: set[str]) -> dict[str, Identity]:
        """The identities among these names: mostly none, which one small question tells."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT name FROM integrations_identity WHERE name = ANY(%s)", [list(names)])
            found = [name for (name,) in cursor.fetchall()]
        return (
            {row.name: row for row in Identity.objects.filter(name__in=found).select_related("user")} if found else {}
        )

    def _read_names(self, message: Tracked, known: Mapping[str, Identity]) -> None:
        row = known.get(message.user)
        if row is not None and row.user is not None and row.former:
            message.user = row.user.external_id
        row = known.get(message.anonymous)
        if not message.user and row is not None and row.user is not None:
            message.user = row.user.external_id
        other = message.previous if message.kind == "alias" else message.anonymous
        if other and message.user and other != message.user:
            kept = self.links.get(other)
            if kept is None or message.at >= kept.at:
                self.links[other] = Link(message.user, message.at, message.kind == "alias")

    def _to_lock(self, known: Mapping[str, Identity]) -> set[str]:
        """Names that get another user than they have, and visitors about whom something is to be kept."""
        wanted = set()
        self._close_chains()
        for name, link in list(self.links.items()):
            row = known.get(name)
            same = row is not None and row.user is not None and row.user.external_id == link.user
            newer = row is not None and row.linked_at is not None and row.linked_at >= link.at
            if row is not None and (same and row.former >= link.former or newer):
                del self.links[name]
            else:
                wanted.add(name)
        self._explain()
        return wanted | {m.anonymous for m in self.messages if m.anonymous and not m.user}

    def _close_chains(self) -> None:
        """Let each name mean the last one of a chain of former ids. A link that would close a circle is left out."""
        heads: dict[str, str] = {}

        def head(name: str) -> str:
            while name in heads:
                name = heads[name]
            return name

        for _, name in sorted((link.at, name) for name, link in self.links.items() if link.former):
            if head(self.links[name].user) == name:
                del self.links[name]
            else:
                heads[name] = self.links[name].user
        self.links = {name: link._replace(user=head(link.user)) for name, link in self.links.items()}

    def _explain(self) -> None:
        """Give messages of a visitor or former id the user whom another message of the same batch names."""
        for message in self.messages:
            explained = self.links.get(message.user or message.anonymous)
            if explained and (explained.former or not message.user):
                message.user = explained.user

    def _keep_or_tell(self) -> None:
        """Keep what visitors say; of those who are known now, everything that was kept is told with its own time."""
        said: dict[str, list[Entry]] = defaultdict(list)
        for message in self.messages:
            if not message.user and message.anonymous in self.rows:
                said[message.anonymous] += stated(message)
        for name, entries in said.items():
            row = self.rows[name]
            kept = together([*row.facts, *entries])
            if kept == row.facts:
                continue
            if spans(kept) != spans(row.facts):
                self.moved.append(row)
            row.facts = kept
            row.save(update_fields=["facts", "updated_at"])
        for name, link in self.links.items():
            if name in self.rows:
                self.told += told(link.user, self.rows[name].facts)

    def home_of(self, message: Tracked) -> str:
        """The account to which a visitor belonged at the time of an event that names none; "" for none."""
        if message.account or message.user or message.anonymous not in self.rows:
            return ""
        if message.anonymous not in self.spans:
            self.spans[message.anonymous] = spans(self.rows[message.anonymous].facts)
        return home_at(self.spans[message.anonymous], message.at) or ""

    def link(self) -> None:
        """Give each name its user, with the events that wait for one; merge a user who had the name."""
        people = {link.user for link in self.links.values()}
        users = {user.external_id: user for user in EndUser.objects.filter(external_id__in=people)} if people else {}
        for name in sorted(self.links):
            row, link = self.rows.get(name), self.links[name]
            user = users.get(link.user)
            if row is None or user is None:
                continue
            row.user, row.linked_at, row.former, row.facts = user, link.at, row.former or link.former, []
            row.save(update_fields=["user", "linked_at", "former", "facts", "updated_at"])
            self._settle(row)
            if link.former:
                self._merge(name, user)
        for row in self.moved:
            if row.user is None:
                self._settle(row)

    def _settle(self, row: Identity) -> None:
        """The first slice of the visitor's events; the rest is left to the background."""
        accounts, reached = settle_slice(row)
        self.touched |= accounts
        if reached is not None:
            row.behind = True
            row.save(update_fields=["behind"])
            wake_evaluation()

    def _merge(self, name: str, user: EndUser) -> None:
        """An id that was a user's own: that user becomes part of the present one."""
        old = EndUser.objects.filter(external_id=name).exclude(pk=user.pk).first()
        if old is None:
            return
        self.touched |= begin_merge(old, user, source=self.source.key)

    def keep_pending(self, events: Sequence[Tracked], accounts: Mapping[int, int | None]) -> None:
        """Note where the events of visitors are, who may become users or say where they belong."""
        lacking = [(events[place], account) for place, account in accounts.items() if not events[place].user]
        PendingEvent.objects.bulk_create(
            PendingEvent(
                identity=self.rows[event.anonymous], account_id=account, inferred=not event.account, at=event.at,
                source=self.source.key, message_id=event.message_id,
            )
            for event, account in lacking
            if event.outcome != Outcome.DROPPED and event.anonymous in self.rows
        )  # fmt: skip
