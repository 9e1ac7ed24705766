"""The brief: every kind of change with its cause, what is most at stake first, nothing that a definition caused."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Account
from alerts.brief import Brief, brief_of
from alerts.editing import save_alert_rule
from alerts.handling import close
from alerts.models import Alert
from core.clock import moment
from csbox.pipeline import refresh_everything
from health.models import AccountHealth, BandChange
from segments.questions import Reader
from tests import factories
from usage.models import AccountUsage

pytestmark = pytest.mark.django_db
FEW = {"match": "all", "rules": [{"field": "account.licences", "op": "at_most", "value": 5}]}
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


def brief(since: dt.datetime, **more: Any) -> Brief:
    """Of every account."""
    return brief_of(Account.objects.live(), since, Reader.now(moment()), **more)


def told(found: Brief) -> dict[str, list[tuple[str, str]]]:
    """What changed, with why, by account."""
    return {one.account.name: [(item.what, item.why) for item in one.items] for one in found.shown}


def fell(account: Account, by: int, band: str = "poor", at: dt.datetime | None = None) -> None:
    """Health fell by so many points a while ago."""
    at = at or timezone.now() - HOUR
    BandChange.objects.create(
        account=account, at=at, before="good", after=band, score_before=80, score_after=80 - by, cause="data"
    )
    AccountHealth.objects.update_or_create(
        account=account, defaults={"score": 80 - by, "band": band, "band_since": at, "computed_band": band}
    )


def test_value_at_risk_then_points_then_days_to_the_renewal() -> None:
    today = moment().today
    given: list[tuple[str, int, int, int]] = [  # name, MRR, days to the renewal, points fallen
        ("Safe but far", 9_000, 200, 40), ("Large", 5_000, 80, 30), ("Small", 900, 10, 60), ("Late", 100, 300, 40),
        ("Soon", 100, 100, 40), ("Steep", 10, 250, 70),
    ]  # fmt: skip
    for name, mrr, days, points in given:
        fell(factories.account(name, mrr=Decimal(mrr), renews_on=today + DAY * days), points)
    found = brief(timezone.now() - DAY)
    assert [one.account.name for one in found.shown] == ["Large", "Small", "Steep", "Soon", "Safe but far", "Late"]
    assert [(one.at_risk, one.fell, one.days) for one in found.shown][:2] == [(5_000, 30, 80), (900, 60, 10)]
    few = brief(timezone.now() - DAY, limit=2)
    assert few.total == 6 and len(few.shown) == 2


def test_each_kind_has_its_cause_and_what_lies_before_is_left_out() -> None:
    today, now = moment().today, timezone.now()
    harbour, quay = factories.account("Harbour", stated_licences=30), factories.account("Quay", stated_licences=30)
    factories.segment("Small ones", FEW["rules"][0])  # type: ignore[index]
    save_alert_rule(None, name="Few licences", condition=FEW, message="{{ account.name }} is down")
    refresh_everything()
    since = timezone.now()
    assert brief(since).total == 0
    Account.objects.filter(pk=harbour.pk).update(stated_licences=3)
    refresh_everything()
    Account.objects.filter(pk=harbour.pk).update(renews_on=today + DAY * 30)
    AccountUsage.objects.update_or_create(account=quay, defaults={"last_seen_at": now - DAY * 31})
    close([Alert.objects.get()], outcome="success")
    fell(harbour, 20, "average", timezone.now())
    found = told(brief(since - HOUR))
    assert sorted(found["Harbour"]) == [
        ("Alert ended: Few licences", "Fixed"), ("Alert: Few licences", "Harbour is down"),
        ("Health fell from Good 80 to Average 60", "New data"), ("Joined Small ones", ""),
    ]  # fmt: skip
    day = (now - DAY * 31).date()
    later = told(brief(since - DAY))
    assert ("Renews in 30 days", f"on {today + DAY * 30:%-d %b %Y}") in later["Harbour"]
    assert later["Quay"] == [("Nobody seen for 30 days", f"last on {day.day} {day:%b %Y}")]
    assert brief(timezone.now()).total == 0


def test_a_new_definition_is_no_news() -> None:
    account = factories.account("Harbour", stated_licences=3)
    refresh_everything()
    since = timezone.now()
    factories.segment("Small ones", FEW["rules"][0])  # type: ignore[index]
    BandChange.objects.create(account=account, at=timezone.now(), before="good", after="poor", cause="version")
    assert brief(since).total == 0


def test_statements_do_not_grow_with_the_accounts(django_assert_max_num_queries: Any) -> None:
    from django.db import connection

    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            brief(timezone.now() - DAY)
        return len(queries)

    fell(factories.account(mrr=1), 20)
    few = statements()
    for _ in range(12):
        fell(factories.account(mrr=1), 20)
    assert statements() <= few + 1, "one more counts them"
