"""A report of a back-test as its page shows it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from accounts.models import Account
from health.backtest.models import BackTest
from health.models import Band
from web.band_charts import BandHistory, band_history
from web.templatetags.csbox import day_text

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
    why: str = ""

    @property
    def before_label(self) -> str:
        """In words."""
        return NAMES[self.before]

    @property
    def after_label(self) -> str:
        """In words."""
        return NAMES[self.after]


@dataclass(frozen=True)
class Cell:
    """How many accounts one definition gives a band and the other another one, or the same; None where a report from
    before does not say."""

    before: str
    after: str
    number: int | None

    @property
    def label(self) -> str:
        """In words, for who hears the number alone."""
        after = "stay" if self.before == self.after else f"would be {NAMES[self.after]}"
        return f"{NAMES[self.before]} accounts that {after}"


@dataclass(frozen=True)
class GridRow:
    """A band by the earlier definition, with the accounts by the band that the tested one gives them."""

    band: str
    label: str
    cells: list[Cell]


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
    rows: list[tuple[int, list[tuple[str, dict[str, Any]]]]]
    months: list[Month]
    grid: list[GridRow]
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
    moved = [Moved(accounts[row[0]], *row[1:]) for row in report["moved"] if row[0] in accounts]
    raised = [
        Raised(accounts[pk], dt.date.fromisoformat(day), churn and dt.date.fromisoformat(churn), known)
        for pk, day, churn, known in report["raised"]
        if pk in accounts
    ]
    figures = [report["sides"][side.key]["horizons"] for side in sides]
    keys = [side.key for side in sides]
    rows = [(row[0]["days"], list(zip(keys, row, strict=True))) for row in zip(*figures, strict=True)]
    return ReportView(
        sides, rows, _months(report, sides), _grid(report), moved[:FIRST], raised[:FIRST],
        [_gap(one) for one in report["gaps"]],
        report["accounts"], report["churns"], report["moved_total"], len(wanted) - len(accounts),
    )  # fmt: skip


def _grid(report: dict[str, Any]) -> list[GridRow]:
    """Old band by new band; Not scored only where some account is."""
    stays: dict[str, int] | None = report.get("stays")
    numbers = {tuple(pair.split()): number for pair, number in report["moves"].items()}
    numbers |= {(band, band): number for band, number in (stays or {}).items()}
    shown = [band for band in BANDS if band != "none" or any("none" in pair for pair in numbers)]

    def cell(before: str, after: str) -> Cell:
        unknown = before == after and stays is None
        return Cell(before, after, None if unknown else numbers.get((before, after), 0))

    return [GridRow(band, NAMES[band], [cell(band, after) for after in shown]) for band in shown]


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


@dataclass(frozen=True)
class Behind:
    """The accounts behind a number of a report: what they are, and each with what is said of it. `total` is the number
    in the report; of more than the report holds the first are there, and `hidden` may not be seen or are gone."""

    title: str
    rows: list[tuple[Account, str]]
    total: int
    hidden: int


def behind(test: BackTest, asked: dict[str, str], viewer: Any) -> Behind | None:
    """What the address asks for: `of` moved (with `before` and `after`), alerts or left, with `side` and `days`, and
    `right`, `caught` or `already` as yes. None where that is in no report."""
    report, of = test.report, asked.get("of", "")
    side, days = asked.get("side", ""), asked.get("days", "")
    if of == "moved":
        pair = (asked.get("before", ""), asked.get("after", ""))
        if pair[0] == pair[1] and pair[0] in NAMES:
            same = [(row[0], "") for row in report.get("stayed", ()) if row[1] == pair[0]]
            return _behind(f"{NAMES.get(pair[0], '')} by both", same, report.get("stays", {}).get(pair[0], 0), viewer)
        found = [(row[0], row[3] if len(row) > 3 else "") for row in report["moved"] if tuple(row[1:3]) == pair]
        title = f"{NAMES.get(pair[0], '')} became {NAMES.get(pair[1], '')}"
        return _behind(title, found, report["moves"].get(" ".join(pair), 0), viewer)
    horizon = next((one for one in _horizons(report, side) if str(one["days"]) == days), None)
    if horizon is None or of not in ("alerts", "left"):
        return None
    name = side_names(test)[side]
    if of == "alerts":
        return _alerts(report, side, name, horizon, asked.get("right") == "yes", viewer)
    return _left(report, side, name, horizon, asked, viewer)


def _horizons(report: dict[str, Any], side: str) -> list[dict[str, Any]]:
    found = report["sides"].get(side) if side in ("tested", "against") else None
    return list(found["horizons"]) if found else []


def _left(
    report: dict[str, Any], side: str, name: str, horizon: dict[str, Any], asked: dict[str, str], viewer: Any
) -> Behind:
    """Who left and counts at a horizon: all, those that were Poor in the days before, or so many days before."""
    days = horizon["days"]
    rows = [row for row in report.get("left", ()) if row[1] == side and row[2] == days]
    total, title = horizon["churns"], f"{name}: left, within {days} days"
    if asked.get("already") == "yes":
        rows, total = [row for row in rows if len(row) > 5 and row[5]], horizon.get("already", 0)
        title = f"{name}: left, and Poor already {days} days before"
    elif asked.get("caught") == "yes":
        rows, total = [row for row in rows if row[4]], horizon["caught"]
        title = f"{name}: left, and Poor in the {days} days before"
    told = [(row[0], f"left on {day_text(dt.date.fromisoformat(row[3]))}, {_caught(row[4])}") for row in rows]
    return _behind(title, told, total, viewer)


def _caught(was: bool) -> str:
    return "Poor before" if was else "not Poor before"


def _alerts(report: dict[str, Any], side: str, name: str, horizon: dict[str, Any], right: bool, viewer: Any) -> Behind:
    """The alerts whose time is over at a horizon; those that were followed by leaving in time, or all."""
    span = dt.timedelta(days=horizon["days"])
    judged = dt.date.fromisoformat(report["known_until"]) - span
    told = []
    for account, day, churn, _ in report.get("raised" if side == "tested" else "raised_against", ()):
        fell = dt.date.fromisoformat(day)
        gone = dt.date.fromisoformat(churn) if churn else None
        in_time = gone is not None and gone <= fell + span
        if fell <= judged and (in_time or not right):
            after = f"left on {day_text(gone)}" if gone is not None and in_time else "stayed"
            told.append((account, f"fell to Poor on {day_text(fell)}, {after}"))
    title = f"{name}: alerts followed by leaving within {horizon['days']} days" if right else f"{name}: alerts"
    return _behind(title, told, horizon["true"] if right else horizon["alerts"], viewer)


def _behind(title: str, found: list[tuple[int, str]], total: int, viewer: Any) -> Behind:
    seen = Account.objects.visible_to(viewer).filter(pk__in={pk for pk, _ in found}).only("name").in_bulk()
    rows = [(seen[pk], said) for pk, said in found if pk in seen]
    return Behind(title, rows, total, len(found) - len(rows))
