"""A report of a comparison as its page shows it: figures in words, and the interval of each difference as a picture."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from accounts.models import Account
from alerts.comparing.report import TOO_FAR
from alerts.models import Comparison

WIDTH, HIGH, EDGE = 200, 20, 8  # of a picture
FIRST = 10  # sets that are listed; the API has the rest
LABELS = {
    "health": ("Health score", "The mean change since the evening before, in points."),
    "milestone": ("{milestone} reached", "Of those that had not reached it before."),
    "stayed": ("Still a customer", "The share that had not left by then."),
    "renewed": ("Renewed", "Of those whose renewal lay within the days, the share that had not left by then."),
    "mrr": ("MRR retained", "Their MRR then, as a share of the MRR before; expansion counts."),
}
BALANCE = {
    "health": "Health score", "mrr": "MRR", "active": "Active days of the last 30",
    "trend": "Change of the score in the 30 days before", "renews": "Renewal within 90 days",
}  # fmt: skip
SAYS = {"more": "Better", "less": "Worse", "open": "No difference shown", "few": "Too few to conclude"}


@dataclass(frozen=True)
class Row:
    """An outcome after so many days. Places of the picture lie in `WIDTH` by `HIGH`; None where there is none."""

    days: int
    sets: int
    over: int
    accounts: int
    came: str
    beside: str
    difference: str
    interval: str
    verdict: str
    at: int | None
    low: int | None
    high: int | None

    @property
    def says(self) -> str:
        """The conclusion."""
        return SAYS[self.verdict]


@dataclass(frozen=True)
class Table:
    """One outcome with its horizons."""

    key: str
    label: str
    note: str
    rows: list[Row]


@dataclass(frozen=True)
class Balanced:
    """How alike the sides are in a number: texts, and the distances before and after matching."""

    label: str
    key: str
    came: float | None
    pool: float | None
    beside: float | None
    before: str
    after: str
    off: bool
    matched: bool


@dataclass(frozen=True)
class Pair:
    """A set: who came in and when, and who stands beside, as far as this person may see them."""

    account: Account
    day: dt.date
    beside: list[Account]


@dataclass(frozen=True)
class ComparisonView:
    """All of it. `findings` are sentences for whoever reads nothing else; `hidden` counts sets that are not listed."""

    report: dict[str, Any]
    findings: list[str]
    tables: list[Table]
    balance: list[Balanced]
    apart: str
    pairs: list[Pair]
    hidden: int
    intervals: int
    later: int


def comparison_view(comparison: Comparison, viewer: Any) -> ComparisonView:
    """The report for one person, who sees the accounts that this person may see."""
    report = comparison.report
    keys = list(dict.fromkeys(one["key"] for one in report["outcomes"]))
    tables = [_table(key, [one for one in report["outcomes"] if one["key"] == key], comparison) for key in keys]
    balance = [_balanced(one) for one in report["balance"]]
    apart = " and ".join(one.label.lower().replace("mrr", "MRR") for one in balance if one.matched and one.off)
    pairs = _pairs(report, viewer)
    return ComparisonView(
        report, _findings(tables), tables, balance, apart, pairs, report["matched"] - len(pairs),
        sum(row.low is not None for table in tables for row in table.rows),
        max((one["later"] or 0 for one in report["outcomes"]), default=0),
    )  # fmt: skip


def _table(key: str, found: list[dict[str, Any]], comparison: Comparison) -> Table:
    label, note = LABELS[key]
    ends = [abs(one[name]) for one in found for name in ("low", "high") if one.get(name) is not None]
    ends += [abs(one["came"] - one["beside"]) for one in found if one.get("came") is not None]
    scale = (WIDTH / 2 - EDGE) / (max(ends, default=0) or 1)
    return Table(key, label.format(milestone=comparison.of_milestone), note, [_row(key, one, scale) for one in found])


def _row(key: str, one: dict[str, Any], scale: float) -> Row:
    if one["came"] is None:
        return Row(one["days"], 0, one["over"], 0, "", "", "", "", one["verdict"], None, None, None)

    def place(value: float) -> int:
        return round(WIDTH / 2 + scale * value)

    difference, low, high = one["came"] - one["beside"], one["low"], one["high"]
    known = low is not None and high is not None
    return Row(
        one["days"], one["sets"], one["over"], one["accounts"], _level(key, one["came"]), _level(key, one["beside"]),
        f"{_number(key, difference)} points", f"{_number(key, low)} to {_number(key, high)}" if known else "",
        one["verdict"], place(difference), place(low) if known else None, place(high) if known else None,
    )  # fmt: skip


def _level(key: str, value: float) -> str:
    """What one side came to: a change in points, or a percentage."""
    return _number(key, value) if key == "health" else f"{100 * value:.0f} %"


def _number(key: str, value: float) -> str:
    """A difference with its sign: points of the score, or percentage points."""
    text = f"{value:+.1f}" if key == "health" else f"{100 * value:+.0f}"
    return ("0" if float(text) == 0 else text).replace("-", "−")


def _findings(tables: list[Table]) -> list[str]:
    """Of each outcome what its longest time says of which something can be concluded."""
    found = []
    for table in tables:
        row = next((row for row in reversed(table.rows) if row.verdict != "few"), None)
        if row is not None:
            between = f"{row.difference}, 95 % interval {row.interval}"
            found.append(f"{table.label} after {row.days} days: {row.says.lower()} ({between}).")
    return found


def _balanced(one: dict[str, Any]) -> Balanced:
    def text(value: float | None) -> str:
        return "–" if value is None else f"{value:+.2f}".replace("-", "−")

    off = one["after"] is not None and abs(one["after"]) > TOO_FAR
    return Balanced(
        BALANCE[one["key"]], one["key"], one["came"], one["pool"], one["beside"], text(one["before"]),
        text(one["after"]), off, one["matched"],
    )  # fmt: skip


def _pairs(report: dict[str, Any], viewer: Any) -> list[Pair]:
    rows: dict[int, list[list[Any]]] = {}
    for row in report["sets"]:
        rows.setdefault(row[1], []).append(row)
    wanted = [found for found in rows.values() if found[0][3]][: 4 * FIRST]
    ids = {row[0] for found in wanted for row in found}
    accounts = Account.objects.visible_to(viewer).filter(pk__in=ids).only("name").in_bulk()
    pairs = [
        Pair(
            accounts[first[0]], dt.date.fromisoformat(first[2]),
            [accounts[row[0]] for row in others if row[0] in accounts],
        )
        for first, *others in wanted
        if first[0] in accounts
    ]  # fmt: skip
    return pairs[:FIRST]
