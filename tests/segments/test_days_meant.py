"""Which days a relative condition means on a day, in words."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from segments.questions import read_rule
from segments.rule_words import days_of
from segments.rules.nodes import Condition
from segments.rules.tree import walk
from tests import factories
from usage.models import EventName

pytestmark = pytest.mark.django_db
TODAY = dt.date(2026, 3, 31)


@pytest.mark.parametrize(
    ("field", "op", "value", "words"),
    [
        ("account.renews_on", "within_next", {"n": 90, "unit": "day"}, "until 29 Jun 2026"),
        ("account.renews_on", "within_last", {"n": 1, "unit": "month"}, "since 28 Feb 2026"),
        ("account.renews_on", "more_than_ago", {"n": 30, "unit": "day"}, "until 28 Feb 2026"),
        ("account.renews_on", "more_than_ahead", {"n": 1, "unit": "day"}, "from 2 Apr 2026"),
        ("account.renews_on", "this_month", None, "since 1 Mar 2026"),
        ("account.renews_on", "last_quarter", None, "1 Oct 2025 to 31 Dec 2025"),
        ("account.last_seen_at", "within_last", {"n": 14, "unit": "day"}, "since 17 Mar 2026"),
        ("account.last_seen_at", "within_last", {"n": 48, "unit": "hour"}, ""),
        ("account.renews_on", "on", "2026-03-01", ""),
        ("account.renews_on", "is_set", None, ""),
        ("account.licences", "at_least", 3, ""),
    ],
)
def test_the_days_are_those_for_which_it_holds(field: str, op: str, value: Any, words: str) -> None:
    asked = {"field": field, "op": op} | ({} if value is None else {"value": value})
    (node,) = [one for one in walk(read_rule(factories.rule(asked)).rule) if isinstance(one, Condition)]
    assert days_of(node, TODAY) == words


def opened(op: str, window: Any, **more: Any) -> dict[str, Any]:
    return {"event": "Open", "op": op, "window": window} | more


def last(n: int, unit: str = "day") -> dict[str, Any]:
    return {"last": n, "unit": unit}


THEN = {"sequence": [{"event": "Open"}] * 2, "op": "then", "within": {"n": 7, "unit": "day"}}
BEFORE = "since 2 Mar 2026; the time before: 31 Jan 2026 to 1 Mar 2026"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (opened("at_least", last(30), value=1), "since 2 Mar 2026"),
        (opened("never", last(1)), "on 31 Mar 2026"),
        (opened("never", last(1, "month")), "since 1 Mar 2026"),
        (opened("first_time_in", last(2, "week")), "since 18 Mar 2026"),
        (opened("never", {"between": [60, 30], "unit": "day"}), "30 Jan 2026 to 1 Mar 2026"),
        (opened("never", {"between": [60, 0], "unit": "day"}), "since 30 Jan 2026"),
        (opened("stopped", last(30)), BEFORE),
        (opened("increased_by", last(30), value={"percent": 50}), BEFORE),
        (opened("never", last(48, "hour")), ""),
        (opened("never", {"since": "account.customer_since"}), ""),
        (opened("never", "ever"), ""),
        (THEN | {"window": last(7)}, "since 25 Mar 2026"),
        ({"segment": "live", "op": "entered", "value": {"n": 7, "unit": "day"}}, "since 24 Mar 2026"),
        ({"segment": "live", "op": "left", "value": {"n": 1, "unit": "month"}}, "since 28 Feb 2026"),
        ({"segment": "live", "op": "left", "value": {"n": 7, "unit": "hour"}}, ""),
        ({"segment": "live", "op": "in"}, ""),
    ],
)
def test_windows_of_events_and_entries_say_their_days_too(asked: dict[str, Any], words: str) -> None:
    EventName.objects.create(name="Open")
    factories.segment("Live", refreshed=False)
    (node,) = read_rule(factories.rule(asked)).rule.rules
    assert days_of(node, TODAY) == words
