"""Turning a page of records into facts, in one transaction, and remembering what was seen."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from accounts.billing import roll_up_billing
from accounts.facts import (
    ACCOUNT,
    SUBSCRIPTION,
    USER,
    Fact,
    Outcome,
    RelationshipFact,
    record_accounts,
    record_relationships,
    record_subscriptions,
    record_users,
)
from accounts.facts.values import Reader, canonical
from accounts.models import Account, EndUser, Subscription
from core.clock import Moment
from core.intake import BadValue, short
from integrations.connections.matching import match_accounts, users_of
from integrations.connections.records import Page, Record
from integrations.connections.refusing import refused_records
from integrations.models import Connection, ConnectionLink, ConnectionRun

Link = ConnectionLink
Pair = tuple[Record, Link]
ACCOUNTS = "@accounts"  # in `seen` of a contact: the accounts that it was told to belong to
OF_ACCOUNTS = (Link.Kind.CUSTOMER, Link.Kind.COMPANY)
UPDATED = [
    "label", "label_folded", "account", "user", "by_hand", "made", "primary", "note", "seen", "last_run", "gone_at",
]  # fmt: skip


@dataclass
class Counts:
    """What a page did."""

    read: int = 0
    created: int = 0
    updated: int = 0
    unmatched: int = 0
    gone: int = 0
    problems: list[str] = field(default_factory=list)

    def add(self, outcome: Outcome, of: Sequence[Fact | RelationshipFact] = ()) -> None:
        """Count an outcome, and say what was not taken."""
        self.created += len(outcome.created)
        self.updated += len(outcome.updated)
        for reject in outcome.rejected:
            name = getattr(of[reject.index], "external_id", "") or getattr(of[reject.index], "user", "")
            self.problems.append(f"{short(name)}: {reject.key}: {reject.reason}")


class Applier:
    """Applies pages of one run. Make one for each page, inside the transaction that also moves the run's cursor."""

    def __init__(self, run: ConnectionRun, mapping: Mapping[str, Any], present: Moment) -> None:
        self.run, self.mapping, self.present = run, mapping, present
        self.connection: Connection = run.connection
        self.source = self.connection.source
        self.counts = Counts()

    def apply(self, page: Page) -> Counts:
        """Store everything that a page tells."""
        self.counts.read = len(page.records)
        self.counts.problems += page.problems
        page = self._without_erased(page)
        counted = {(record.kind, record.id) for record in page.records}
        records = {(record.kind, record.id): record for record in [*page.others, *page.records]}
        links = self._links(records.values())
        pairs = [(record, links[key]) for key, record in records.items()]
        for _, link in pairs:
            link.last_run = self.run.pk
        self._merge(pairs, links)
        self._go([link for record, link in pairs if record.gone and link.gone_at is None])
        live = [(record, link) for record, link in pairs if not record.gone]
        self._revive([link for _, link in live if link.gone_at is not None])
        for record, link in live:
            link.label = record.label or link.label
        self._accounts([pair for pair in live if pair[0].kind in OF_ACCOUNTS], counted)
        self._save(links.values())  # subscriptions and contacts look their accounts up
        self._subscriptions([pair for pair in live if pair[0].kind == Link.Kind.SUBSCRIPTION])
        self._contacts([pair for pair in live if pair[0].kind == Link.Kind.CONTACT])
        self._save(links.values())
        return self.counts

    def _without_erased(self, page: Page) -> Page:
        """The page without the records of those who were erased; how many these were is told without naming them."""
        told = [*page.others, *page.records]
        refused = refused_records(self.connection, told, lambda: self._links(told))
        for reason, number in sorted(Counter(refused.values()).items()):
            self.counts.problems.append(f"Refused ({number}): {reason}")
        kept = [record for record in page.records if (record.kind, record.id) not in refused]
        others = [record for record in page.others if (record.kind, record.id) not in refused]
        return replace(page, records=kept, others=others)

    def sweep(self, kinds: Iterable[str], most: int) -> int:
        """Mark some records of these kinds, which a full run did not meet, as gone; returns how many."""
        found = Link.objects.select_for_update().filter(connection=self.connection, kind__in=list(kinds))
        left = list(found.filter(gone_at__isnull=True).exclude(last_run=self.run.pk).order_by("pk")[:most])
        self._go(left)
        return len(left)

    def _links(self, records: Iterable[Record]) -> dict[tuple[str, str], Link]:
        """The links of the records and of those merged into them, locked; new ones where there are none."""
        wanted: dict[str, set[str]] = {}
        for record in records:
            wanted.setdefault(record.kind, set()).update((record.id, *record.merged))
        found: dict[tuple[str, str], Link] = {}
        for kind, ids in sorted(wanted.items()):
            rows = Link.objects.filter(connection=self.connection, kind=kind, remote_id__in=ids)
            found |= {(kind, link.remote_id): link for link in rows.select_for_update().order_by("pk")}
        for record in records:
            if (record.kind, record.id) not in found:
                link = Link(connection=self.connection, kind=record.kind, remote_id=record.id)
                found[record.kind, record.id] = link
        return found

    def _save(self, links: Iterable[Link]) -> None:
        Link.objects.bulk_create(
            list(links), update_conflicts=True, unique_fields=["connection", "kind", "remote_id"], update_fields=UPDATED
        )

    def _merge(self, pairs: Sequence[Pair], links: Mapping[tuple[str, str], Link]) -> None:
        """A record that others were merged into takes over what they were here, if it is nothing yet."""
        losers = []
        for record, winner in pairs:
            for id_ in record.merged:
                loser = links.get((record.kind, id_))
                if loser is None or loser is winner or loser.gone_at is not None:
                    continue
                if winner.account_id is None and winner.user_id is None:
                    winner.account_id, winner.user_id = loser.account_id, loser.user_id  # type: ignore[assignment]
                    winner.by_hand, winner.made, winner.seen = loser.by_hand, loser.made, dict(loser.seen)
                    loser.made, loser.primary, loser.seen = False, False, {}
                loser.note = f"Merged into {record.label or record.id}."[:255]
                losers.append(loser)
        self._go(losers)

    def _go(self, links: Sequence[Link]) -> None:
        """What is archived or deleted over there: its account is archived if it was made for it, a contact's
        relationships and a subscription end. Nothing else of an account is touched."""
        if not links:
            return
        at = self.run.created_at
        made = {link.account_id for link in links if link.made and link.account_id}
        here = {pk for pk, _ in _external_ids(Account, made).items()}
        here -= set(
            Link.objects.filter(account__in=here, gone_at__isnull=True, kind__in=OF_ACCOUNTS)
            .exclude(pk__in=[link.pk for link in links])
            .values_list("account_id", flat=True)
        )
        ids = _external_ids(Account, here)
        self._record_accounts([Fact(name, {"archived_at": at}, at) for _, name in sorted(ids.items())])
        self._relate([(link, set()) for link in links if link.kind == Link.Kind.CONTACT])
        ended = [link.remote_id for link in links if link.kind == Link.Kind.SUBSCRIPTION]
        known = Subscription.objects.filter(external_id__in=ended).values_list("external_id", "starts_on")
        self._record_subscriptions([Fact(name, self._over(starts), at) for name, starts in known])
        for link in links:
            link.gone_at, link.seen = self.present.now, {}
            if link.primary and link.account_id:
                self._promote(link)
        self._save(links)  # before others look who speaks for an account
        self.counts.gone += len(links)

    def _over(self, starts_on: dt.date | None) -> dict[str, Any]:
        ends_on = max(starts_on, self.present.today) if starts_on else self.present.today
        return {"status": "cancelled", "mrr": 0, "ends_on": ends_on, "renews_on": None, "auto_renew": False}

    def _promote(self, link: Link) -> None:
        """Let the next record of the same account speak for it."""
        others = Link.objects.filter(connection=self.connection, kind=link.kind, account=link.account_id)
        after = others.filter(gone_at__isnull=True, primary=False).exclude(pk=link.pk).order_by("pk").first()
        link.primary = False
        if after is not None:
            Link.objects.filter(pk=after.pk).update(primary=True, seen={})

    def _revive(self, links: Sequence[Link]) -> None:
        for link in links:
            link.gone_at, link.note = None, ""
        ids = _external_ids(Account, {link.account_id for link in links if link.made and link.account_id})
        at = self.run.created_at
        self._record_accounts([Fact(name, {"archived_at": None}, at) for _, name in sorted(ids.items())])

    def _accounts(self, pairs: Sequence[Pair], counted: set[tuple[str, str]]) -> None:
        self.counts.created += match_accounts(self.connection, self.run, pairs, self.mapping)
        ids = _external_ids(Account, {link.account_id for _, link in pairs if link.account_id})
        reader, facts = Reader(ACCOUNT), []
        for record, link in pairs:
            if link.account_id is None:
                self.counts.unmatched += (record.kind, record.id) in counted
            elif link.primary and (values := self._news(reader, record, link)):
                facts.append(Fact(ids[link.account_id], values, self._at(record)))
        self._record_accounts(facts)

    def _subscriptions(self, pairs: Sequence[Pair]) -> None:
        owners = self._owners(Link.Kind.CUSTOMER, [record for record, _ in pairs])
        reader, facts = Reader(SUBSCRIPTION), []
        for record, link in pairs:
            owner = owners.get(record.parents[0]) if record.parents else None
            if owner is None:
                self.counts.unmatched += 1
                link.note = "Its customer is not matched with an account."
                continue
            link.account_id, name = owner  # type: ignore[assignment]
            link.note = ""
            if values := self._news(reader, record, link, {"account": name}):
                facts.append(Fact(record.id, values, self._at(record)))
        self._record_subscriptions(facts)

    def _contacts(self, pairs: Sequence[Pair]) -> None:
        owners = self._owners(Link.Kind.COMPANY, [record for record, _ in pairs])
        wanted = {record.id: {owners[id_][1] for id_ in record.parents if id_ in owners} for record, _ in pairs}
        homeless = [pair for pair in pairs if not wanted[pair[0].id] and not pair[1].seen.get(ACCOUNTS)]
        self.counts.unmatched += len(homeless)
        kept = [pair for pair in pairs if pair not in homeless]
        names = users_of(kept)
        reader, facts = Reader(USER), []
        for record, link in kept:
            values = self._news(reader, record, link)
            if values or link.user_id is None:
                facts.append(Fact(names[record.id], values, self._at(record)))
        self._take(record_users(facts, source=self.source), facts)
        known = dict(EndUser.objects.filter(external_id__in=names.values()).values_list("external_id", "pk"))
        for record, link in kept:
            link.user_id = known.get(names[record.id])  # type: ignore[assignment]
        self._relate([(link, wanted[record.id]) for record, link in kept if link.user_id])

    def _relate(self, wanted: Sequence[tuple[Link, set[str]]]) -> None:
        """Begin and end the relationships of contacts, as far as they changed since they were told last."""
        names = _external_ids(EndUser, {link.user_id for link, _ in wanted if link.user_id})
        facts, at = [], self.run.created_at
        for link, accounts in wanted:
            had, user = set(link.seen.get(ACCOUNTS) or []), names.get(link.user_id or 0)
            if user is None or had == accounts:
                continue
            facts += [RelationshipFact(user, account, at) for account in sorted(accounts - had)]
            facts += [RelationshipFact(user, account, at, ended_at=at) for account in sorted(had - accounts)]
            link.seen[ACCOUNTS] = sorted(accounts)
        if facts:
            self._take(record_relationships(facts, source=self.source), facts)

    def _owners(self, kind: str, records: Sequence[Record]) -> dict[str, tuple[int, str]]:
        """The account, by primary key and external id, of each parent that is matched."""
        parents = {id_ for record in records for id_ in record.parents}
        rows = Link.objects.filter(connection=self.connection, kind=kind, remote_id__in=parents, account__isnull=False)
        if kind == Link.Kind.COMPANY:
            rows = rows.filter(gone_at__isnull=True)
        return {
            id_: (pk, name) for id_, pk, name in rows.values_list("remote_id", "account_id", "account__external_id")
        }

    def _at(self, record: Record) -> dt.datetime:
        """When a changed value became true: when the record changed, or when this run began to look."""
        return min(record.at, self.present.now) if record.at else self.run.created_at

    def _news(
        self, reader: Reader, record: Record, link: Link, more: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The values that are not what they were when they were seen last. What was never there clears nothing."""
        found: dict[str, Any] = {}
        for key, value in {**record.values, **(more or {})}.items():
            told = None if value == "" else value
            digest = "" if told is None else hashlib.sha256(canonical(told).encode()).hexdigest()[:20]
            before = (link.seen.get(key) or [""])[0]
            if digest == before:
                continue
            try:
                if key != "account":
                    reader.read(key, told)
                if told is None and key in reader.shape.required:
                    continue
            except BadValue as error:
                self.counts.problems.append(f"{record.label or record.id}: {key}: {error}")
                continue
            found[key] = told
            link.seen[key] = [digest, self._at(record).isoformat()]
        return found

    def _record_accounts(self, facts: list[Fact]) -> None:
        if facts:
            self._take(record_accounts(facts, source=self.source), facts)

    def _record_subscriptions(self, facts: list[Fact]) -> None:
        if not facts:
            return
        rows = Subscription.objects.filter(external_id__in=[fact.external_id for fact in facts])
        accounts = set(rows.values_list("account_id", flat=True))
        outcome = record_subscriptions(facts, source=self.source)
        self._take(outcome, facts)
        if outcome.touched:
            accounts |= set(Subscription.objects.filter(pk__in=outcome.touched).values_list("account_id", flat=True))
            roll_up_billing(self.present, list(accounts))

    def _take(self, outcome: Outcome, facts: Sequence[Fact | RelationshipFact]) -> None:
        self.counts.add(outcome, facts)


def _external_ids(model: type[Account] | type[EndUser], ids: Iterable[int | None]) -> dict[int, str]:
    wanted = {pk for pk in ids if pk}
    return dict(model._default_manager.filter(pk__in=wanted).values_list("pk", "external_id")) if wanted else {}
