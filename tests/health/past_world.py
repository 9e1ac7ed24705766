"""A small drawn company with a past, and plain Python that knows what was true of it on a day.

The judge of back-tests: it shares no code with the application but the judge of scores, which shares none either.
"""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from accounts.facts import Fact, define_attribute, record_accounts, record_subscriptions
from accounts.models import Account, Subject
from core.clock import moment
from tests import factories
from tests.health import calculator
from usage.models import DailyUsage, EventName

INDUSTRIES = ("Retail", "Mining", "Travel")
DEFINITION: dict[str, Any] = {
    "dimensions": [
        {"key": "use", "name": "Use", "weight": 60, "measures": [
            {"key": "share", "name": "Share", "weight": 2, "field": "account.active_users_30d",
             "good": {"percent": 60, "of": "account.licences"}, "poor": {"percent": 10, "of": "account.licences"}},
            {"key": "seen", "name": "Seen", "weight": 1, "field": "account.last_seen_at", "good": 3, "poor": 30},
        ]},
        {"key": "rest", "name": "Rest", "weight": 40, "measures": [
            {"key": "kind", "name": "Kind",
             "good": {"match": "all", "rules": [{"field": "account.industry", "op": "is", "value": "Retail"}]},
             "poor": {"match": "all", "rules": [{"field": "account.industry", "op": "is", "value": "Mining"}]}},
            {"key": "nps", "name": "NPS", "weight": 2, "field": "account.custom.nps", "good": 9, "poor": 2},
        ]},
    ],
    "bands": {"good": 65, "poor": 50},
    "least_coverage": 40,
}  # fmt: skip
EASY = DEFINITION | {"bands": {"good": 50, "poor": 40}}


def at(day: dt.date, hour: int = 9) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(hour), tzinfo=dt.UTC)


@dataclass
class Customer:
    """What happened to one account."""

    pk: int = 0
    came: dt.date = dt.date.min
    industry: list[tuple[dt.date, str]] = field(default_factory=list)
    nps: list[tuple[dt.date, int]] = field(default_factory=list)
    sold: tuple[dt.date, int] | None = None
    ended: dt.date | None = None
    cancelled: dt.date | None = None
    events: set[tuple[dt.date, int]] = field(default_factory=set)

    def values(self, day: dt.date) -> dict[str, Any]:
        """The fields as they were known at the end of a day."""
        seen = [when for when, _ in self.events if when <= day]
        licences = None
        if self.sold and self.sold[0] <= day:
            licences = self.sold[1] if self.ended is None or day <= self.ended else 0
        return {
            "account.active_users_30d": len(
                {who for when, who in self.events if day - dt.timedelta(29) <= when <= day}
            ),
            "account.last_seen_at": max(seen) if seen else None,
            "account.licences": licences,
            "account.industry": next((text for when, text in reversed(self.industry) if when <= day), None),
            "account.custom.nps": next((number for when, number in reversed(self.nps) if when <= day), None),
        }

    def band(self, definition: dict[str, Any], day: dt.date) -> str:
        """Its band on a day."""
        values = self.values(day)
        industry = values["account.industry"]
        asked = definition
        if industry is None:  # a rule over a field that is missing has no answer, and its weight no data
            asked = _without(definition, "kind")
        score, band, _, _ = calculator.score(asked, values, day, lambda rule: rule["rules"][0]["value"] == industry)
        return band

    def gone(self, silent: int | None, today: dt.date) -> list[tuple[dt.date, dt.date]]:
        """When it was gone."""
        found = [(self.cancelled, dt.date.max)] if self.cancelled else []
        if self.ended and self.ended < today:
            found.append((self.ended + dt.timedelta(1), dt.date.max))
        if silent is not None:
            days = sorted({when for when, _ in self.events}) + [today]
            for one, other in zip(days, days[1:], strict=False):
                if (other - one).days > silent:
                    found.append((one + dt.timedelta(1), dt.date.max if other == today else other))
        return found

    def is_gone(self, day: dt.date, silent: int | None, today: dt.date) -> bool:
        return any(first <= day < end for first, end in self.gone(silent, today))

    def churns(self, silent: int | None, today: dt.date) -> list[dt.date]:
        """The days on which it was there the day before, and not on the day."""
        firsts = sorted({first for first, _ in self.gone(silent, today)})
        return [day for day in firsts if not self.is_gone(day - dt.timedelta(1), silent, today)]


def _without(definition: dict[str, Any], key: str) -> dict[str, Any]:
    """The measure stays with a value that is missing, so that its weight counts as without data."""
    rows = []
    for one in definition["dimensions"]:
        measures = [{**m, "field": "nothing", "good": 1, "poor": 0} if m["key"] == key else m for m in one["measures"]]
        rows.append({**one, "measures": measures})
    return {**definition, "dimensions": rows}


