"""What pages show of milestones: a preview that is what saving finds, the board, who is stalled."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from accounts.models import Account
from alerts.milestones.editing import Expected, save_milestone
from alerts.milestones.previewing import preview_milestone
from alerts.milestones.progress import board_of, progress_of, stalled_accounts
from alerts.milestones.tasks import look_at_milestones
from alerts.models import Milestone
from core.clock import moment
from csbox.pipeline import refresh_everything
from segments.questions import read_rule
from tests import factories

pytestmark = pytest.mark.django_db
TODAY = dt.date(2026, 5, 20)
MANY = {"match": "all", "rules": [{"field": "account.licences", "op": "at_least", "value": 10}]}


@pytest.fixture(autouse=True)
def _a_day(time_machine: Any) -> None:
    time_machine.move_to(dt.datetime(2026, 5, 20, 12, tzinfo=dt.UTC))


def made(name: str = "Many licences", **given: Any) -> Milestone:
    """A saved milestone whose accounts were looked at."""
    milestone = save_milestone(None, name=name, condition=given.pop("condition", MANY), **given)
    look_at_milestones()
    milestone.refresh_from_db()
    return milestone


def has(account: Account, licences: int) -> None:
    """The account has so many licences, and everything is refreshed."""
    Account.objects.filter(pk=account.pk).update(stated_licences=licences)
    refresh_everything()


def test_the_preview_is_what_saving_then_finds() -> None:
    target = factories.segment("Paying", {"field": "account.mrr", "op": "at_least", "value": 100})
    for n in range(12):
        since = TODAY - dt.timedelta(days=n) if n % 4 else None
        factories.account(stated_licences=n, stated_mrr=n * 30, customer_since=since)
    refresh_everything()
    draft = Milestone(expected_days=5, sticky=True)
    question = read_rule(MANY)
    seen = preview_milestone(draft, [target], question, Account.objects.live(), moment())
    found = progress_of([made(segments=[target], expected=Expected(5))], Account.objects.live())[0]
    assert (seen.aimed, seen.reached, seen.pending, seen.overdue) == (
        found.aimed, found.reached, found.pending, found.overdue
    )  # fmt: skip
    assert seen.overdue and seen.reached and seen.aimed == 8


def test_the_board_shows_each_account_at_its_next_milestone_and_the_stalled_are_listed(time_machine: Any) -> None:
    def since(days: int) -> dt.date:
        return TODAY - dt.timedelta(days=days)

    old, young, done = (factories.account(n, stated_licences=1, customer_since=since(d)) for n, d in
                        (("Old", 40), ("Young", 3), ("Done", 50)))  # fmt: skip
    refresh_everything()
    some = {"match": "all", "rules": [{"field": "account.licences", "op": "at_least", "value": 5}]}
    first, second = made("Some", condition=some, expected=Expected(10)), made(expected=Expected(20))
    has(done, 30)
    has(old, 7)
    accounts = Account.objects.live()
    columns = board_of(progress_of([first, second], accounts), accounts, moment())
    assert [[card.row.account for card in column.cards] for column in columns] == [[young], [old]]
    assert [(card.day, card.late, card.left) for column in columns for card in column.cards] == [
        (3, 0, 7), (40, 20, None),
    ]  # fmt: skip
    assert not stalled_accounts(accounts, moment(), 14)
    time_machine.shift(dt.timedelta(days=13))
    assert not stalled_accounts(accounts, moment(), 14)
    time_machine.shift(dt.timedelta(days=1))
    (stalled,) = stalled_accounts(accounts, moment(), 14)
    assert (stalled.account, [row.milestone for row in stalled.late]) == (old, [second])
    assert (
        stalled.last_won and stalled.last_won.date() == TODAY and not stalled_accounts(accounts, moment(), 14, first=1)
    )
