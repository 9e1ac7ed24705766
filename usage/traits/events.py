"""Traits made of events: how many, sums and averages of a property, the most frequent value, the first, the last, all.

Events count in the context of their account. A trait of a user is made of what the user did in that account.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accounts.fields import Kind
from accounts.fields.properties import PropertyTest
from accounts.fields.windows import Window, window_words
from usage.traits.definitions import Method, Scope, register_methods
from usage.traits.properties import Sql, number_of, property_sql, read_conditions, text_of
from usage.traits.reading import Reading
from usage.traits.windows import days_of, instants_of

LONGEST_LIST = 100
MOST_EVENTS = 20
AGGREGATES = {"sum": "Sum", "avg": "Average", "min": "Smallest value", "max": "Largest value"}
_FOUND = "SELECT {keys}, {value} FROM usage_event e WHERE {where}"


@dataclass(frozen=True)
class EventTrait:
    """Events by name within a window, narrowed by conditions on their properties, and what is made of them."""

    method: str
    events: tuple[str, ...]
    window: Window
    where: tuple[PropertyTest, ...]
    name: str
    as_kind: Kind

    @property
    def kind(self) -> Kind:
        """Counts and aggregates are numbers; without a property, first and last are the time of the event."""
        if self.method in ("first", "last", "most_frequent"):
            return self.as_kind if self.name else Kind.DATETIME
        return Kind.LIST if self.method == "unique_list" else Kind.NUMBER

    @property
    def words(self) -> str:
        """How it is computed, in a sentence."""
        of = " or ".join(self.events)
        if self.method == "count":
            made = f"Number of {of} events"
        elif not self.name:
            made = f"Time of the {self.method} {of} event"
        else:
            made = f"{LABELS[self.method]} of {self.name} in {of} events"
        narrowed = f" where {' and '.join(c.words for c in self.where)}" if self.where else ""
        return f"{made} {window_words(self.window)}{narrowed}"

    def fields(self) -> set[str]:
        """It reads events only."""
        return set()

    def source(self, scope: Scope) -> Sql:
        """One pass over the events of the window."""
        if self.method == "count" and not self.where and not self.window.by_hours:
            return self.counted_days(scope)
        if self.method == "count":
            return self.grouped("to_jsonb(count(*))", [], scope)
        if self.method in AGGREGATES:
            number, params = number_of(self.name)
            return self.grouped(f"to_jsonb(trim_scale(round({self.method}({number}), 6)))", params, scope)
        if self.method == "most_frequent":
            return self.most_frequent(scope)
        if self.method in ("first", "last"):
            return self.end_of(scope)
        return self.unique(scope)

    def where_sql(self, scope: Scope, *, further: Sequence[str] = ()) -> Sql:
        """The events that count, as a condition on `e`."""
        start, end = instants_of(self.window, scope.moment)
        names = "e.name_id IN (SELECT id FROM usage_eventname WHERE name = ANY(%s))"
        parts, params = ["e.account_id IS NOT NULL", names, "e.at < %s"], [list(self.events), end]
        if scope.subject == "user":
            parts.append("e.user_id IS NOT NULL")
        if start is not None:
            parts.append("e.at >= %s")
            params.append(start)
        for condition in self.where:
            sql, bound = property_sql(condition, scope.moment)
            parts.append(sql)
            params += bound
        asked, ids = scope.asked("e.account_id")
        return " AND ".join([*parts, *further]) + asked, [*params, *ids]

    def counted_days(self, scope: Scope) -> Sql:
        """Whole days without conditions are counted already."""
        first, last = days_of(self.window, scope.moment)
        keys = scope.keys.replace("e.", "d.")
        mine = " AND d.user_id IS NOT NULL" if scope.subject == "user" else ""
        since, params = ("", []) if first is None else (" AND d.day >= %s", [first])
        asked, ids = scope.asked("d.account_id")
        return (
            f"SELECT {keys}, to_jsonb(sum(d.count)) AS value FROM usage_dailyusage d"  # noqa: S608 - constants
            f" WHERE d.name_id IN (SELECT id FROM usage_eventname WHERE name = ANY(%s)) AND d.day <= %s{since}{mine}"
            f"{asked} GROUP BY {keys}",
            [list(self.events), last, *params, *ids],
        )

    def grouped(self, value: str, params: list[object], scope: Scope) -> Sql:
        """One aggregate over the events of each account or user."""
        where, bound = self.where_sql(scope)
        found = _FOUND.format(keys=scope.keys, value=f"{value} AS value", where=where)
        return f"{found} GROUP BY {scope.keys}", [*params, *bound]

    def most_frequent(self, scope: Scope) -> Sql:
        """The value met most often, at least twice; of several, the first by the alphabet."""
        keys = scope.keys.replace("e.", "f.")
        value, params = number_of(self.name) if self.as_kind is Kind.NUMBER else text_of(self.name)
        where, bound = self.where_sql(scope)
        found = _FOUND.format(keys=scope.keys, value=f"{value} AS value, count(*) AS n", where=where)
        grouped = f"{found} GROUP BY {scope.keys}, value HAVING count(*) >= 2"
        order = "f.value" if self.as_kind is Kind.NUMBER else 'f.value COLLATE "C"'
        sql = (
            f"SELECT DISTINCT ON ({keys}) {keys}, to_jsonb(f.value) AS value FROM ({grouped}) f"  # noqa: S608
            f" WHERE f.value IS NOT NULL ORDER BY {keys}, f.n DESC, {order}"
        )
        return sql, [*params, *bound]

    def end_of(self, scope: Scope) -> Sql:
        """The first or last value that is known; events of one instant in the order in which they came."""
        where, bound = self.where_sql(scope)
        if not self.name:
            edge = "min" if self.method == "first" else "max"
            return self.grouped(f"to_jsonb({edge}(e.at))", [], scope)
        value, params = number_of(self.name) if self.as_kind is Kind.NUMBER else text_of(self.name)
        direction = "" if self.method == "first" else " DESC"
        found = _FOUND.format(
            keys=f"DISTINCT ON ({scope.keys}) {scope.keys}",
            value=f"to_jsonb({value}) AS value",
            where=f"{where} AND {value} IS NOT NULL",
        )
        return f"{found} ORDER BY {scope.keys}, e.at{direction}, e.id{direction}", [*params, *bound, *params]

    def unique(self, scope: Scope) -> Sql:
        """The different values, by the alphabet, at most a hundred of them; or how many there are."""
        keys = scope.keys.replace("e.", "f.")
        value, params = text_of(self.name)
        where, bound = self.where_sql(scope)
        found = _FOUND.format(keys=f"DISTINCT {scope.keys}", value=f"{value} AS value", where=where)
        made = "to_jsonb(count(f.value))"
        if self.method == "unique_list":
            ordered = 'array_agg(f.value ORDER BY f.value COLLATE "C")'
            made = f"to_jsonb(({ordered} FILTER (WHERE f.value IS NOT NULL))[1:{LONGEST_LIST}])"
        return f"SELECT {keys}, {made} AS value FROM ({found}) f GROUP BY {keys}", [*params, *bound]  # noqa: S608


def _read(method: str) -> object:
    def read(reading: Reading) -> EventTrait:
        given = reading.raw("event")
        names = given if isinstance(given, list) else [given] if given not in (None, "") else []
        if not 1 <= len(names) <= MOST_EVENTS:
            reading.fail("/event", "required", f"Name the event, or up to {MOST_EVENTS} of them.")
            names = []
        events = tuple(dict.fromkeys(reading.item(name, "/event") for name in names))
        valued = method in ("first", "last", "most_frequent")
        name = "" if method == "count" else reading.text("property", "The property", required=method not in TIMED)
        as_kind = Kind(reading.one_of("as", ("text", "number"), "text")) if valued else Kind.TEXT
        return EventTrait(method, events, reading.window(), read_conditions(reading), name, as_kind)

    return read


TIMED = ("first", "last")
LABELS = {
    "count": "Event counter",
    **AGGREGATES,
    "most_frequent": "Most frequent value",
    "first": "First value",
    "last": "Last value",
    "unique_list": "Unique list",
    "unique_count": "Unique list count",
}

_MORE = {"count": (), **dict.fromkeys(("first", "last", "most_frequent"), ("property", "as"))}

register_methods(
    Method(
        key,
        label,
        "Events",
        _read(key),  # type: ignore[arg-type]
        zero=key in ("count", "sum", "unique_count"),
        unit="events" if key == "count" else "",
        needs=("event", "window", "where", *_MORE.get(key, ("property",))),
    )
    for key, label in LABELS.items()
)
