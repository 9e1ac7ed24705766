"""Anonymous ids and former ids: who is meant, what is kept until that is known, and what happens when it is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Count, Min

from accounts.facts import CLEARED, Fact, RelationshipFact
from accounts.facts.merging import merge_users
from accounts.facts.shapes import CUSTOM
from accounts.models import EndUser, Relationship
from integrations.models import Identity, Outcome, PendingEvent, Source
from integrations.tracking.messages import Tracked
from usage.store import EventPlace, PostgresStore

MOST_FACTS = 50  # kept of one visitor, the newest
MOST_PENDING = 10_000  # events of one person that are completed at once


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
        for name, link in list(self.links.items()):
            row = known.get(name)
            same = row is not None and row.user is not None and row.user.external_id == link.user
            newer = row is not None and row.linked_at is not None and row.linked_at >= link.at
            if row is not None and (same and row.former >= link.former or newer):
                del self.links[name]
            else:
                wanted.add(name)
        for message in self.messages:  # a visitor or former id that another message of the same batch explains
            explained = self.links.get(message.user or message.anonymous)
            if explained and (explained.former or not message.user):
                message.user = explained.user
        return wanted | {m.anonymous for m in self.messages if m.anonymous and not m.user}

    def _keep_or_tell(self) -> None:
        """Keep what visitors say; of those who are known now, everything that was kept is told with its own time."""
        for message in self.messages:
            row = self.rows.get(message.anonymous)
            if message.user or row is None:
                continue
            if message.kind == "identify":
                self._keep(row, {"values": _plain(message.traits), "at": message.at.isoformat()})
                if message.company:
                    self._keep(row, {"account": message.company, "values": {}, "at": message.at.isoformat()})
            elif message.kind == "group":
                kept = {
                    "account": message.account,
                    "values": _plain(message.relationship),
                    "at": message.at.isoformat(),
                }
                self._keep(row, kept)
        for name, (user, _, _) in self.links.items():
            row = self.rows.get(name)
            for kept in row.facts if row else ():
                at = dt.datetime.fromisoformat(kept["at"])
                values = {
                    key: CLEARED if value is None and key.startswith(CUSTOM) else value
                    for key, value in kept["values"].items()
                }
                if "account" in kept:
                    self.told.append(RelationshipFact(user, kept["account"], at, values))
                else:
                    self.told.append(Fact(user, values, at))

    def _keep(self, row: Identity, kept: dict[str, Any]) -> None:
        row.facts = [*row.facts, kept][-MOST_FACTS:]
        row.save(update_fields=["facts", "updated_at"])

    def home_of(self, message: Tracked) -> str:
        """The account that a visitor has named last; "" for none."""
        row = None if message.user else self.rows.get(message.anonymous)
        return next((kept["account"] for kept in reversed(row.facts) if "account" in kept), "") if row else ""

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
            self._complete(PendingEvent.objects.filter(identity=row), user=user.pk)
            if link.former:
                self._merge(name, user)
        self._adopt()

    def _merge(self, name: str, user: EndUser) -> None:
        """An id that was a user's own: that user becomes part of the present one."""
        old = EndUser.objects.filter(external_id=name).exclude(pk=user.pk).first()
        if old is None:
            return
        self.touched |= merge_users(old, user, source=self.source.key)
        PostgresStore().move_user(old.pk, user.pk)
        Identity.objects.filter(user=old).update(user=user)
        PendingEvent.objects.filter(user=old).update(user=user)
        old.delete()

    def _adopt(self) -> None:
        """Events of users who belonged to no account, once they belong to one."""
        joined = {message.user for message in self.messages if message.user and message.kind in ("group", "alias")}
        joined |= {fact.user for fact in self.told if isinstance(fact, RelationshipFact)}
        joined |= {m.user for m in self.messages if m.user and (m.relationship or m.company)}
        joined |= {link.user for link in self.links.values()}
        if not joined:
            return
        waiting = PendingEvent.objects.filter(user__external_id__in=joined, account_id=None).values("user").distinct()
        homes = Relationship.objects.open().filter(user__in=waiting).values("user_id")
        for user, home in (
            homes.annotate(n=Count("id"), home=Min("account_id")).filter(n=1).values_list("user_id", "home")
        ):
            self._complete(PendingEvent.objects.filter(user=user), user=user, account=home)

    def _complete(self, pending: Any, *, user: int, account: int | None = None) -> None:
        rows = list(pending.order_by("id")[:MOST_PENDING])
        if not rows:
            return
        places = [EventPlace(row.at, row.source, row.message_id, row.account_id) for row in rows]
        PostgresStore().complete(places, user=user, account=account)
        self.touched |= {row.account_id or account for row in rows if row.account_id or account}  # type: ignore[misc]
        homeless = [row.pk for row in rows if row.account_id is None and account is None]
        PendingEvent.objects.filter(pk__in=[row.pk for row in rows if row.pk not in homeless]).delete()
        # They have their user now and still wait for an account.
        PendingEvent.objects.filter(pk__in=homeless).update(user=user, identity=None)

    def keep_pending(self, events: Sequence[Tracked], accounts: Mapping[int, int | None]) -> None:
        """Note where the events are that lack their user, or a user's first account."""
        lacking = [(events[place], account) for place, account in accounts.items()]
        lacking = [(event, account) for event, account in lacking if not event.user or account is None]
        people = {event.user for event, _ in lacking if event.user}
        users = dict(EndUser.objects.filter(external_id__in=people).values_list("external_id", "pk")) if people else {}
        PendingEvent.objects.bulk_create(
            PendingEvent(
                identity=None if event.user else self.rows.get(event.anonymous), user_id=users.get(event.user),
                account_id=account, at=event.at, source=self.source.key, message_id=event.message_id,
            )
            for event, account in lacking
            if event.outcome != Outcome.DROPPED and (event.user in users or event.anonymous in self.rows)
        )  # fmt: skip


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as JSON keeps them."""
    return {key: None if value is CLEARED else value for key, value in values.items()}
