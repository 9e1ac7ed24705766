"""Why an account has another band by a draft: the measure that decides, by hand-made cases whose answer is plain."""

from __future__ import annotations

import datetime as dt
from copy import deepcopy
from typing import Any

import pytest

from core.clock import moment
from health.backtest.running import start_back_test, work
from health.editing import save_config
from tests import factories
from tests.health.test_scores import by_number, only
from usage.models import DailyUsage, EventName

pytestmark = pytest.mark.django_db
DAY = dt.timedelta(days=1)
USED = by_number("days", "account.active_days_30d", 20, 0)
KINDS = by_number("kinds", "account.event_kinds_30d", 1, 0)
BOTH = only(USED, KINDS)


def changed(*, good: int = 20, more: dict[str, Any] | None = None, weight: int = 1, drop: bool = False) -> Any:
    """The definition with another limit, a new measure, another weight or without a measure."""
    found = deepcopy(BOTH)
    measures = found["dimensions"][0]["measures"]
    measures[0] |= {"good": good, "weight": weight}
    if drop:
        measures.pop(1)
    return found | {"dimensions": [found["dimensions"][0] | {"measures": [*measures, *([more] if more else [])]}]}


@pytest.mark.parametrize(
    ("draft", "bands", "why"),
    [
        (changed(good=200), ("good", "average"), "Days gives 5 of 100, was 50"),
        (changed(good=10), ("good", "good"), ""),
        (changed(drop=True), ("good", "average"), "Kinds is gone, which gave 100 of 100"),
        (changed(more=by_number("users", "account.active_users_30d", 5, 0)), ("good", "average"),
         "Kinds gives 33.3 points of the whole, was 50.0"),
        (changed(weight=4), ("good", "average"), "Kinds gives 20.0 points of the whole, was 50.0"),
        (BOTH | {"bands": {"good": 80, "poor": 40}}, ("good", "average"),
         "Good begins at 80 (was 70), Poor below 40 (was 40)"),
    ],
)  # fmt: skip
def test_the_reason_is_the_measure_that_carries_most_of_it(draft: Any, bands: tuple[str, str], why: str) -> None:
    """Ten active days of one kind: 50 for the days, 100 for the kinds, 75 in all."""
    account, (name, _) = factories.account(), EventName.objects.get_or_create(name="Login")
    last = moment().today - DAY
    for back in range(10):
        DailyUsage.objects.create(account=account, name=name, day=last - DAY * back, count=1)
    config = save_config(None, name="", definition=BOTH)
    test = start_back_test(config, first_day=last - DAY * 13, last_day=last, draft=draft)
    work(test.pk)
    test.refresh_from_db()
    assert test.state == "done", test.error
    expected = [[account.pk, *bands, why]] if bands[0] != bands[1] else []
    assert test.report["moved"] == expected
