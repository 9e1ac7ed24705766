"""The two real data sets that the project is tested with: which file is loaded in which order with which mapping.

RavenStack (synthetic SaaS data by River @ Rivalytics), how its quirks are taken:
* `churn_flag` and `is_trial` of an account decide its stage. Its subscriptions stay as they are written, also where a
  churned account has some without an end, so its MRR is the sum of what the file calls running.
* Churn dates are kept for accounts whose flag says that they left (the newest of theirs); all 600 churn events are
  events. An account with a churn event but without the flag came back, so it has no churn date.
* A usage row is one event of the subscription's account, without a user; its `usage_count` is the property `count`.
  `usage_id` occurs twice for 21 different rows, so the id of a message is usage and subscription together.
* A ticket is two events, opened and closed.
* All was true at the end of 2024, the end of the data, so a second load finds nothing new.

OpenStack Nova (public commit history): a mail domain is the account, an author the user, a touched area an event.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from integrations.ledger import Progress, Summary
from integrations.loading import Order, load_file
from integrations.mapping import MappingFile
from integrations.sources.files import NotReadable

MAPPINGS = Path(__file__).parent / "mappings"
Keep = Callable[[dict[str, str]], bool]


@dataclass(frozen=True)
class Step:
    """One file with one mapping; `keep` makes, for a folder, a test that tells which rows count."""

    kind: str
    file: str
    mapping: str
    keep: Callable[[Path], Keep] | None = None


@dataclass(frozen=True)
class DataSet:
    """A data set: its steps in order, and the instant at which its plain rows were true."""

    name: str
    as_of: dt.datetime
    steps: tuple[Step, ...]


def _newest_churn_of_churned(folder: Path) -> Keep:
    """Rows that are the newest churn event of an account whose flag says that it left."""
    with (folder / "ravenstack_accounts.csv").open(encoding="utf-8-sig", newline="") as file:
        left = {row["account_id"] for row in csv.DictReader(file) if row["churn_flag"] == "TRUE"}
    newest: dict[str, tuple[dt.datetime, str]] = {}
    with (folder / "ravenstack_churn_events.csv").open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            if row["account_id"] in left:
                rank = (dt.datetime.strptime(row["churn_date"], "%d-%m-%Y"), row["churn_event_id"])
                newest[row["account_id"]] = max(rank, newest.get(row["account_id"], rank))
    chosen = {event for _, event in newest.values()}
    return lambda row: row["churn_event_id"] in chosen


DATASETS = {
    item.name: item
    for item in (
        DataSet(
            "ravenstack",
            dt.datetime(2024, 12, 31, 23, 59, 59, tzinfo=dt.UTC),
            (
                Step("accounts", "ravenstack_accounts.csv", "accounts"),
                Step("subscriptions", "ravenstack_subscriptions.csv", "subscriptions"),
                Step("accounts", "ravenstack_churn_events.csv", "churn_dates", _newest_churn_of_churned),
                Step("events", "ravenstack_feature_usage.csv", "feature_usage"),
                Step("events", "ravenstack_supports_ticket.csv", "tickets_opened"),
                Step("events", "ravenstack_supports_ticket.csv", "tickets_closed"),
                Step("events", "ravenstack_churn_events.csv", "churn_events"),
            ),
        ),
        DataSet(
            "openstack-nova",
            dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
            (
                Step("accounts", "accounts.csv", "accounts"),
                Step("users", "users.csv", "users"),
                Step("relationships", "relationships.csv", "relationships"),
                Step("events", "events.csv.gz", "events"),
            ),
        ),
    )
}


def load_step(
    data_set: DataSet,
    step: Step,
    folder: Path,
    *,
    watch: Callable[[Progress], None] = lambda progress: None,
    stop: Callable[[], bool] = lambda: False,
) -> tuple[Order, Summary]:
    """Load one file of a data set. Raises NotReadable if it is not there."""
    path = folder / step.file
    if not path.is_file():
        raise NotReadable(f"{folder} holds no {step.file}. Give the folder of the data set {data_set.name}.")
    order = Order(
        step.kind,
        path,
        MappingFile.read(MAPPINGS / data_set.name / f"{step.mapping}.json"),
        as_of=data_set.as_of,
        keep=step.keep(folder) if step.keep else None,
        batch=5_000,
    )
    return order, load_file(order, watch=watch, stop=stop)
