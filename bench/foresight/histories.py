"""The two histories: the contributors to OpenStack Nova, who fall silent, and RavenStack, whose customers cancel."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from pathlib import Path

from bench.foresight.replay import ONE_DAY, Event, History, Row, month_ends, quarter_ends, table, write_table

SEEN, PEOPLE, YEAR, SILENT = 90, 3, 365, 180
AHEAD = 90


class Nova(History):
    """Who was seen in the last 90 days and had at least 3 active users in the last 365, and is silent for the next 180."""

    name, title = "openstack-nova", "OpenStack Nova: silent for the next 180 days"
    question = (
        "One row for each account and quarter from mid-2012 on, on the last evening of the quarter before: accounts with an"
        " event in the last 90 days and at least 3 active users in the last 365. The question is whether nothing happens"
        " in the next 180 days."
    )

    def read(self) -> None:
        """The events, by account and by day."""
        events: dict[str, list[Event]] = defaultdict(list)
        self.lines: dict[dt.date, list[list[str]]] = defaultdict(list)
        with table(self.folder / "events.csv.gz") as rows:
            for row in rows:
                day = dt.date.fromisoformat(row["timestamp"][:10])
                events[row["group_id"]].append((day, row["user_id"], row["event"]))
                self.lines[day].append(list(row.values()))
            self.header = list(rows.fieldnames or [])
        self.events = {account: sorted(found) for account, found in events.items()}
        self.last = max(self.lines)

    def months(self) -> list[dt.date]:
        """From the first event on, as far as there are rows."""
        return [day for day in month_ends(min(self.lines), self.days()[-1])]

    def days(self) -> list[dt.date]:
        """The ends of quarters whose next 180 days are known."""
        return list(quarter_ends(dt.date(2012, 6, 1), self.last - dt.timedelta(days=SILENT)))

    def begin(self, work: Path) -> None:
        """Accounts, users and relationships. The config reads nothing of them but who there is."""
        for kind in ("accounts", "users", "relationships"):
            self.order(kind, self.folder / f"{kind}.csv", kind, dt.datetime(2011, 7, 1, tzinfo=dt.UTC))

    def load(self, work: Path, first: dt.date, last: dt.date) -> None:
        """The events of these days."""
        path = work / "events.csv"
        lines = (line for day, found in sorted(self.lines.items()) if first <= day <= last for line in found)
        if write_table(path, self.header, lines):
            self.order("events", path, "events")

    def rows(self) -> list[Row]:
        """By the definition above."""
        found = []
        for day in self.days():
            for account in sorted(self.events):
                known = self.until(account, day)
                if not known or (day - known[-1][0]).days >= SEEN:
                    continue
                if len({user for at, user, _ in known if (day - at).days < YEAR}) < PEOPLE:
                    continue
                later = self.events[account][len(known) :]
                silent = not later or later[0][0] > day + dt.timedelta(days=SILENT)
                complete = known[-1][0] + dt.timedelta(days=SILENT) if silent else None
                found.append(Row(account, day, silent, known[-1][0], complete))
        return found


class RavenStack(History):
    """Accounts with a running subscription, and whether a churn event follows within 90 days."""

    name, title = "ravenstack", "RavenStack: cancelled within 90 days"
    question = (
        "One row for each account and quarter from mid-2023 on: accounts with a running subscription on the last evening of the"
        " quarter. The question is whether a churn event is recorded in the next 90 days. Of subscriptions only what had"
        " happened by then is loaded; `churn_flag` and the churn events themselves, which are the answer, are not."
    )

    def read(self) -> None:
        """Usage and tickets are events of accounts; nobody's name is on them."""
        with table(self.folder / "ravenstack_subscriptions.csv") as rows:
            self.subscriptions = list(rows)
            self.subscription_header = list(rows.fieldnames or [])
        homes = {row["subscription_id"]: row["account_id"] for row in self.subscriptions}
        events: dict[str, list[Event]] = defaultdict(list)
        self.usage: dict[dt.date, list[list[str]]] = defaultdict(list)
        self.tickets: dict[dt.date, list[list[str]]] = defaultdict(list)
        with table(self.folder / "ravenstack_feature_usage.csv") as rows:
            for row in rows:
                row["subscription_id"] = homes[row["subscription_id"]]
                events[row["subscription_id"]].append((read_day(row["usage_date"]), "", row["feature_name"]))
                self.usage[read_day(row["usage_date"])].append(list(row.values()))
            self.usage_header = list(rows.fieldnames or [])
        with table(self.folder / "ravenstack_supports_ticket.csv") as rows:
            for row in rows:
                events[row["account_id"]].append((read_day(row["submitted_at"]), "", "Ticket Opened"))
                self.tickets[read_day(row["submitted_at"])].append(list(row.values()))
            self.ticket_header = list(rows.fieldnames or [])
        self.churned: dict[str, list[dt.date]] = defaultdict(list)
        with table(self.folder / "ravenstack_churn_events.csv") as rows:
            for row in rows:
                self.churned[row["account_id"]].append(read_day(row["churn_date"]))
        self.events = {account: sorted(found) for account, found in events.items()}
        self.last = max(self.usage)

    def months(self) -> list[dt.date]:
        """All months of usage as far as there are rows."""
        return list(month_ends(min(self.usage), self.days()[-1]))

    def days(self) -> list[dt.date]:
        """The ends of quarters whose next 90 days are known, after half a year of history."""
        return list(quarter_ends(dt.date(2023, 6, 1), self.last - dt.timedelta(days=AHEAD)))

    def begin(self, work: Path) -> None:
        """The accounts, without the flag that tells the end."""
        with table(self.folder / "ravenstack_accounts.csv") as rows:
            lines = [list((row | {"churn_flag": "FALSE", "is_trial": "FALSE"}).values()) for row in rows]
            header = list(rows.fieldnames or [])
        write_table(work / "accounts.csv", header, lines)
        self.order("accounts", work / "accounts.csv", "accounts", dt.datetime(2023, 1, 1, tzinfo=dt.UTC))

    def load(self, work: Path, first: dt.date, last: dt.date) -> None:
        """Subscriptions as they stood on the last day, and the usage and the tickets of these days."""
        lines = [
            list((row if _ended(row, last) else row | {"end_date": "", "churn_flag": "FALSE"}).values())
            for row in self.subscriptions
            if read_day(row["start_date"]) <= last
        ]
        as_of = dt.datetime.combine(last, dt.time(23), tzinfo=dt.UTC)
        write_table(work / "subscriptions.csv", self.subscription_header, lines)
        self.order("subscriptions", work / "subscriptions.csv", "subscriptions", as_of)
        for name, header, by_day, more in (
            ("feature_usage", self.usage_header, self.usage, {"subscription_id": "account"}),
            ("tickets_opened", self.ticket_header, self.tickets, {}),
        ):
            found = (line for day, some in sorted(by_day.items()) if first <= day <= last for line in some)
            if write_table(work / f"{name}.csv", header, found):
                self.order("events", work / f"{name}.csv", name, **more)

    def rows(self) -> list[Row]:
        """By the definition above."""
        found = []
        for day in self.days():
            running = {
                row["account_id"]
                for row in self.subscriptions
                if read_day(row["start_date"]) <= day and not _ended(row, day) and row["is_trial"] == "FALSE"
            }
            for account in sorted(running):
                known = self.until(account, day)
                ahead = [at for at in self.churned[account] if day < at <= day + dt.timedelta(days=AHEAD)]
                seen = known[-1][0] if known else day - dt.timedelta(days=YEAR)
                found.append(Row(account, day, bool(ahead), seen, min(ahead, default=None)))
        return found


def read_day(text: str) -> dt.date:
    """A date as RavenStack writes it."""
    return dt.datetime.strptime(text[:10], "%d-%m-%Y").date()


def _ended(row: dict[str, str], day: dt.date) -> bool:
    return bool(row["end_date"]) and read_day(row["end_date"]) < day + ONE_DAY
