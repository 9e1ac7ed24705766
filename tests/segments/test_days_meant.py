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
