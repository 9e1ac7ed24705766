"""Writing the invented company through the same write side that real data takes."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from django.db import transaction

from accounts.billing import roll_up_billing
from accounts.facts import (
    Outcome,
    define_attribute,
    record_accounts,
    record_assignments,
    record_relationships,
    record_subscriptions,
    record_users,
    set_rate,
)
from accounts.models import Account, EndUser, Note, TeamMember
from core.clock import Moment, moment
from core.models import Workspace
from integrations.demo import (
    alerting,
    computed,
    facts,
    intake,
    milestones,
    proving,
    questions,
    team,
    told,
    words,
    work,
)  # fmt: skip
from integrations.demo.company import Customer, invent
from integrations.demo.usage import happenings
from segments.models import Segment
from usage.metrics import refresh_metrics
from usage.rollup import roll_up
from usage.store import EventFact, PostgresStore

SOURCE = "demo"
NAME = "Lantern Reports"
BATCH = 5_000


class DemoRejected(RuntimeError):
    """The write side refused something invented here, which is a mistake of the generator."""


@transaction.atomic
def load_company(
    accounts: int, seed: int, present: Moment | None = None, say: Callable[[str], Any] = lambda line: None
) -> dict[str, int]:
    """Invent a company and write it; returns how many of each thing there are. Usage and billing are rolled up."""
    present = present or moment()
    dice = random.Random(seed)  # noqa: S311  # to be repeated, not to be secret
    _settle_in()
    customers = invent(accounts, seed, present.today)
    users, belongings = facts.people_facts(customers, present)
    known = [fact for customer in customers for fact in facts.account_facts(customer, dice, present)]
    contracts = [fact for customer in customers for fact in facts.subscription_facts(customer, present)]
    _must(record_accounts(known, source=SOURCE))
    _must(record_users(users, source=SOURCE))
    _must(record_relationships(belongings, source=SOURCE))
    _must(record_subscriptions(contracts, source=SOURCE))
    members = team.hire()
    _must(record_assignments(team.assign(customers, dice, present)))
    say(f"{len(customers)} accounts with {len(users)} users and {len(contracts)} subscriptions")
    notes = _talk(customers, members, dice, present)
    events = _happen(happenings(customers, seed, present.now, present.zone))
    say(f"{events:,} events and {notes} notes")
    came = intake.receive(customers, members[0].user, dice, present)
    say(f"{came} messages of two sources, an import and a schedule")
    roll_up(present)
    roll_up_billing(present)
    refresh_metrics(present)
    segments = 0 if Segment.everything.exists() else len(questions.ask(members[0].user))
    traits = computed.compute(members[0].user)
    computed.keep_an_eye_on(customers, members[2].user)
    rules = alerting.watch(members[0].user)
    told.talk(customers, members, present)
    told.connect_marketing(members[0].user)
    wanted = milestones.plan(members[0].user)
    say(f"{segments} segments, {traits} traits, {rules} alert rules and {wanted} milestones")
    playbooks, tasks = work.plan(customers, members, dice, present)
    playbooks += alerting.follow(members)
    proving.try_out(customers, members[0].user, present)
    say(f"{playbooks} playbooks and {tasks} tasks")
    return {
        "accounts": len(customers), "users": len(users), "subscriptions": len(contracts), "events": events,
        "notes": notes, "segments": segments, "traits": traits, "alert_rules": rules,
        "playbooks": playbooks, "tasks": tasks,
    }  # fmt: skip


def _settle_in() -> None:
    workspace = Workspace.get()
    if workspace.name == Workspace._meta.get_field("name").default:
        workspace.name = NAME
        workspace.save()
    for subject, key, name, kind, choices in facts.ATTRIBUTES:
        define_attribute(subject, key, name=name, kind=kind, choices=choices)
    if workspace.currency == "USD":
        set_rate("EUR", "1.08")


def _must(outcome: Outcome) -> None:
    if outcome.rejected:
        first = outcome.rejected[0]
        raise DemoRejected(f"{len(outcome.rejected)} facts of the demo were refused, first {first.key}: {first.reason}")


def _happen(events: Iterable[EventFact]) -> int:
    store, source, stored = PostgresStore(), iter(events), 0
    while batch := list(islice(source, BATCH)):
        result = store.append(batch, source=SOURCE)
        if result.rejected:
            raise DemoRejected(f"{len(result.rejected)} events were refused, first: {result.rejected[0].reason}")
        stored += result.stored
    return stored


def _talk(customers: list[Customer], members: list[TeamMember], dice: random.Random, present: Moment) -> int:
    """Notes and touchpoints of the last months; silent customers were not reached lately."""
    accounts = dict(Account.objects.values_list("external_id", "pk"))
    users = dict(EndUser.objects.values_list("external_id", "pk"))
    noted = set(Note.objects.values_list("account__external_id", flat=True))
    notes = []
    for place, customer in enumerate(customers):
        if customer.id in noted:
            continue  # loaded before
        author = members[2 + place % 3]
        newest = 30 if customer.habit in ("silent", "cancelled") else 1
        for number in range(dice.randint(1, 4)):
            kind = dice.choice((Note.Kind.CALL, Note.Kind.MEETING, Note.Kind.EMAIL))
            days = min(newest + number * 21 + dice.randint(0, 14), max((present.today - customer.since).days, 0))
            at = present.now - dt.timedelta(days=days, hours=dice.randint(0, 5))
            text, person = dice.choice(words.CALLS), dice.choice(customer.people)
            notes.append(
                Note(
                    account_id=accounts[customer.id],
                    user_id=users[person.id],
                    author=author,
                    kind=kind,
                    text=text,
                    at=at,
                )
            )
        remark = dice.choice(words.REMARKS[customer.habit])
        notes.append(
            Note(account_id=accounts[customer.id], author=author, text=remark, at=present.now - dt.timedelta(days=3))
        )
    Note.objects.bulk_create(notes)
    return len(notes)
