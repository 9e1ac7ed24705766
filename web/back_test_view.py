"""A report of a back-test as its page shows it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from accounts.models import Account
from health.backtest.models import BackTest
from health.models import Band
from web.band_charts import BandHistory, band_history

FIRST = 25  # rows of a table; the API has the rest
BANDS = ("good", "average", "poor", "none")  # the order in the report
NAMES = {str(value): str(label) for value, label in Band.choices}


@dataclass(frozen=True)
class Side:
    """One of the two definitions: its name, the mix over time, its figures by horizon."""

    key: str
    name: str
    chart: BandHistory
    alerts: int
    horizons: list[dict[str, Any]]


@dataclass(frozen=True)
class Month:
    """Falls to Poor in a month, and who was Poor at its end, for each side."""

    first: dt.date
    falls: list[int]
    poor: list[int]

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Both numbers of each side."""
        return list(zip(self.falls, self.poor, strict=True))


@dataclass(frozen=True)
class Moved:
    """An account with its two bands on the last day."""

    account: Account
    before: str
    after: str

    @property
    def before_label(self) -> str:
        """In words."""
        return NAMES[self.before]

    @property
    def after_label(self) -> str:
        """In words."""
        return NAMES[self.after]


@dataclass(frozen=True)
class Raised:
    """An alert: whose, when, the churn that followed (None: none so far), and whether that can be said already."""

    account: Account
    day: dt.date
    churn: dt.date | None
    known: bool

    @property
    def lead(self) -> int:
        """Days from the alert to the churn."""
        return (self.churn - self.day).days if self.churn else 0


@dataclass(frozen=True)
class ReportView:
    """All of it. `hidden` says how many accounts of the two lists this person may not see, or are gone."""

    sides: list[Side]
    rows: list[tuple[int, list[dict[str, Any]]]]
    months: list[Month]
    flows: list[tuple[str, str, str, str, int]]
    moved: list[Moved]
    raised: list[Raised]
    gaps: list[dict[str, Any]]
    accounts: int
    churns: int
    moved_total: int
    hidden: int


def report_view(test: BackTest, viewer: Any) -> ReportView:
    """The report for one person, who sees the accounts that this person may see."""
    report = test.report
    sides = _sides(test)
    wanted = {row[0] for name in ("moved", "raised") for row in report[name]}
    accounts = Account.objects.visible_to(viewer).filter(pk__in=wanted).only("name").in_bulk()
    moved = [Moved(accounts[pk], before, after) for pk, before, after in report["moved"] if pk in accounts]
    raised = [
        Raised(accounts[pk], dt.date.fromisoformat(day), churn and dt.date.fromisoformat(churn), known)
        for pk, day, churn, known in report["raised"]
        if pk in accounts
    ]
    flows = [(*key.split(), *(NAMES[band] for band in key.split()), n) for key, n in report["moves"].items()]
    figures = [report["sides"][side.key]["horizons"] for side in sides]
    rows = [(row[0]["days"], list(row)) for row in zip(*figures, strict=True)]
    return ReportView(
        sides, rows, _months(report, sides), sorted(flows, key=lambda flow: -flow[4]),  # type: ignore[misc]
        moved[:FIRST], raised[:FIRST], [_gap(one) for one in report["gaps"]],
        report["accounts"], report["churns"], report["moved_total"], len(wanted) - len(accounts),
    )  # fmt: skip


def side_names(test: BackTest) -> dict[str, str]:
    """What each side is called, the earlier definition first."""
    names = {} if test.against is None else {"against": _capital(test.beside)}
    return names | {"tested": _capital(test.what)}


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _sides(test: BackTest) -> list[Side]:
    found = []
    names = side_names(test)
    every = {key: _points(test.report["sides"][key]["mix"]) for key in names}
    top = max((sum(counts.values()) for points in every.values() for _, counts in points), default=0)
    for key, name in names.items():
        figures = test.report["sides"][key]
        found.append(Side(key, name, band_history(every[key], top), figures["alerts"], figures["horizons"]))
    return found


def _points(mix: list[list[Any]]) -> list[tuple[dt.date, dict[str, int]]]:
    return [(dt.date.fromisoformat(day), dict(zip(BANDS, counts, strict=True))) for day, *counts in mix]


def _months(report: dict[str, Any], sides: list[Side]) -> list[Month]:
    """Newest first."""
    ends = [{day[:7]: dict(zip(BANDS, counts, strict=True)) for day, *counts in report["sides"][side.key]["mix"]}
            for side in sides]  # fmt: skip
    falls = [report["sides"][side.key]["falls"] for side in sides]
    return [
        Month(dt.date.fromisoformat(f"{month}-01"), [one[month] for one in falls], [one[month]["poor"] for one in ends])
        for month in sorted(ends[0], reverse=True)
    ]


def _gap(gap: dict[str, Any]) -> dict[str, Any]:
    return gap | {"until": dt.date.fromisoformat(gap["until"]) if gap["until"] else None}
