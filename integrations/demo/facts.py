"""The invented customers as facts for the write side."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

from accounts.facts import Fact, RelationshipFact
from accounts.models import AttributeDefinition, Subject
from core.clock import Moment
from integrations.demo import words
from integrations.demo.company import Customer

Kind = AttributeDefinition.Kind
ATTRIBUTES: list[tuple[Subject, str, str, str, list[str]]] = [
    (Subject.ACCOUNT, "region", "Region", Kind.CHOICE, list(words.COUNTRIES)),
    (Subject.ACCOUNT, "employees", "Employees", Kind.NUMBER, []),
    (Subject.ACCOUNT, "nps", "NPS answer", Kind.NUMBER, []),
    (Subject.ACCOUNT, "csat", "CSAT", Kind.NUMBER, []),
    (Subject.ACCOUNT, "open_tickets", "Open tickets", Kind.NUMBER, []),
    (Subject.ACCOUNT, "health_notes", "Health notes", Kind.TEXT, []),
    (Subject.ACCOUNT, "contract_value", "Contract value", Kind.MONEY, []),
    (Subject.ACCOUNT, "go_live_on", "Go-live date", Kind.DATE, []),
    (Subject.ACCOUNT, "tags", "Tags", Kind.LIST, []),
    (Subject.ACCOUNT, "crm_link", "CRM", Kind.LINK, []),
    (Subject.ACCOUNT, "sso", "Single sign-on", Kind.BOOLEAN, []),
    (Subject.ACCOUNT, "discount", "Discount", Kind.PERCENT, []),
    (Subject.USER, "newsletter", "Newsletter", Kind.BOOLEAN, []),
    (Subject.RELATIONSHIP, "decision_maker", "Decision maker", Kind.BOOLEAN, []),
    (Subject.SUBSCRIPTION, "order_number", "Order number", Kind.TEXT, []),
]  # fmt: skip
# How content customers of a habit are: the NPS answer of 10, the CSAT of 5; the others say 8 and 4.
CONTENT = {"growing": (9, 5), "falling": (5, 3), "silent": (6, 3), "low": (7, 4)}
STAGE_OF = {"trial": "trial", "new": "onboarding", "cancelled": "cancelled"}


def account_facts(customer: Customer, dice: random.Random, present: Moment) -> list[Fact]:
    """What is known of an account, in the order in which it became true: its stages one after the other."""
    start = present.start_of(customer.since)
    recent = present.now - dt.timedelta(days=dice.randint(1, 6))
    facts = [Fact(customer.id, _basics(customer, dice), start)]
    stage = STAGE_OF.get(customer.habit, "live")
    steps = {"trial": 0, "onboarding": 14, "live": 60}
    if stage != "trial":
        for name, days in steps.items():
            at = start + dt.timedelta(days=days)
            if at < recent:
                facts.append(Fact(customer.id, {"stage": name, "status": "customer" if days else "prospect"}, at))
    final: dict[str, Any] = {
        "stage": stage,
        "status": {"trial": "prospect", "cancelled": "former"}.get(stage, "customer"),
    }
    final["custom.health_notes"] = dice.choice(words.REMARKS[customer.habit])
    if stage != "trial":
        final["custom.nps"] = nps_answer(customer, dice)
        final["custom.csat"] = CONTENT.get(customer.habit, (8, 4))[1]
        final["custom.open_tickets"] = dice.randint(3, 7) if customer.habit == "falling" else dice.choice((0, 0, 1, 2))
        final["custom.contract_value"] = {"amount": customer.mrr * 12, "currency": customer.currency}
    if stage == "live":
        final["custom.go_live_on"] = (customer.since + dt.timedelta(days=60)).isoformat()
    if customer.ended_on:
        final |= {"churned_on": customer.ended_on, "churn_reason": dice.choice(words.CHURN_REASONS)}
        recent = present.start_of(customer.ended_on)
    if customer.habit == "falling":
        facts.append(Fact(customer.id, {"custom.nps": 9}, present.now - dt.timedelta(days=90)))
    return [*facts, Fact(customer.id, final, recent)]


def nps_answer(customer: Customer, dice: random.Random) -> int:
    """How likely they are to recommend the product, 0 to 10."""
    return CONTENT.get(customer.habit, (8, 4))[0] + dice.randint(-1, 1)


def _basics(customer: Customer, dice: random.Random) -> dict[str, Any]:
    values: dict[str, Any] = {
        "name": customer.name,
        "domain": customer.domain,
        "industry": customer.industry,
        "country": customer.country,
        "stage": "trial",
        "custom.region": customer.region,
        "custom.employees": customer.employees,
        "custom.tags": dice.sample(words.TAGS, dice.choice((0, 1, 1, 2))),
        "custom.crm_link": f"https://crm.example/accounts/{customer.id}",
        "custom.sso": customer.plan == "Enterprise",
    }
    if customer.habit != "trial":
        values["customer_since"] = customer.since
        values["custom.discount"] = dice.choice((None, None, 5, 10, 12.5))
    if customer.plan == "Enterprise" and customer.habit in ("steady", "growing", "falling"):
        values["level"] = "strategic"
    elif customer.habit == "trial":
        values["level"] = "target"
    elif customer.plan == "Growth":
        values["level"] = "qualified"
    return values


def subscription_facts(customer: Customer, present: Moment) -> list[Fact]:
    """One contract for everybody; an add-on for those who grow, and an older one that ended."""
    at = present.start_of(customer.since)
    values: dict[str, Any] = {
        "account": customer.id, "plan": customer.plan, "mrr": customer.mrr, "currency": customer.currency,
        "quantity": customer.licences, "billing_period": "yearly" if customer.yearly else "monthly", "status": "active",
        "starts_on": customer.since, "renews_on": customer.renews_on, "auto_renew": customer.habit != "falling",
        "custom.order_number": f"ORD-{customer.id[4:]}",
    }  # fmt: skip
    number = f"sub-{customer.id[4:]}"
    if customer.trial_ends_on:
        trial = {
            "trial_starts_on": customer.since,
            "trial_ends_on": customer.trial_ends_on,
            "mrr": 0,
            "renews_on": None,
        }
        return [Fact(f"{number}-1", values | trial | {"status": "trial", "auto_renew": None}, at)]
    if customer.ended_on:
        end = present.start_of(customer.ended_on)
        return [
            Fact(f"{number}-1", values, at),
            Fact(f"{number}-1", {"status": "cancelled", "ends_on": customer.ended_on, "auto_renew": False}, end),
        ]
    facts = [Fact(f"{number}-1", values, at)]
    if customer.habit == "growing" and customer.plan != "Starter":
        starts = max(customer.since, present.today - dt.timedelta(days=45))
        extra = {"plan": "Insights add-on", "mrr": 250, "quantity": 0, "starts_on": starts, "custom.order_number": None}
        facts.append(Fact(f"{number}-2", values | extra, present.start_of(starts)))
    return facts


def people_facts(customers: list[Customer], present: Moment) -> tuple[list[Fact], list[RelationshipFact]]:
    """Everybody at the customers; one person works for two of them, and one has left."""
    users, belongings = [], []
    for customer in customers:
        at = present.start_of(customer.since)
        for person in customer.people:
            values = {"name": person.name, "email": person.email, "title": person.title, "first_seen_at": at}
            users.append(Fact(person.id, values | {"custom.newsletter": person.keenness > 0.5}, at))
            more = {"role": person.role, "custom.decision_maker": True if person.role == "admin" else None}
            belongings.append(RelationshipFact(person.id, customer.id, at, more))
    twin = customers[0].people[0]
    other = next((customer for customer in customers[1:] if customer.habit in ("steady", "growing")), customers[-1])
    belongings.append(
        RelationshipFact(
            twin.id, other.id, present.now - dt.timedelta(days=80), {"role": "admin", "custom.decision_maker": True}
        )
    )
    leaver = next((customer for customer in customers if customer.habit == "falling"), customers[0])
    left = present.now - dt.timedelta(days=25)
    belongings.append(RelationshipFact(leaver.people[-1].id, leaver.id, left, ended_at=left))
    return users, belongings
