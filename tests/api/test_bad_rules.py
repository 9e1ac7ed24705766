"""The corpus of malformed rules over HTTP: 400 or 422, with a pointer to the node, and nothing is saved."""

from __future__ import annotations

import json
from typing import Any

import pytest

from segments.models import Segment
from tests.api.conftest import ApiClient, Company, code_of
from tests.segments import test_bad_event_rules, test_bad_rules
from tests.segments.storing import furnish

# What no rule is read of: too large a body, too deep a one, a number that is none.
AT_THE_EDGE = {
    "a value of ten megabytes": "body-too-large",
    "two hundred deep": "json-too-deep",
    "a list in a list": "json-too-deep",
    "1e300": "number-out-of-range",
}


def sendable(rule: Any) -> bool:
    """True for what JSON can say; the others of the corpus are for callers in Python."""
    try:
        return bool(json.loads(json.dumps(rule, allow_nan=False)) == rule)
    except (TypeError, ValueError, RecursionError):
        return False


def test_every_malformed_rule_is_answered_with_the_place(
    company: Company, admin: ApiClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("CRITICAL", "django.request")
    furnish()
    corpus = [row for row in (*test_bad_rules.BAD, *test_bad_event_rules.BAD) if sendable(row[1])]
    assert len(corpus) >= 150
    before = Segment.everything.count()
    wrong = {}
    for name, rule, pointer in corpus:
        answer = admin("POST", "segments/", {"name": "Tried", "rule": rule})
        if name in AT_THE_EDGE:
            assert answer.status_code in (400, 413) and code_of(answer) == AT_THE_EDGE[name], answer.content
            continue
        places = {fault.get("pointer", "") for fault in answer.json().get("errors", [])}
        # A mistake in how a value is written is found before the rule is read, and placed at that value or above it.
        near = any(f"/rule{pointer}".startswith(place) for place in places if place)
        if not (answer.status_code == 422 and f"/rule{pointer}" in places) and not (answer.status_code == 400 and near):
            wrong[name] = answer.status_code, places
    assert wrong == {}
    assert Segment.everything.count() == before
