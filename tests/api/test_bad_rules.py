"""The corpus of malformed rules over HTTP: 400 or 422, with a pointer to the node, and nothing is saved."""

from __future__ import annotations

import json
from typing import Any

import pytest

from segments.models import Segment
from tests import factories
from tests.api.conftest import ApiClient, Company, code_of
from tests.segments import test_bad_event_rules, test_bad_rules, test_bad_user_rules
from tests.segments.storing import furnish
from usage.models import EventName

# What no rule is read of, and so no place in it can be told: too large a body, too deep a one, a number that is none.
AT_THE_EDGE = {
    "a value of ten megabytes": (413, "body-too-large"),
    "two hundred deep": (400, "json-too-deep"),
    "a list in a list": (400, "json-too-deep"),
    "1e300": (400, "number-out-of-range"),
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
        places = {fault.get("pointer", "") for fault in answer.json().get("errors", [])}
        if name in AT_THE_EDGE:
            assert (answer.status_code, code_of(answer), places) == (*AT_THE_EDGE[name], set()), answer.content
        elif answer.status_code != 422 or f"/rule{pointer}" not in places:
            wrong[name] = answer.status_code, places
    assert wrong == {} and set(AT_THE_EDGE) <= {name for name, *_ in corpus}
    assert Segment.everything.count() == before


def test_what_does_not_fit_the_subject_is_answered_with_the_place(company: Company, admin: ApiClient) -> None:
    factories.segment("People", test_bad_user_rules.CHAMPION, subject="user", refreshed=False)
    factories.segment("Firms", refreshed=False)
    EventName.objects.get_or_create(name="Report Exported")
    before = Segment.everything.count()
    for subject, node, pointer, code in test_bad_user_rules.BAD:
        answer = admin("POST", "segments/", {"name": "Tried", "subject": subject, "rule": factories.rule(node)})
        [fault] = answer.json()["errors"]
        assert (answer.status_code, fault["pointer"]) == (422, f"/rule{pointer}"), (node, answer.content)
        assert fault["code"] == code or code == "invalid-value", (node, fault)
    assert Segment.everything.count() == before
