"""What raising alerts asks of the database: as much for many accounts as for one; it writes nothing when all lasts."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Account
from alerts.models import Alert, AlertEntry
from alerts.raising import raise_alerts
from core.clock import Moment, moment
from segments.refresh import refresh_segments
from tests import factories
from tests.alerts.making import made_rule

pytestmark = pytest.mark.django_db
PLENTY = {"match": "all", "rules": [{"field": "account.licences", "op": "at_least", "value": 10}]}


def _day(number: int) -> Moment:
    present = moment()
    return Moment(present.now + dt.timedelta(days=number), present.zone)


def _raised(day: int, licences: dict[int, int]) -> list[str]:
    """Let accounts have so many licences on a day, refresh the questions, raise; the statements of the raising."""
    for pk, number in licences.items():
        Account.objects.filter(pk=pk).update(stated_licences=number, licences=number)
    refresh_segments(now=_day(day))
    with CaptureQueriesContext(connection) as asked:
        raise_alerts(_day(day))
    return [one["sql"] for one in asked.captured_queries]


def test_statements_do_not_grow_with_alerts_and_a_day_without_change_writes_nothing() -> None:
    names = ['Say "hi" \\ 5 % {{', "Ångström 🚢", *(f"Quay {n}" for n in range(8))]
    first, *others = [factories.account(name, stated_licences=30).pk for name in names]
    made_rule(message="{{ account.name }} has {{ account.licences }}", clear=PLENTY)
    rest = others[:1]
    one = _raised(1, {first: 3})
    many = _raised(2, dict.fromkeys(others, 4))
    assert Alert.objects.open().count() == 10 and len(many) == len(one)
    said = dict(Alert.objects.values_list("account", "message"))
    assert (said[first], said[rest[0]]) == ('Say "hi" \\ 5 % {{ has 3', "Ångström 🚢 has 4")
    quiet = _raised(3, {})
    assert quiet and not [sql for sql in quiet if not sql.lstrip().startswith("SELECT")], "nothing is locked or written"
    ended_one, ended_many = _raised(4, {first: 12}), _raised(5, dict.fromkeys(others, 15))
    assert not Alert.objects.open().exists() and len(ended_many) == len(ended_one)
    proofs = {alert.account_id: alert.proof for alert in Alert.objects.all()}
    assert proofs[first]["outcomes"][0]["actual"] == "12" and proofs[rest[0]]["outcomes"][0]["actual"] == "15"
    kinds = AlertEntry.objects.filter(alert__account=first).values_list("kind", flat=True)
    assert list(kinds) == ["opened", "ended"]


def test_when_an_alert_was_last_found_to_hold_is_read_from_the_stay() -> None:
    account = factories.account("Harbour", stated_licences=30)
    made_rule(clear=PLENTY)
    _raised(1, {account.pk: 3})
    _raised(2, {})
    (alert,) = Alert.objects.with_last_held()
    assert alert.held_at == account.memberships.get().segment.refreshed_at > alert.opened_at
    _raised(3, {account.pk: 7})  # between the two thresholds: it lasts, but holds no longer
    (alert,) = Alert.objects.with_last_held()
    assert alert.ended_at is None and alert.held_at == account.memberships.get().left_at
    _raised(4, {account.pk: 12})
    (alert,) = Alert.objects.with_last_held()
    assert alert.ending == Alert.Ending.CLEARED and alert.held_at is None
