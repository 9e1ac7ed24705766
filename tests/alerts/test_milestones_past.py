"""The day on which a milestone was reached, found in what was known of attributes and health."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from accounts.facts import Fact, record_accounts
from accounts.models import Account
from alerts.milestones.progress import progress_of
from alerts.models import AccountMilestone
from core.clock import moment
from csbox.pipeline import refresh_everything
from health.models import AccountHealth, HealthDay
from segments.models import RefreshRun
from segments.refresh import refresh_segments
from tests.alerts.making import made_milestone

pytestmark = pytest.mark.django_db


def sent(account: str, licences: int) -> None:
    """A sender tells so many licences of an account."""
    record_accounts([Fact(account, {"name": account, "stated_licences": licences}, timezone.now())], source="api")


def test_the_day_is_found_in_all_that_was_known(time_machine: Any) -> None:
    """Values as they were told, scores as they were stored; not before anything was known, nor on the day of coming."""
    begin = dt.datetime(2026, 5, 10, 9, tzinfo=dt.UTC)
    time_machine.move_to(begin)
    sent("grows", 4)
    sent("begins large", 20)
    time_machine.move_to(begin + dt.timedelta(days=3))
    for name, licences in (("grows", 12), ("comes large", 30), ("small", 1)):
        sent(name, licences)
    time_machine.move_to(begin + dt.timedelta(days=5))
    sent("small", 11)
    sent("grows", 2)
    time_machine.move_to(begin + dt.timedelta(days=7))
    sent("grows", 14)
    refresh_everything()
    milestone = made_milestone(sticky=False)
    assert milestone.known_from == begin.date()
    rows = AccountMilestone.objects.filter(state="reached").select_related("account")
    assert {row.account.external_id: row.reached_at.date() for row in rows if row.dated and row.reached_at} == {
        "grows": dt.date(2026, 5, 13), "small": dt.date(2026, 5, 15)
    }  # fmt: skip
    assert {row.account.external_id for row in rows if not row.dated} == {"begins large", "comes large"}
    times = progress_of([milestone], Account.objects.live())[0]
    assert (times.undated, times.times.number) == (2, 2)
    grows = Account.objects.get(external_id="grows")
    for day, band in ((0, "poor"), (2, "good")):
        on = begin.date() + dt.timedelta(days=day)
        HealthDay.objects.create(account=grows, day=on, score=90 if day else 10, band=band)
    values = {"score": 90, "band": "good", "computed_band": "good", "band_since": moment().now}
    AccountHealth.objects.update_or_create(account=grows, defaults=values)
    refresh_segments(RefreshRun.Trigger.DAILY, moment())
    good = {"match": "all", "rules": [{"field": "health.band", "op": "is", "value": "good"}]}
    well = made_milestone("Healthy", condition=good)
    assert (well.known_from, AccountMilestone.objects.get(milestone=well, account=grows).reached_at) == (
        begin.date(), moment().start_of(begin.date() + dt.timedelta(days=2)),
    )  # fmt: skip
