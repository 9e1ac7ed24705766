"""Families of values that are close to each other in a way that engines get wrong, by kind of field."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any

from tests.segments.oracle import exact, fold, moved


class _Absent:
    """No key at all, unlike a key with null."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()
MISSING = [None, ABSENT, ""]
_ANY = ("is_set", "is_not_set")
_TEXT = (
    "is",
    "is_not",
    "any_of",
    "none_of",
    "contains",
    "not_contains",
    "starts_with",
    "ends_with",
    "matches",
    "not_matches",
)
_NUMBER = (
    "equals",
    "not_equals",
    "more_than",
    "at_least",
    "less_than",
    "at_most",
    "between",
    "not_between",
    "any_of",
    "none_of",
)
_PERIODS = tuple(f"{when}_{unit}" for when in ("this", "last", "next") for unit in ("week", "month", "quarter", "year"))
_SPANS = ("within_last", "within_next", "more_than_ago", "more_than_ahead")
_DATE = ("on", "before", "after", "on_or_before", "on_or_after", "between", *_SPANS * 4, *_PERIODS)
_CHOICE = ("is", "is_not", "any_of", "none_of")
OPERATORS: dict[str, tuple[str, ...]] = {
    "text": _TEXT + _ANY,
    "link": _TEXT + _ANY,
    "number": _NUMBER + _ANY,
    "money": _NUMBER + _ANY,
    "percent": _NUMBER + _ANY,
    "boolean": ("is_true", "is_false", *_ANY),
    "date": _DATE + _ANY,
    "datetime": _DATE + _ANY,
    "choice": _CHOICE + _ANY,
    "list": ("includes_any", "includes_all", "includes_none", *_ANY),
    "person": (*_CHOICE, "is_me", "is_unassigned", *_ANY),
}
TEXTS = [
    ["a_b", "axb", "a%b", "a\\b", "ab", "_", "%", "a__b"],
    ["pro", "PRO", " Pro ", "Pro\u00a0", "prop", "apro", "pr"],
    ["caf\u00e9", "cafe\u0301", "CAF\u00c9", "cafe", "caf", "CAFE\u0301 bar"],
    ["\u0130stanbul", "istanbul", "\u0131stanbul", "ISTANBUL", "i\u0307stanbul"],
    ["stra\u00dfe", "STRASSE", "strasse", "Stra\u1e9ee", "ss", "s"],
    [
        "\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2",
        "\u03c3\u03af\u03c3\u03c5\u03c6\u03bf\u03c3",
        "\u03c3",
        "\u03c2",
        "\u03a3",
    ],
    ["null", "0", "false", "none", "None", "NULL"],
    ["' OR 1=1 --", "'", '"', "$1", "%s", "%(x)s", "{}", "a'b"],
    ["ffi", "\ufb03", "\uff41", "a", "\U0001f600", "\U0001f600a"],
]
PATTERNS = ["^pro", "PRO$", "a.b", "^a_b$", "s+e$", "(caf|str)", "[0-9]", "^.{2}$", "CAF\u00c9", "o", "^$", "x|y"]
NUMBERS = [
    [Decimal("0.1"), Decimal("0.10"), Decimal("0.100001"), Decimal("0.099999"), Decimal("0.3")],
    [Decimal(2**53), Decimal(2**53 + 1), Decimal(2**53 - 1), Decimal(2**53 + 2)],
    [Decimal(-1), Decimal(0), Decimal(1), Decimal("0.000001"), Decimal("-0.000001")],
    [Decimal(99), Decimal(100), Decimal(101), Decimal("100.000001"), Decimal("99.999999"), Decimal(50), Decimal(200)],
]
MONEY = [
    [Decimal("0.00"), Decimal("0.01"), Decimal("0.1"), Decimal(1)],
    [Decimal("99.99"), Decimal(100), Decimal("100.01"), Decimal(50), Decimal(200)],
    [Decimal(2**53), Decimal(2**53 + 1), Decimal(2**53 - 1)],
]
COUNTS = [[Decimal(0), Decimal(1), Decimal(2)], [Decimal(9), Decimal(10), Decimal(11), Decimal(5), Decimal(20)]]
SPANS = [
    (1, "day"),
    (7, "day"),
    (30, "day"),
    (1, "week"),
    (2, "week"),
    (1, "month"),
    (3, "month"),
    (1, "year"),
    (4, "year"),
]
HOURS = [(1, "hour"), (24, "hour"), (25, "hour"), (48, "hour")]
TICK = dt.timedelta(microseconds=1)
ONE = dt.timedelta(days=1)


@dataclass
class Pool:
    """What an example's rows hold in one field, and what its rules ask for."""

    kind: str
    values: list[Any]
    asked: list[Any]
    spans: list[tuple[int, str]]

    def span(self, dice: Random) -> dict[str, Any]:
        """A length of time, one of the two whose edges the values lie at."""
        n, unit = dice.choice(self.spans)
        return {"n": n, "unit": unit}

    def operand(self, dice: Random, op: str, others: list[str]) -> Any:
        """The value that goes with an operator, None for one that needs none."""
        if op in _SPANS:
            return self.span(dice)
        if op in _PERIODS or op in ("is_set", "is_not_set", "is_true", "is_false", "is_me", "is_unassigned"):
            return None
        if op in ("matches", "not_matches"):
            return dice.choice(PATTERNS)
        if op.startswith("includes") or op in ("any_of", "none_of"):
            return [dice.choice(self.asked) for _ in range(dice.randint(1, 3))]
        if op in ("between", "not_between"):
            return sorted([dice.choice(self.asked), dice.choice(self.asked)])
        if self.kind in ("number", "money", "percent") and others and dice.randint(0, 1) == 0:
            percent = dice.choice([100, 50, 200, 0, 33.3, 12.5, 100.000001])
            return {"percent": percent, "of": dice.choice(others)}
        return dice.choice(self.asked)


