"""How the ready-made alert rules would have done on two real histories: precision, lead time, noise.

Each history is loaded week by week through the application's own load path, and after each week the application's own
refresh, with the raising of alerts, runs with the clock set to that week's last evening: nothing that happened later is
in the database. The rules are the stock ones, not fitted to anything; nobody closes an alert.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import tempfile
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from django.db import connection

from accounts.models import Account
from alerts.editing import delete_alert_rule
from alerts.models import Alert, AlertRule
from alerts.stock import STOCK, take_stock_rule
from bench.foresight.histories import AHEAD, SILENT, Nova, RavenStack, read_day
from bench.foresight.replay import ONE_DAY, History, evening
from core.models import Workspace
from csbox.pipeline import refresh_everything
from health.editing import save_config
from health.stock import DEFAULT
from segments.refresh import refresh_due

PAGE = Path(__file__).resolve().parent.parent / "docs" / "alert-quality.md"
WEEK = dt.timedelta(days=7)
SWEPT = 13  # weeks after which dead rows are cleared, which a server does by itself where years do not pass in minutes
LIVE = "live"
RECENT = 30  # days without an event after which an account is not in use any more


@dataclass(frozen=True)
class Opened:
    """An alert of a rule, about an account, on a day."""

    rule: str
    account: str
    day: dt.date


@dataclass(frozen=True)
class Truth:
    """When accounts were lost (sorted days), how far ahead an alert may come, up to when that is known, and whether an
    account was there to lose on a day, and in use of late then."""

    lost: Mapping[str, Sequence[dt.date]]
    horizon: int
    known_until: dt.date
    there: Callable[[str, dt.date], bool]
    in_use: Callable[[str, dt.date], bool]

    def lost_after(self, account: str, day: dt.date) -> dt.date | None:
        """The first loss after a day, if it comes within the horizon."""
        days = self.lost.get(account, ())
        place = bisect_right(days, day)
        found = days[place] if place < len(days) else None
        return found if found and found <= day + dt.timedelta(days=self.horizon) else None


def replay(history: History, most: int | None = None) -> tuple[list[dt.date], list[Opened]]:
    """Go through a history week by week (or through its first weeks only); the weeks and the alerts."""
    workspace = Workspace.get()
    workspace.time_zone = "UTC"
    workspace.save()
    months = history.months()
    first, last = months[0].replace(day=1), months[-1]
    weeks = [first + WEEK * n - ONE_DAY for n in range(1, (last - first).days // 7 + 1)][:most]
    with tempfile.TemporaryDirectory() as folder:
        history.begin(Path(folder))
        # Both companies would call these accounts live; neither file says so of all of them.
        Account.objects.live().update(stage_id=LIVE)
        refresh_everything(now=evening(first - ONE_DAY, workspace))
        taken = {take_stock_rule(stock.key).pk: stock.name for stock in STOCK}
        refresh_due(now=evening(first - ONE_DAY, workspace))
        start = dt.date.min
        for place, week in enumerate(weeks):
            if place % SWEPT == 0:
                with connection.cursor() as cursor:
                    cursor.execute("VACUUM ANALYZE")
            history.load(Path(folder), start, week)
            refresh_everything(now=evening(week, workspace))
            start = week + ONE_DAY
            print(f"\r{history.name} {week}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    rows = Alert.objects.filter(rule__in=taken).order_by("opened_at", "pk")
    found = rows.values_list("rule", "account__external_id", "opened_at")
    opened = [Opened(taken[rule], account, at.date()) for rule, account, at in found]
    for rule in AlertRule.objects.filter(pk__in=taken):
        delete_alert_rule(rule)
    return weeks, opened


def truth_of(history: History) -> Truth:
    """Nova: an account is lost on the day on which 180 days of silence are complete. RavenStack: on the day of its churn
    event."""
    if isinstance(history, Nova):
        lost = {account: _silences(events, history.last) for account, events in history.events.items()}
        return Truth(
            lost, SILENT, history.last, lambda account, day: _seen(history, account, day, SILENT),
            lambda account, day: _seen(history, account, day, RECENT),
        )  # fmt: skip
    assert isinstance(history, RavenStack)
    churned = {account: sorted(days) for account, days in history.churned.items()}
    running = _running(history)
    return Truth(
        churned, AHEAD, history.last,
        lambda account, day: any(start <= day < end for start, end in running.get(account, ())),
        lambda account, day: _seen(history, account, day, RECENT),
    )  # fmt: skip


def _silences(events: Sequence[Any], last: dt.date) -> list[dt.date]:
    days = sorted({day for day, _, _ in events})
    pairs = zip(days, [*days[1:], last + ONE_DAY], strict=True)
    return [one + dt.timedelta(days=SILENT) for one, other in pairs if (other - one).days > SILENT]


def _seen(history: History, account: str, day: dt.date, within: int) -> bool:
    known = history.until(account, day)
    return bool(known) and (day - known[-1][0]).days < within


def _running(history: RavenStack) -> dict[str, list[tuple[dt.date, dt.date]]]:
    """From when to when each account had a subscription that is no trial."""
    found: dict[str, list[tuple[dt.date, dt.date]]] = {}
    for row in history.subscriptions:
        if row["is_trial"] == "FALSE":
            end = read_day(row["end_date"]) if row["end_date"] else dt.date.max
            found.setdefault(row["account_id"], []).append((read_day(row["start_date"]), end))
    return found


def judge(weeks: Sequence[dt.date], opened: Sequence[Opened], truth: Truth, accounts: Sequence[str]) -> dict[str, Any]:
    """The figures of each rule, of all of them together, and the base rates that a rule must beat."""
    until = truth.known_until - dt.timedelta(days=truth.horizon)
    judged = [week for week in weeks if week <= until]
    days = [(account, week) for week in judged for account in accounts if truth.there(account, week)]
    used = [(account, week) for account, week in days if truth.in_use(account, week)]
    losses = [(account, day) for account, all_ in truth.lost.items() for day in all_ if weeks[0] < day <= weeks[-1]]
    names = [stock.name for stock in STOCK]
    rules = {name: _figures([one for one in opened if one.rule == name], truth, until, losses) for name in names}
    return {
        "weeks": len(weeks), "first": weeks[0].isoformat(), "last": weeks[-1].isoformat(), "accounts": len(accounts),
        "losses": len(losses), "horizon": truth.horizon, "base": _share_lost(days, truth), "base_in_use": _share_lost(used, truth),
        "rules": rules, "together": _figures(list(opened), truth, until, losses),
    }  # fmt: skip


def _share_lost(days: Sequence[tuple[str, dt.date]], truth: Truth) -> float | None:
    """The share of accounts on days that are lost within the horizon."""
    right = sum(truth.lost_after(account, day) is not None for account, day in days)
    return round(right / len(days), 4) if days else None


def _figures(
    opened: Sequence[Opened], truth: Truth, until: dt.date, losses: Sequence[tuple[str, dt.date]]
) -> dict[str, Any]:
    told = [one for one in opened if one.day <= until and truth.there(one.account, one.day)]
    leads = [(lost - one.day).days for one in told if (lost := truth.lost_after(one.account, one.day))]
    by_account: dict[str, list[dt.date]] = {}
    for one in opened:
        by_account.setdefault(one.account, []).append(one.day)
    span = dt.timedelta(days=truth.horizon)
    caught = sum(any(day - span <= at < day for at in by_account.get(account, ())) for account, day in losses)
    return {
        "alerts": len(opened), "judged": len(told), "right": len(leads),
        "precision": round(len(leads) / len(told), 4) if told else None,
        "lead_days": median(leads) if leads else None,
        "caught": caught, "recall": round(caught / len(losses), 4) if losses else None,
    }  # fmt: skip


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Replay both histories, judge the alerts, write the manual's page; the figures by history."""
    from bench.alertquality_page import write

    found: dict[str, Any] = {}
    save_config(None, name="", definition=DEFAULT, reason="Taken ready-made")
    for history in (RavenStack(asked.data / "ravenstack"), Nova(asked.data / "openstack-nova")):
        weeks, opened = replay(history, asked.weeks)
        names = sorted(Account.objects.live().values_list("external_id", flat=True))
        found[history.name] = {"title": history.title} | judge(weeks, opened, truth_of(history), names)
        history.forget()
    if asked.write and not asked.weeks:
        PAGE.write_text(write(found), encoding="utf-8")
    return found
