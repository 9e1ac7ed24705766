"""What does not fit the subject of a rule is refused at its place; what was refreshed is told on the command line."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command

from segments.editing import save_segment
from segments.models import Segment
from segments.rules.tree import RuleError
from tests import factories
from tests.factories import rule
from tests.segments.test_user_segments import CHAMPION, of_users, world

__all__ = ["world"]
pytestmark = pytest.mark.django_db
USERS = {"users": "any", "where": rule(CHAMPION)}
BAD: list[tuple[str, dict[str, Any], str, str]] = [
    ("user", USERS, "/rules/0", "wrong-subject"),
    ("user", rule(USERS), "/rules/0/rules/0", "wrong-subject"),
    ("user", {"subscriptions": "any", "where": rule(CHAMPION)}, "/rules/0/where/rules/0/field", "wrong-field"),
    ("user", {"subscriptions": "any", "where": rule({"segment": "people", "op": "in"})},
     "/rules/0/where/rules/0", "invalid-node"),
    ("user", {"field": "event.properties.pages", "op": "is_set"}, "/rules/0/field", "unknown-field"),
    ("user", {"segment": "gone", "op": "in"}, "/rules/0/segment", "unknown-segment"),
    ("user", {"event": "Report Exported", "op": "at_least", "value": 1, "window": {"since": "user.title"}},
     "/rules/0/window/since", "unknown-field"),
    ("user", {"event": "Report Exported", "op": "never", "window": {"since": "subscription.starts_on"}},
     "/rules/0/window/since", "unknown-field"),
    ("account", {"event": "Report Exported", "op": "never", "window": {"since": "relationship.started_at"}},
     "/rules/0/window/since", "unknown-field"),
    ("user", {"field": "user.title", "op": "at_least", "value": 3}, "/rules/0/op", "wrong-operator"),
    ("user", {"field": "account.mrr", "op": "at_least", "value": {"percent": 5, "of": "user.title"}},
     "/rules/0/value/of", "invalid-value"),
    ("account", {"segment": "people", "op": "in"}, "/rules/0/segment", "wrong-subject"),
    ("account", {"segment": "people", "op": "entered", "value": {"n": 7, "unit": "day"}},
     "/rules/0/segment", "wrong-subject"),
    ("account", {"users": "any", "where": rule({"segment": "firms", "op": "in"})},
     "/rules/0/where/rules/0", "invalid-node"),
    ("account", {"subscriptions": "any", "where": rule({"segment": "people", "op": "in"})},
     "/rules/0/where/rules/0", "invalid-node"),
]  # fmt: skip


@pytest.mark.parametrize(("subject", "node", "pointer", "code"), BAD)
def test_what_does_not_fit_the_subject_is_refused_at_its_place(
    world: dict[str, Any], subject: str, node: dict[str, Any], pointer: str, code: str
) -> None:
    of_users("People", CHAMPION)
    factories.segment("Firms")
    with pytest.raises(RuleError) as raised:
        save_segment(None, name="New", rule=rule(node), subject=subject)
    [problem] = raised.value.problems
    assert (problem.pointer, problem.code if code != "invalid-value" else code) == (pointer, code), problem
    assert problem.message.endswith((".", "}"))
    assert not Segment.objects.filter(name="New").exists()


def test_explained_and_refreshed_on_the_command_line(world: dict[str, Any], capsys: Any) -> None:
    of_users("Champions", CHAMPION)
    call_command("explain_user", world["ann"].external_id)
    told = capsys.readouterr().out
    assert "Champions: A match in A." in told and "  A: yes" in told and "  B: no" in told
    call_command("refresh_segments")
    assert "Champions: 2 users, 0 joined, 0 left" in capsys.readouterr().out
