"""The portfolio once a week, in the words that its reader gets."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.core import mail

from accounts.billing import roll_up_billing
from alerts.notifying.digests import make_digests
from alerts.notifying.sending import send_due
from core.clock import Moment, moment
from core.models import Workspace
from health.editing import save_config
from health.refresh import refresh_health
from tests import factories
from tests.alerts.test_notices import NOON, person
from tests.health.test_scores import by_number, only
from usage.models import AccountUsage

pytestmark = pytest.mark.django_db


def test_the_week_tells_the_figures_and_who_moved_why(time_machine: Any) -> None:
    """The whole mail, in the words that its reader gets."""
    time_machine.move_to(NOON - dt.timedelta(days=3), tick=False)
    csm = person(weekly=True, digest_at=dt.time(7), time_zone="UTC")
    renews = (NOON + dt.timedelta(days=30)).date()
    for name, mrr, seen in (("Harbour", 1200, 40), ("Quay", 800, 5), ("Pier", 500, 40)):
        account = factories.account(name, stated_mrr=mrr, mrr=mrr)
        factories.assign(account, csm)
        AccountUsage.objects.create(account=account, active_users_30d=seen, last_seen_at=NOON - dt.timedelta(days=4))
        if name == "Harbour":
            factories.subscription(account, mrr=mrr, mrr_base=mrr, renews_on=renews)
    save_config(None, name="", definition=only(by_number("users", "account.active_users_30d", 50, 0)))
    roll_up_billing(moment())
    refresh_health(now=Moment(NOON - dt.timedelta(days=12), moment().zone))
    for name, users in (("Harbour", 10), ("Quay", 45)):
        AccountUsage.objects.filter(account__name=name).update(active_users_30d=users)
    refresh_health()
    time_machine.move_to(NOON, tick=False)
    assert make_digests() == 1 and send_due() == 1
    told, base = mail.outbox[0], Workspace.get()
    assert told.subject == "Your portfolio, week of 4 May 2026"
    lines = told.body.split("\n--\n")[0].strip().splitlines()
    assert lines[2:] == [
        "3 accounts, $2,500 MRR",
        "At Poor: 1 ($1,200)",
        "Joined Poor in 7 days: 1 ($1,200), left Poor: 1 ($800)",
        "Value at risk (Poor, renewing in 90 days): 1 ($1,200)",
        "Renewals in 90 days: 1 ($1,200)",
        "Silent for 30 days: 0",
        "",
        "FELL MOST IN 7 DAYS",
        "- Harbour: down 60 to 20 (Users 10, was 40)",
        "",
        "ROSE MOST IN 7 DAYS",
        "- Quay: up 80 to 90 (Users 45, was 5)",
        "",
        "RENEWALS THAT NEED CARE",
        "- Harbour: Poor, 3 Jun 2026",
        "",
        lines[-1],
    ], told.body
    assert lines[-1].endswith("/portfolio/") and f"Sent by {base.name}." in told.body
    page = str(told.alternatives[0][0])
    for line in (
        *lines[2:8],
        "Harbour</a>: down 60 to 20 (Users 10, was 40)",
        "Quay</a>: up 80 to 90",
        "Open Portfolio",
    ):
        assert line in page, line
