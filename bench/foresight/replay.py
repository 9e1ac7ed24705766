"""A history that is loaded month by month, with the refresh of the application after each month."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import sys
import tempfile
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from accounts.models import Account
from core.clock import Moment
from core.models import Workspace
from csbox.pipeline import refresh_everything
from health.models import AccountHealth
from integrations.datasets import MAPPINGS
from integrations.loading import Order, load_file
from integrations.mapping import MappingFile

Event = tuple[dt.date, str, str]  # day, user ("" for none), kind
ONE_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Row:
    """One account on the last evening of a quarter: what was known of it then, and what became of it.

    `lead_from` is the day by which everybody knows: the outcome's own date. `last_event` is the last sign of life up to
    the row's day.
    """

    account: str
    day: dt.date
    outcome: bool
    last_event: dt.date
    lead_from: dt.date | None


@dataclass(frozen=True)
class Scored:
    """The score of an account on a month's last evening, as the refresh stored it; None where it is Not scored."""

    score: float | None
    band: str


Scores = dict[dt.date, dict[str, Scored]]


class History(ABC):
    """A data set as a history. `events` are all of them by account, in order of time."""

    name: str
    title: str
    question: str
    folder: Path
    events: dict[str, list[Event]]

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise SystemExit(f"There is no {folder}. Name the folder of the data sets: make foresight DATA=…")
        self.folder = folder
        self.events = {}
        self.read()

    @abstractmethod
    def read(self) -> None:
        """Read all files once."""

    @abstractmethod
    def months(self) -> list[dt.date]:
        """The last days of the months to replay."""

    @abstractmethod
    def begin(self, work: Path) -> None:
        """Load what is there before the first month."""

    @abstractmethod
    def load(self, work: Path, first: dt.date, last: dt.date) -> None:
        """Load what these days brought."""

    @abstractmethod
    def rows(self) -> list[Row]:
        """The rows of the question, by day and account."""

    def replay(self) -> Scores:
        """Load and refresh month by month; what every account's score was after each."""
        workspace = Workspace.get()
        workspace.time_zone = "UTC"
        workspace.save()
        found: Scores = {}
        with tempfile.TemporaryDirectory() as folder:
            self.begin(Path(folder))
            first = dt.date.min
            for month in self.months():
                self.load(Path(folder), first, month)
                refresh_everything(now=evening(month, workspace))
                rows = AccountHealth.objects.values_list("account__external_id", "score", "computed_band")
                found[month] = {
                    name: Scored(None if score is None else float(score), band) for name, score, band in rows
                }
                first = month + ONE_DAY
                print(f"\r{self.name} {month:%Y-%m}", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        return found

    def until(self, account: str, day: dt.date) -> list[Event]:
        """The events of an account up to a day."""
        events = self.events.get(account, [])
        return events[: bisect_right(events, (day + ONE_DAY, "", "")) if events else 0]

    def forget(self) -> None:
        """Take the accounts out of the way of the next history; the database is dropped at the end anyway."""
        Account.objects.update(archived_at=dt.datetime.now(dt.UTC))
        AccountHealth.objects.all().delete()

    def order(self, kind: str, path: Path, mapping: str, as_of: dt.datetime | None = None, **more: str) -> None:
        """Load a file as `load_dataset` does; a bad row ends the measurement."""
        found = MappingFile.read(MAPPINGS / self.name / f"{mapping}.json")
        summary = load_file(Order(kind, path, found, overrides=more, as_of=as_of, batch=5_000))
        if summary.bad_rows:
            raise SystemExit(f"{summary.bad_rows} rows of {path.name} could not be loaded.")


def evening(day: dt.date, workspace: Workspace) -> Moment:
    """The last second of a day."""
    return Moment(dt.datetime.combine(day, dt.time(23, 59, 59), tzinfo=dt.UTC), workspace.zone)


def month_ends(first: dt.date, last: dt.date) -> Iterator[dt.date]:
    """The last days of all months that begin from `first` on and end by `last`."""
    month = first.replace(day=1)
    while True:
        following = (month + dt.timedelta(days=32)).replace(day=1)
        if following - ONE_DAY > last:
            return
        yield following - ONE_DAY
        month = following


def quarter_ends(first: dt.date, last: dt.date) -> Iterator[dt.date]:
    """Those that end a quarter."""
    return (day for day in month_ends(first, last) if day.month % 3 == 0)


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> int:
    """A CSV file; how many rows it has."""
    number = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for row in rows:
            writer.writerow(row)
            number += 1
    return number


@contextmanager
def table(path: Path) -> Iterator[csv.DictReader[str]]:
    """The rows of a CSV file, packed or not."""
    unpack = gzip.open if path.suffix == ".gz" else open
    with unpack(path, "rt", encoding="utf-8-sig", newline="") as file:
        yield csv.DictReader(file)
