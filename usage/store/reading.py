"""Events as they were told, into rows that can be stored; what cannot be, with its reason and place."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import connection
from django.utils import timezone

from accounts.facts import Reject
from accounts.privacy.gate import erased_among
from core.clock import Moment
from core.intake import MAX_JSON, BadValue, clean_id, clean_text, fold, short
from usage.models import EventName
from usage.placing.homes import home_at, spans_of
from usage.store.base import Appended, EventFact

FUTURE = dt.timedelta(days=1)  # a sender's clock may be wrong by a zone, not by more
MAX_NAMES = 30_000
_PLAIN_JSON = json.JSONEncoder(allow_nan=False, ensure_ascii=False)


def read_events(
    events: Sequence[EventFact],
    accounts: Mapping[str, int],
    users: Mapping[str, int],
    present: Moment,
    result: Appended,
) -> list[tuple[Any, ...]]:
    """The rows of the events that can be stored, each with its place in the batch; rejects go to `result`.

    `accounts` and `users` give the primary keys of the external ids that are known. Call it inside a transaction: an
    id that was erased is refused, and a new name of an event gets its number.
    """
    named = {"user": {e.user for e in events if e.user}, "account": {e.account for e in events if e.account}}
    erased = erased_among(named)
    unplaced = {event.user for event in events if event.user and not event.account}
    spans = spans_of({users[user] for user in unplaced if user in users})
    names = _name_ids({event.name for event in events if isinstance(event.name, str)})
    rows = []
    for index, event in enumerate(events):
        problems: list[Reject] = []

        def tell(key: str, reason: str, place: int = index, problems: list[Reject] = problems) -> None:
            problems.append(Reject(place, key, reason))

        gone = erased.get(("user", event.user or "")) or erased.get(("account", event.account or ""))
        if gone:
            result.rejected.append(Reject(index, "user" if ("user", event.user) in erased else "account", gone))
            continue
        user = _find(users, event.user, "user", tell)
        account = _find(accounts, event.account, "account", tell)
        if not event.account and user in spans:
            account = home_at(spans[user], event.at)
        inferred = account is not None and (event.inferred or not event.account)
        name = names.get(event.name)
        if name is None:
            tell("event", "An event needs a name of at most 255 characters.")
        if event.at > present.now + FUTURE:
            tell("at", f"{event.at:%Y-%m-%d %H:%M} lies in the future.")
        message_id, properties, folded = _cleaned(event, tell)
        if problems:
            result.rejected += problems
        else:
            result.accounts[index] = account
            folds = json.dumps(folded)
            rows.append((index, account, user, name, event.at, properties, folds, message_id, event.active, inferred))
    return rows


def _cleaned(event: EventFact, tell: Any) -> tuple[str, str, dict[str, str]]:
    """The message id, the properties as JSON text, and the folds of their texts."""
    message_id, properties, folded = "", "{}", {}
    try:
        message_id = clean_id(event.message_id)
    except BadValue as error:
        tell("message_id", str(error))
    try:
        properties, folded = _properties(event.properties), folds_of(event.properties)
    except BadValue as error:
        tell("properties", str(error))
    return message_id, properties, folded


def _find(ids: Mapping[str, int], value: str | None, what: str, tell: Any) -> int | None:
    if not value:
        return None
    if value not in ids:
        tell(what, f"There is no {what} “{short(value)}”. Load {what}s first.")
        return None
    return ids[value]


def _name_ids(names: set[str]) -> dict[str, int]:
    """The small numbers of the events' names; a new name gets one, a name that cannot be one gets none."""
    clean: dict[str, str] = {}
    for name in names:
        try:
            text = clean_text(name, 255)
        except BadValue:
            continue
        if text:
            clean[name] = text
    known = _known_names(clean.values())
    missing = sorted(set(clean.values()) - known.keys())
    if missing and EventName.objects.count() + len(missing) <= MAX_NAMES:
        now = timezone.now()
        EventName.objects.bulk_create(
            [EventName(name=name, first_seen_at=now) for name in missing], ignore_conflicts=True
        )
        known = _known_names(clean.values())
    return {name: known[text] for name, text in clean.items() if text in known}


def _known_names(names: Iterable[str]) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, id FROM usage_eventname WHERE name = ANY(%s)", [sorted(set(names))])
        return dict(cursor.fetchall())


def folds_of(properties: Mapping[str, Any]) -> dict[str, str]:
    """The folds of the properties that are texts; a blank text counts as missing."""
    folds = {name: fold(value) for name, value in properties.items() if isinstance(value, str)}
    return {name: text for name, text in folds.items() if text}


def _properties(properties: Any) -> str:
    """The properties as JSON text; what PostgreSQL cannot keep is refused with its reason."""
    try:
        text = _PLAIN_JSON.encode(dict(properties))
        text.encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise BadValue("The properties are not plain JSON (texts, numbers, lists, objects; no NaN).") from error
    if "\\u0000" in text:
        raise BadValue("A property holds a NUL character. Remove it.")
    if len(text) > MAX_JSON:
        raise BadValue(f"The properties are {len(text):,} characters long; at most {MAX_JSON:,} are kept.")
    return text
