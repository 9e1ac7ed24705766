"""What the invented customers' people did in the product during the last months."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator

from integrations.demo import words
from integrations.demo.company import DAYS, Customer, Person
from usage.store import EventFact

PAYMENT_FAILED = "Payment Failed"


def liveliness(customer: Customer, days_ago: int, last: int) -> float:
    """How busy a customer is on a day compared with its own normal, between 0 and 1.3; `last` is its length of life."""
    match customer.habit:
        case "growing":
            return 0.55 + 0.75 * (1 - days_ago / DAYS)
        case "falling":
            return 0.06 + 0.94 * fallen(days_ago)
        case "silent":
            return 0.0 if days_ago < 70 else 0.6
        case "new" | "trial":
            return 0.4 + 0.6 * (1 - days_ago / max(last, 1))
        case "low":
            return 0.06
    return 0.9


def fallen(days_ago: int) -> float:
    """What is left of a customer that falls: all of it 110 days ago, nothing since 50."""
    return min(1.0, max(0.0, (days_ago - 50) / 60))


def regulars(customer: Customer, days_ago: int) -> int:
    """How many of a customer's people still come: of one that falls fewer by the week, of one with low use a few."""
    if customer.habit == "falling":
        return max(1, round(len(customer.people) * fallen(days_ago)))
    return 2 if customer.habit == "low" else len(customer.people)


def happenings(customers: list[Customer], seed: int, now: dt.datetime, zone: dt.tzinfo) -> Iterator[EventFact]:
    """The events of the last months up to now, customer by customer."""
    for place, customer in enumerate(customers):
        dice = random.Random(seed * 1_000_003 + place)  # noqa: S311  # to be repeated, not to be secret
        for number, fact in enumerate(_of_customer(customer, dice, now, zone), start=1):
            yield EventFact(f"demo-{customer.id}-{number}", fact[0], fact[1], customer.id, fact[2], fact[3])


def _of_customer(
    customer: Customer, dice: random.Random, now: dt.datetime, zone: dt.tzinfo
) -> Iterator[tuple[str, dt.datetime, str | None, dict[str, object]]]:
    today = now.astimezone(zone).date()
    last = min(DAYS, (today - customer.since).days)
    for days_ago in range(last, -1, -1):
        day = today - dt.timedelta(days=days_ago)
        if customer.ended_on and day > customer.ended_on:
            return
        busy = liveliness(customer, days_ago, last) * (0.08 if day.weekday() >= 5 else 1)
        for person in customer.people[: regulars(customer, days_ago)]:
            if dice.random() < person.keenness * busy:
                yield from _day_of(person, day, dice, now, zone)
    if customer.habit == "falling" and customer.plan != "Enterprise":
        yield PAYMENT_FAILED, now - dt.timedelta(days=dice.randint(2, 9), hours=3), None, {"amount": customer.mrr}


def _day_of(
    person: Person, day: dt.date, dice: random.Random, now: dt.datetime, zone: dt.tzinfo
) -> Iterator[tuple[str, dt.datetime, str | None, dict[str, object]]]:
    at = dt.datetime.combine(day, dt.time(7), tzinfo=zone) + dt.timedelta(minutes=dice.randint(0, 540))
    names = ["Signed In", *dice.choices(words.EVENTS, words.EVENT_WEIGHTS, k=dice.choice((0, 1, 1, 2, 3)))]
    for name in names:
        if at > now:
            return
        properties: dict[str, object] = {"format": dice.choice(("pdf", "csv"))} if name == "Report Exported" else {}
        yield name, at.astimezone(dt.UTC), person.id, properties
        at += dt.timedelta(minutes=dice.randint(1, 40), seconds=dice.randint(0, 59))