def draw(number: int, days: int, seed: int = 57) -> list[Customer]:
    """Customers with a past of so many days up to yesterday, stored through the usual write side."""
    dice, today = random.Random(seed), moment().today
    start = today - dt.timedelta(days=days)
    define_attribute(Subject.ACCOUNT, "nps", kind="number")
    found = []
    for n in range(number):
        came = start - dt.timedelta(40) if n % 4 else start + dt.timedelta(dice.randrange(5, 40))
        one = Customer(came=came)
        one.industry = sorted(
            {
                came: dice.choice(INDUSTRIES),
                came + dt.timedelta(dice.randrange(10, days)): dice.choice(INDUSTRIES),
            }.items()
        )
        if n % 5:
            when = came + dt.timedelta(dice.randrange(0, 60))
            one.nps = [(when, dice.randrange(11)), (when + dt.timedelta(dice.randrange(5, 90)), dice.randrange(11))]
        if n % 3:
            one.sold = (came + dt.timedelta(dice.randrange(0, 20)), dice.randrange(1, 6))
        end = dice.randrange(60, days + 200)
        if n % 6 == 1 and came + dt.timedelta(end) < today:
            one.cancelled = came + dt.timedelta(end)
        elif n % 6 == 2 and one.sold and came + dt.timedelta(end) < today:
            one.ended = came + dt.timedelta(end)
        stops = came + dt.timedelta(dice.randrange(20, days + 120))
        fades = min(filter(None, (stops, one.cancelled, one.ended))) - dt.timedelta(dice.randrange(20, 70))
        for ago in range((today - came).days):
            day = came + dt.timedelta(ago)
            pause = n % 7 == 3 and 90 < ago < 118
            if day < stops and not pause and dice.random() < (0.07 if day > fades else 0.3):
                one.events |= {(day, who) for who in range(4) if dice.random() < 0.5}
        found.append(one)
    _store(found)
    return found


def _store(customers: list[Customer]) -> None:
    facts, sold = [], []
    for n, one in enumerate(customers):
        ident, first = f"c{n:03}", at(one.came, 1)
        facts.append(
            Fact(ident, {"name": f"Customer {n}", "stage": "live", "customer_since": one.came.isoformat()}, first)
        )
        facts += [Fact(ident, {"industry": text}, at(day)) for day, text in one.industry]
        facts += [Fact(ident, {"custom.nps": number}, at(day)) for day, number in one.nps]
        if one.cancelled:
            facts.append(Fact(ident, {"stage": "cancelled"}, at(one.cancelled)))
        if one.sold:
            day, licences = one.sold
            values = {"account": ident, "starts_on": day.isoformat(), "quantity": licences, "mrr": 100}
            sold.append(Fact(f"s{n:03}", values, at(day)))
            if one.ended:
                sold.append(Fact(f"s{n:03}", {"ends_on": one.ended.isoformat()}, at(one.ended - dt.timedelta(3))))
    assert not record_accounts(facts, source="drawn").rejected
    assert not record_subscriptions(sold, source="drawn").rejected
    ids = dict(Account.objects.values_list("external_id", "pk"))
    name, _ = EventName.objects.get_or_create(name="Opened")
    sent, _ = EventName.objects.get_or_create(name="Invoice Sent")
    users = [factories.end_user() for _ in range(4)]
    rows = []
    for n, one in enumerate(customers):
        one.pk = ids[f"c{n:03}"]
        rows += [DailyUsage(account_id=one.pk, user=users[who], name=name, day=day, count=2) for day, who in one.events]
        # What a server sends about somebody who is not there is no sign of life, and ends no silence.
        there = [one.came + dt.timedelta(ago) for ago in range(0, (moment().today - one.came).days, 9)]
        rows += [DailyUsage(account_id=one.pk, user=users[0], name=sent, day=day, count=1, absent=1) for day in there]
    DailyUsage.objects.bulk_create(rows)


def outcome(
    customers: list[Customer], definition: dict[str, Any], days: list[dt.date], silent: int | None, horizon: int
) -> dict[str, Any]:
    """Alerts, precision, recall and lead time, by going through days and customers one by one."""
    today, span = moment().today, dt.timedelta(days=horizon)
    until = today if silent is None else today - dt.timedelta(days=silent)
    alerts = true = late = churns = caught = already = 0
    leads = []
    for one in customers:
        left = one.churns(silent, today)
        bands = [
            None if day < one.came or one.is_gone(day, silent, today) else one.band(definition, day) for day in days
        ]
        falls = [i for i in range(1, len(days)) if bands[i] == "poor" and bands[i - 1] not in (None, "poor")]
        for i in falls:
            if days[i] + span > until:
                late += 1
                continue
            alerts += 1
            true += any(days[i] < churn <= days[i] + span for churn in left)
        for churn in left:
            before = [i for i, day in enumerate(days) if churn - span <= day < churn and bands[i] is not None]
            if churn - span < days[0] or churn > days[-1] or not before:
                continue
            churns += 1
            already += bands[max(i for i, day in enumerate(days) if day <= churn - span)] == "poor"
            poor = [i for i in before if bands[i] == "poor"]
            if poor:
                caught += 1
                began = poor[-1]
                while began > 0 and bands[began - 1] == "poor":
                    began -= 1
                if began in falls:
                    leads.append((churn - days[began]).days)
    return {
        "alerts": alerts, "true": true, "too_late": late, "churns": churns, "caught": caught,
        "precision": round(true / alerts, 4) if alerts else None,
        "recall": round(caught / churns, 4) if churns else None,
        "already": already, "already_share": round(already / churns, 4) if churns else None,
        "lead_days": median(leads) if leads else None,
    }  # fmt: skip
