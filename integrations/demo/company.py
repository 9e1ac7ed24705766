"""The customers of the invented company, as plain values: what they bought, how they behave, who works there."""

from __future__ import annotations

import datetime as dt
import random
import re
import unicodedata
from dataclasses import dataclass, field
from itertools import count

from integrations.demo import words

# How customers behave, and what share of all has which habit.
HABITS = {
    "steady": 26, "growing": 20, "falling": 10, "silent": 8, "low": 8, "new": 11, "trial": 9, "cancelled": 8,
}  # fmt: skip
PLANS = {"Starter": (29, (3, 8)), "Growth": (65, (8, 22)), "Enterprise": (140, (20, 48))}  # price a licence, people
DAYS = 120


@dataclass(frozen=True)
class Person:
    """Somebody at a customer; `keenness` is the chance to work with the product on a working day."""

    id: str
    name: str
    email: str
    title: str
    role: str
    keenness: float


@dataclass
class Customer:
    """An invented account. Dates are calendar days; `licences` were bought, `people` use them."""

    id: str
    name: str
    domain: str
    industry: str
    country: str
    region: str
    habit: str
    plan: str
    employees: int
    licences: int
    since: dt.date
    currency: str
    yearly: bool
    renews_on: dt.date | None
    trial_ends_on: dt.date | None = None
    ended_on: dt.date | None = None
    people: list[Person] = field(default_factory=list)

    @property
    def mrr(self) -> int:
        """A month's worth in the contract's currency; a yearly contract costs a sixth less."""
        full = self.licences * PLANS[self.plan][0]
        return round(full * 5 / 6) if self.yearly else full


def slug(text: str) -> str:
    """Small letters and hyphens only."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def invent(accounts: int, seed: int, today: dt.date) -> list[Customer]:
    """The same customers for the same number, seed and day."""
    dice = random.Random(seed)  # noqa: S311  # to be repeated, not to be secret
    habits = _shares(accounts)
    dice.shuffle(habits)
    first_words = list(words.FIRST_WORDS)
    dice.shuffle(first_words)
    numbers = count(1)
    customers = []
    taken: set[str] = set()
    for place, habit in enumerate(habits):
        trade, industry = dice.choice(words.TRADES)
        name = f"{first_words[place % len(first_words)]} {trade}"
        if name in taken:
            name = f"{name} {place}"
        taken.add(name)
        customer = _customer(dice, place, name, industry, habit, today)
        customer.people = _people(dice, customer, numbers)
        customers.append(customer)
    return customers


def _shares(accounts: int) -> list[str]:
    """As many of each habit as its share says, at least one of each."""
    total = sum(HABITS.values())
    found = [habit for habit, share in HABITS.items() for _ in range(max(1, share * accounts // total))]
    return (found + ["steady"] * accounts)[:accounts]


def _customer(dice: random.Random, place: int, name: str, industry: str, habit: str, today: dt.date) -> Customer:
    region = dice.choices(list(words.COUNTRIES), [45, 35, 20])[0]
    plan = dice.choices(list(PLANS), [60, 40, 0] if habit == "trial" else [38, 40, 22])[0]
    employees = round(dice.uniform(*{"Starter": (12, 180), "Growth": (90, 900), "Enterprise": (700, 9_000)}[plan]))
    people = dice.randint(*PLANS[plan][1])
    fill = 0.25 if habit == "low" else dice.uniform(0.72, 1.05)
    age = {"trial": dice.randint(2, 12), "new": dice.randint(15, 60)}.get(habit, dice.randint(150, 1_400))
    since = today - dt.timedelta(days=age)
    customer = Customer(
        id=f"acc-{1001 + place}",
        name=name,
        domain=f"{slug(name)}.example",
        industry=industry,
        country=dice.choice(words.COUNTRIES[region]),
        region=region,
        habit=habit,
        plan=plan,
        employees=employees,
        licences=max(1, round(people / fill)),
        since=since,
        currency="EUR" if region == "EMEA" and place % 7 == 0 else "USD",
        yearly=plan == "Enterprise" or dice.random() < 0.5,
        renews_on=None,
    )
    if habit == "trial":
        customer.trial_ends_on = since + dt.timedelta(days=14)
    elif habit == "cancelled":
        customer.ended_on = today - dt.timedelta(days=dice.randint(10, 100))
    else:
        # Renewals fall a whole number of terms after the start, so the next one lies ahead.
        term = 365 if customer.yearly else 30
        customer.renews_on = today + dt.timedelta(days=max(5, term - age % term))
    return customer


def _people(dice: random.Random, customer: Customer, numbers: count[int]) -> list[Person]:
    low, high = PLANS[customer.plan][1]
    wanted = round(customer.licences * (0.25 if customer.habit == "low" else dice.uniform(0.7, 0.98)))
    amount = max(2, min(wanted, high))
    people = []
    for place in range(amount):
        name = f"{dice.choice(words.GIVEN_NAMES)} {dice.choice(words.FAMILY_NAMES)}"
        role = (
            "admin"
            if place == 0
            else "champion"
            if place == 1 and customer.habit not in ("falling", "low")
            else "member"
        )
        number = next(numbers)
        people.append(
            Person(
                id=f"usr-{10_000 + number}",
                name=name,
                email=f"{slug(name).replace('-', '.')}.{number}@{customer.domain}",
                title=dice.choice(words.TITLES),
                role=role,
                keenness=min(0.95, dice.betavariate(2, 3) + (0.15 if place < low / 2 else 0)),
            )
        )
    return people