def plain(number: Decimal) -> int | float:
    """A decimal as JSON writes it."""
    return int(number) if number == number.to_integral_value() else float(number)


def pool(dice: Random, kind: str, key: str, now: dt.datetime, zone: dt.tzinfo, pairs: list[tuple[str, str]]) -> Pool:
    """The family of one field in one example."""
    if kind in ("date", "datetime"):
        return _times(dice, kind, now, zone, custom=".custom." in key)
    custom = ".custom." in key
    if kind in ("number", "money", "percent"):
        return _numbers(dice, kind, key, custom)
    if kind == "boolean":
        wrong = ["true", 1] if custom else []
        return Pool(kind, [True, False, None, ABSENT, *wrong], [], [])
    if kind == "list":
        texts = dice.choice(TEXTS)
        asked = [text for text in texts if fold(text)]
        some = [[dice.choice(texts) for _ in range(dice.randint(0, 3))] for _ in range(4)]
        return Pool(kind, [*some, [texts[0], texts[0]], [], [""], None, ABSENT], asked, [])
    if kind in ("choice", "person"):
        values = [value for value, _ in pairs]
        written = [label for _, label in pairs] if custom else values
        more = ["gone", "", ABSENT] if custom else []
        return Pool(
            kind, [*written, None, *more], [*values, *(label.upper() for _, label in pairs if label.isascii())], []
        )
    texts = dice.choice([*TEXTS, TEXTS[0], TEXTS[0], TEXTS[0]])
    wrong = [7, True] if custom else []
    return Pool(kind, [*texts, *texts, *MISSING, " ", *wrong], [text for text in texts if fold(text)], [])


def _numbers(dice: Random, kind: str, key: str, custom: bool) -> Pool:
    if not custom and kind == "number":
        numbers = dice.choice(COUNTS)
        return Pool(kind, [*map(plain, numbers), None], [plain(n) for n in numbers] + [0.5, -1], [])
    numbers = dice.choice(NUMBERS if custom and kind != "money" else MONEY)
    near = [plain(n + d) for n in numbers for d in (Decimal("0.000001"), Decimal("-0.000001")) if abs(n) < 10**6]
    asked = [plain(n) for n in numbers] + near
    if not custom:
        return Pool(kind, [*numbers, None], asked, [])
    if kind != "money":
        return Pool(kind, [*map(plain, numbers), None, ABSENT, "1", True, "", "0.1"], asked, [])
    amounts = [{"amount": plain(n), "currency": c} for n in numbers for c in ("USD", "EUR", "JPY")]
    odd = [
        {"amount": 100, "currency": "XXX"},
        {"amount": "100", "currency": "USD"},
        {"currency": "USD"},
        100,
        None,
        ABSENT,
    ]
    euros = [plain(n * Decimal("1.08")) for n in numbers if exact(n) < 10**6]
    return Pool(kind, [*amounts, *odd], asked + euros, [])


def _times(dice: Random, kind: str, now: dt.datetime, zone: dt.tzinfo, custom: bool) -> Pool:
    today = now.astimezone(zone).date()
    spans = [dice.choice(SPANS) for _ in range(2)]
    days = {today - ONE, today, today + ONE}
    for n, unit in spans:
        for sign in (-1, 1):
            edge = moved(today, {"n": n, "unit": unit}, sign)
            days |= {edge - ONE, edge, edge + ONE}
    monday = today - today.weekday() * ONE
    firsts = [
        monday,
        monday + 7 * ONE,
        monday - 7 * ONE,
        today.replace(day=1),
        moved(today.replace(day=1), {"n": 1, "unit": "month"}, 1),
    ]
    firsts += [
        today.replace(month=3 * ((today.month - 1) // 3) + 1, day=1),
        today.replace(month=1, day=1),
        dt.date(today.year + 1, 1, 1),
    ]
    first = dice.choice(firsts)
    days |= {first - ONE, first, dt.date(2028, 2, 29)}
    asked = sorted(day.isoformat() for day in days)
    if kind == "date":
        wrong = ["soon", ABSENT, ""] if custom else []
        return Pool(kind, [*sorted(days), None, *wrong], asked, spans)
    hours = [dice.choice(HOURS)]
    starts = [dt.datetime.combine(day, dt.time(), tzinfo=zone).astimezone(dt.UTC) for day in sorted(days)]
    instants = {start + shift for start in starts for shift in (-TICK, TICK * 0, dt.timedelta(hours=3))} | {now}
    for n, _ in hours:
        for edge in (now - dt.timedelta(hours=n), now + dt.timedelta(hours=n)):
            instants |= {edge - TICK, edge, edge + TICK}
    wrong = ["soon", ABSENT, ""] if custom else []
    return Pool(kind, [*sorted(instants), None, *wrong], asked, spans + hours)
