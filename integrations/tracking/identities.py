"""Anonymous ids and former ids: who is meant, what is kept until that is known, and what happens when it is."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from django.db import connection
from django.db.models import Q, QuerySet

from accounts.facts import Fact, RelationshipFact, record_relationships, record_users
from accounts.facts.merging import facts_of
from accounts.models import EndUser
from core.waking import wake_evaluation
from integrations.models import Identity, Outcome, PendingEvent, Source, VisitorLink
from integrations.tracking.merging import begin_merge
from integrations.tracking.messages import Tracked
from integrations.tracking.owners import Sights, owner_at, sights_of, together
from integrations.tracking.settling import settle_slice
from integrations.tracking.visitors import Entry, entry_of, instant, merged, spans, stated, told
from usage.placing.homes import Span, home_at


class Link(NamedTuple):
    """The user (an external id) whom a former id means since an instant."""

    user: str
    at: dt.datetime


class Identities:
    """The other ids that a batch names: resolved before its facts are read, linked after they are written."""

    def __init__(self, source: Source, messages: Sequence[Tracked], received_at: dt.datetime) -> None:
        self.source, self.messages, self.received_at = source, messages, received_at
        self.visiting = {id(message) for message in messages if message.anonymous and not message.user}
        self.formerly: dict[int, str] = {}  # messages that name a former id as the user's
        self.rows: dict[str, Identity] = {}
        self.links: dict[str, Link] = {}  # former ids
        self.seen: dict[str, Sights] = {}  # with whom each visitor was seen before
        self.sights: dict[str, Sights] = defaultdict(dict)  # and is in this batch
        self.told: list[Fact | RelationshipFact] = []
        self.withdrawn: list[Fact | RelationshipFact] = []  # told to users who were somebody else then
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
        self._read_names(known)
        wanted = sorted(self._to_lock(known))
        if wanted:
            new = [Identity(name=name) for name in wanted if name not in known]
            Identity.objects.bulk_create(new, ignore_conflicts=True)
            self._lock(wanted)
            self._read_names(known | self.rows)  # somebody else may have linked one meanwhile
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

    def _read_names(self, known: Mapping[str, Identity]) -> None:
        """What is known of the names, and what the messages say of them."""
        self.seen = sights_of(known.values())
        for message in self.messages:
            row = known.get(message.user)
            if row is not None and row.user is not None and row.former:
                self.formerly.setdefault(id(message), row.name)
                message.user = row.user.external_id
            other = message.previous if message.kind == "alias" else message.anonymous
            if not other or not message.user or other == message.user or id(message) in self.visiting:
                continue
            self.sights[other] = together(self.sights[other], {message.user: message.at})
            kept = self.links.get(other)
            if message.kind == "alias" and (kept is None or message.at >= kept.at):
                self.links[other] = Link(message.user, message.at)
        self._close_chains()
        for name, link in list(self.links.items()):
            row = known.get(name)
            if row is None or row.user is None or not row.former:
                continue
            if row.user.external_id == link.user or (row.linked_at is not None and row.linked_at >= link.at):
                del self.links[name]  # nothing new

    def _lock(self, names: Iterable[str]) -> None:
        locked = Identity.objects.filter(name__in=names).select_for_update(of=("self",), no_key=True)
        self.rows |= {row.name: row for row in locked.select_related("user").order_by("name")}

    def _to_lock(self, known: Mapping[str, Identity]) -> set[str]:
        """Names of which something new is said, visitors about whom something is to be kept, and all names of users
        from whom something is to be taken back."""
        wanted = {message.anonymous for message in self.messages if id(message) in self.visiting}
        wanted |= self.links.keys() | self.formerly.values()
        for name, sights in self.sights.items():
            seen = self.seen.get(name, {})
            if any(user not in seen or at < seen[user] for user, at in sights.items()):
                wanted.add(name)
        losers = {was for name in wanted & known.keys() for _, was, owner in self._owners(known[name]) if was != owner}
        return wanted | set(self._lent_to(losers).values_list("name", flat=True)) if losers - {""} else wanted

    @staticmethod
    def _lent_to(users: Collection[str]) -> QuerySet[Identity]:
        """The names under which something was told of these users (external ids)."""
        theirs = Q(user__external_id__in=users) | Q(links__user__external_id__in=users)
        return Identity.objects.filter(theirs).exclude(facts=[]).distinct()

    def _owners(self, row: Identity) -> Iterator[tuple[Entry, str, str]]:
        """What a visitor said, with whose it was and whose it is now, "" for nobody's."""
        before, after = self.seen.get(row.name, {}), self._sights_of(row.name)
        head, link = row.user.external_id if row.user and row.former else "", self.links.get(row.name)
        for fact in row.facts:
            if fact.get("former"):
                yield fact, head, link.user if link else head
            else:
                yield fact, owner_at(before, instant(fact)), owner_at(after, instant(fact))

    def _close_chains(self) -> None:
        """Let each name mean the last one of a chain of former ids. A link that would close a circle is left out."""
        heads: dict[str, str] = {}

        def head(name: str) -> str:
            while name in heads:
                name = heads[name]
            return name

        for _, name in sorted((link.at, name) for name, link in self.links.items()):
            if head(self.links[name].user) == name:
                del self.links[name]
            else:
                heads[name] = self.links[name].user
        self.links = {name: link._replace(user=head(link.user)) for name, link in self.links.items()}
        for name, sights in list(self.sights.items()):
            if heads.keys() & sights.keys():
                ends: Sights = {}
                for user, at in sights.items():
                    if head(user) != name:
                        ends = together(ends, {head(user): at})
                self.sights[name] = ends

    def _explain(self) -> None:
        """Give messages of visitors and former ids the users whom these mean, by the same batch too."""
        for message in self.messages:
            if id(message) in self.visiting:
                message.user = owner_at(self._sights_of(message.anonymous), message.at)
            if message.user in self.links:
                self.formerly.setdefault(id(message), message.user)
            if (name := self.formerly.get(id(message), "")) in self.links:
                message.user = self.links[name].user

    def _sights_of(self, name: str) -> Sights:
        """All first sights of a visitor, those of this batch too."""
        return together(self.seen.get(name, {}), self.sights.get(name, {}))

    def _present_sights_of(self, name: str) -> Sights:
        """The same, with those who become others by this batch as these: they are about to go, with all of theirs."""
        found: Sights = {}
        for user, at in self._sights_of(name).items():
            head = self.links[user].user if user in self.links else user
            if head != name:
                found = together(found, {head: at})
        return found

    def _keep_or_tell(self) -> None:
        """Keep what visitors say; of those who are known now, everything that was kept is told with its own time."""
        for name in self.sights.keys() & self.rows.keys():
            for fact, was, owner in self._owners(self.rows[name]):
                if was != owner:
                    self.told += told(owner, [fact])
                    self.withdrawn += told(was, [fact]) if was else []
        if self.withdrawn:
            self._tell_again()
        said: dict[str, list[Entry]] = defaultdict(list)
        for message in self.messages:
            if id(message) in self.visiting and message.anonymous in self.rows:
                said[message.anonymous] += stated(message)
            elif (name := self.formerly.get(id(message), "")) in self.rows:
                said[name] += [entry | {"former": True} for entry in stated(message)]
        for name, entries in said.items():
            row = self.rows[name]
            kept = merged([*row.facts, *entries])
            if kept == row.facts:
                continue
            if row.user is None and spans(kept) != spans(row.facts):
                self.moved.append(row)
            row.facts = kept
            row.save(update_fields=["facts", "updated_at"])

    def _tell_again(self) -> None:
        """Whatever else was lent to users from whom something is taken back: one value may lie over another."""
        losers = {fact.external_id if isinstance(fact, Fact) else fact.user for fact in self.withdrawn}
        missing = set(self._lent_to(losers).values_list("name", flat=True)) - self.rows.keys()
        if missing:  # somebody has become one of theirs since the names were looked up
            self._lock(missing)
            self.seen |= sights_of([self.rows[name] for name in missing])
        for row in self.rows.values():
            self.told += [one for fact, _, owner in self._owners(row) if owner in losers for one in told(owner, [fact])]

    def lends(self, message: Tracked) -> bool:
        """Whether what a message says is lent to its user."""
        return id(message) in self.visiting or id(message) in self.formerly

    def take_back(self) -> None:
        """Take from users what was told of them and was somebody else's."""
        people = [fact for fact in self.withdrawn if isinstance(fact, Fact)]
        belonging = [fact for fact in self.withdrawn if isinstance(fact, RelationshipFact)]
        if people:
            record_users([], source=self.source.key, withdrawn=people)
        if belonging:
            record_relationships([], source=self.source.key, withdrawn=belonging)

    def home_of(self, message: Tracked) -> str:
        """The account to which a visitor belonged at the time of an event that names none; "" for none."""
        if message.account or message.user or message.anonymous not in self.rows:
            return ""
        if message.anonymous not in self.spans:
            self.spans[message.anonymous] = spans(self.rows[message.anonymous].facts)
        return home_at(self.spans[message.anonymous], message.at) or ""

    def link(self) -> None:
        """Give each name its users, with the events that wait for one; merge a user who had the name."""
        wanted = {name: self._present_sights_of(name) for name in sorted(self.sights) if name in self.rows}
        people = {user for sights in wanted.values() for user in sights}
        users = {user.external_id: user for user in EndUser.objects.filter(external_id__in=people)} if people else {}
        for name, sights in wanted.items():
            found = {user: at for user, at in sights.items() if user in users}
            if not found:
                continue
            row, link = self.rows[name], self.links.get(name)
            user = link.user if link else owner_at(found, max(found.values()))
            if link or not row.former:
                row.user, row.linked_at = users[user], found[user]
            row.former = row.former or link is not None
            row.save(update_fields=["user", "linked_at", "former", "updated_at"])
            if len(found) > 1:
                links = [VisitorLink(identity=row, user=users[user], at=at) for user, at in found.items()]
                VisitorLink.objects.bulk_create(
                    links, update_conflicts=True, unique_fields=["identity", "user"], update_fields=["at"]
                )
            self._settle(row)
            if link:
                self._merge(name, users[link.user])
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
        row = self.rows[name]
        row.facts = merged([*row.facts, *(entry_of(fact) for fact in facts_of(old) if not fact.lent)])
        row.save(update_fields=["facts", "updated_at"])
        self.touched |= begin_merge(old, user, source=self.source.key)

    def keep_pending(
        self, events: Sequence[Tracked], accounts: Mapping[int, int | None], users: Mapping[str, int]
    ) -> None:
        """Note where the events of visitors are, who may become users, or others, or say where they belong."""
        found = [(events[place], account) for place, account in accounts.items()]
        lacking = [(event, account, self.formerly.get(id(event))) for event, account in found if self.lends(event)]
        PendingEvent.objects.bulk_create(
            PendingEvent(
                identity=self.rows[former or event.anonymous], account_id=account, user_id=users.get(event.user),
                inferred=not event.account, former=former is not None, at=event.at,
                source=self.source.key, message_id=event.message_id,
            )
            for event, account, former in lacking
            if event.outcome != Outcome.DROPPED and (former or event.anonymous) in self.rows
        )  # fmt: skip
