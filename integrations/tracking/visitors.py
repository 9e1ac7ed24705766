"""What is kept of a visitor: per value the newest ones, per account the first instant and the newest ones.

An entry is `{"values": {...}, "at": instant}`, with `account` if it is about belonging, `ended` if that ended then, and
`former` if it was said by the id as a userId, before or after an alias call gave that up.
It is told once the user is known: what is told in the end is what a known user would have been. It is kept beyond that,
because of several users the one who was the visitor then may be heard of later; so what is told is lent.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from accounts.facts import CLEARED, Fact, RelationshipFact
from accounts.facts.people import IN, OUT, periods
from accounts.facts.shapes import CUSTOM
from accounts.facts.values import canonical
from integrations.tracking.messages import Tracked
from usage.placing.homes import Span

MOST_ACCOUNTS = 1_000  # that one visitor can belong to, those named last
MOST_TIMES = 10  # that one value, or the belonging to one account, is kept of, so that pages which repeat their calls
# push nothing else out
Entry = dict[str, Any]


def stated(message: Tracked) -> list[Entry]:
    """What a message without a user says of its visitor."""
    at = message.at.isoformat()
    found: list[Entry] = []
    if message.kind == "identify" and message.traits:
        found.append({"values": _plain(message.traits), "at": at})
    if message.company:
        found.append({"account": message.company, "values": {}, "at": at})
    if message.tells_belonging:
        entry: Entry = {"account": message.account, "values": _plain(message.relationship), "at": at}
        found.append(entry | ({"ended": True} if message.leaves else {}))
    return found


def entry_of(fact: Fact | RelationshipFact) -> Entry:
    """What is known of a user who becomes another one, to be kept under the id that was given up."""
    entry: Entry = {"values": _plain(fact.values), "at": fact.at.isoformat(), "former": True}
    if isinstance(fact, RelationshipFact):
        entry |= {"account": fact.account} | ({"ended": True} if fact.ended_at else {})
    return entry


def merged(entries: Iterable[Entry]) -> list[Entry]:
    """The same in as few entries as need be, whatever the order and repetition: by account and by time."""
    ranks: dict[tuple[str, str, bool], dict[tuple[Any, ...], Any]] = defaultdict(dict)
    marks: dict[tuple[str, bool, bool], list[dt.datetime]] = defaultdict(list)
    for entry in entries:
        account, ended, former = entry.get("account", ""), bool(entry.get("ended")), bool(entry.get("former"))
        if account:
            marks[account, ended, former].append(instant(entry))
        for key, value in entry["values"].items():
            ranks[account, key, former][instant(entry), canonical(value), ended] = value
    kept: dict[tuple[str, dt.datetime, bool, bool], dict[str, Any]] = defaultdict(dict)
    for (account, key, former), values in ranks.items():
        for at, told_as, ended in sorted(values)[-MOST_TIMES:]:
            kept[account, at, ended, former][key] = values[at, told_as, ended]
    for (account, ended, former), ats in marks.items():
        for at in {min(ats), *sorted(set(ats))[-MOST_TIMES:]}:
            kept.setdefault((account, at, ended, former), {})
    last: dict[str, dt.datetime] = {}
    for (account, *_), ats in marks.items():
        last[account] = max(*ats, last.get(account, ats[0]))
    chosen = set(sorted(last, key=lambda account: (last[account], account))[-MOST_ACCOUNTS:]) | {""}
    return [
        {"values": kept[key], "at": key[1].isoformat()}
        | ({"account": key[0]} if key[0] else {}) | ({"ended": True} if key[2] else {})
        | ({"former": True} if key[3] else {})
        for key in sorted(kept, key=lambda key: (key[1], key[0], *key[2:])) if key[0] in chosen
    ]  # fmt: skip


def spans(entries: Iterable[Entry]) -> list[Span[str]]:
    """The visitor's periods of belonging, by the accounts' external ids."""
    marks: dict[str, list[tuple[dt.datetime, int]]] = defaultdict(list)
    for entry in entries:
        if "account" in entry:
            marks[entry["account"]].append((instant(entry), OUT if entry.get("ended") else IN))
    return [
        Span(account, period.starts or period.ends, period.ends)  # type: ignore[arg-type]
        for account, found in marks.items()
        for period in periods(found)
    ]


def told(user: str, entries: Sequence[Entry]) -> list[Fact | RelationshipFact]:
    """The same as facts about a user (an external id)."""
    found: list[Fact | RelationshipFact] = []
    for entry in entries:
        at = instant(entry)
        values = {
            key: CLEARED if value is None and key.startswith(CUSTOM) else value
            for key, value in entry["values"].items()
        }
        if "account" in entry:
            ended = at if entry.get("ended") else None
            found.append(RelationshipFact(user, entry["account"], at, values, ended_at=ended, lent=True))
        else:
            found.append(Fact(user, values, at, lent=True))
    return found


def instant(entry: Entry) -> dt.datetime:
    """When it was true."""
    return dt.datetime.fromisoformat(entry["at"])


def _plain(values: Any) -> dict[str, Any]:
    """Values as JSON keeps them."""
    return {key: None if value is CLEARED else value for key, value in values.items()}
