"""A drawn company with a past, in which one of each pair of accounts that are alike came into a playbook."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from accounts.facts import Fact, record_accounts, record_subscriptions
from accounts.models import Account
from alerts.models import Enrolment, Playbook
from alerts.playbooks.editing import save_playbook
from health.models import HealthDay

TODAY = dt.date(2026, 6, 10)
CAME = dt.date(2026, 3, 2)
PAIRS = 24


def at(day: dt.date, hour: int = 9) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(hour), tzinfo=dt.UTC)


def days(number: int) -> dt.timedelta:
    return dt.timedelta(days=number)


@dataclass
class World:
    """A playbook, who came into it on which day, and what was drawn of everybody by external id."""

    playbook: Playbook
    came: dict[str, dt.date] = field(default_factory=dict)
    score: dict[str, float] = field(default_factory=dict)
    change: dict[str, dict[int, float]] = field(default_factory=dict)
    mrr: dict[str, float] = field(default_factory=dict)
    later: dict[str, float] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)

    def account(self, ident: str) -> Account:
        return Account.objects.get(external_id=ident)


def tell(world: World) -> None:
    """Accounts that were there long before, with their money, and a renewal within a month after the entries."""
    since, began = at(CAME - days(200)), (CAME - days(200)).isoformat()
    known, sold = [], []
    for ident, mrr in world.mrr.items():
        stage = "onboarding" if ident.startswith("other") else "live"
        # Those who come in on the second day are of another level, so that they are not beside those of the first.
        level = ("target", "qualified")[int(ident[-2:]) % 2]
        value = {"name": ident, "stage": stage, "level": level, "customer_since": began}
        known.append(Fact(ident, value, since))
        renews = (CAME + days(25)).isoformat()
        terms = {"account": ident, "mrr": mrr, "starts_on": began, "status": "active", "renews_on": renews}
        sold.append(Fact(f"s-{ident}", terms, since))
    assert not record_accounts(known, source="drawn").rejected
    assert not record_subscriptions(sold, source="drawn").rejected


@pytest.fixture
def world(db: None, time_machine: Any) -> World:
    """Pairs that are alike, of which one came in; others that are like nobody. Scores, money and churn that follow."""
    dice = random.Random(5)
    time_machine.move_to(at(CAME - days(200)), tick=False)
    definition = {"steps": [{"key": "call", "kind": "task", "title": "Call"}]}
    found = World(save_playbook(None, name="Rescue", definition=definition))
    for n in range(PAIRS):
        for ident, more in ((f"in-{n:02}", 0.0), (f"by-{n:02}", 0.5), (f"other-{n:02}", 0.0)):
            found.score[ident], found.mrr[ident] = 15 + 3.0 * n + more, 100 + 50.0 * n + 2 * more
        found.came[f"in-{n:02}"] = CAME + days(7 * (n % 2))
    tell(found)
    version = found.playbook.versions.get()
    rows = []
    accounts = {one.external_id: one for one in Account.objects.all()}
    for ident, score in found.score.items():
        account = accounts[ident]
        rows.append(HealthDay(account=account, day=CAME - days(60), score=score - 5, band="average"))
        rows.append(HealthDay(account=account, day=CAME - days(10), score=score, band="average"))
        entry = found.came.get(ident) or found.came.get(ident.replace("by", "in"), CAME)
        rise = 8 if ident in found.came else 0
        found.change[ident] = {number: round(dice.gauss(rise, 6), 1) for number in (30, 60, 90)}
        for number, change in found.change[ident].items():
            rows.append(HealthDay(account=account, day=entry + days(number), score=score + change, band="good"))
        found.later[ident] = round(found.mrr[ident] * dice.choice((0.8, 1, 1, 1.1)), 2)
        if dice.random() < (0.1 if ident in found.came else 0.4):
            found.left.add(ident)
    HealthDay.objects.bulk_create(rows)
    time_machine.move_to(at(CAME + days(20)), tick=False)
    changed = [Fact(f"s-{ident}", {"mrr": mrr}, at(CAME + days(20))) for ident, mrr in found.later.items()]
    assert not record_subscriptions(changed, source="drawn").rejected
    gone = [
        Fact(one, {"stage": "cancelled", "churned_on": (CAME + days(28)).isoformat()}, at(CAME + days(28)))
        for one in sorted(found.left)
    ]
    time_machine.move_to(at(CAME + days(28)), tick=False)
    assert not record_accounts(gone, source="drawn").rejected
    Enrolment.objects.bulk_create(
        Enrolment(
            playbook=found.playbook, version=version, account=accounts[ident], state="finished", started_at=at(day),
            ended_at=at(day, 12),
        )
        for ident, day in found.came.items()
    )  # fmt: skip
    time_machine.move_to(at(TODAY), tick=False)
    return found
