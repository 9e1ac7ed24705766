"""One event after another: whom it holds for, and how far it got."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from accounts.models import Account
from core.clock import Moment
from segments.explaining import explain_rule
from segments.questions import Reader
from tests import factories
from tests.segments.test_events import NOON, UTC, ago, did, users, who
from tests.web.reading import text
from tests.web.test_builder import opened, send


@pytest.fixture(autouse=True)
def _three(db: None) -> None:
    for key in ("busy", "some", "none"):
        factories.account(external_id=key)


def test_one_event_after_another_and_not_after() -> None:
    did("busy", "Start", ago(20))
    did("busy", "Finish", ago(15))
    did("some", "Start", ago(20))
    did("some", "Finish", ago(12, 23))
    did("none", "Start", ago(3))

    def sequence(op: str, **more: Any) -> dict[str, Any]:
        steps = [{"event": "Start"}, {"event": "Finish"}]
        return {
            "sequence": steps,
            "op": op,
            "within": {"n": 7, "unit": "day"},
            "window": {"last": 30, "unit": "day"},
        } | more

    assert who(sequence("then")) == {"busy"}
    assert who(sequence("not_then")) == {"some"}  # the week of "none" is not over
    assert who(sequence("then", within={"n": 8, "unit": "day"})) == {"busy", "some"}
    assert who(sequence("then", window={"last": 20, "unit": "day"})) == set()
    assert who(sequence("not_then", within={"n": 2, "unit": "day"})) == {"busy", "some", "none"}


def test_a_sequence_inside_users_is_one_persons() -> None:
    account = factories.account(external_id="team")
    for key in ("p0", "p1"):
        factories.relationship(account, factories.end_user(external_id=key))
    did("team", "Start", ago(5), "p0")
    did("team", "Finish", ago(4), "p1")
    node = {
        "sequence": [{"event": "Start"}, {"event": "Finish"}],
        "op": "then",
        "within": {"n": 2, "unit": "day"},
        "window": "ever",
    }
    assert who(node) == {"team"}
    assert who(users("any", node)) == set()
    did("team", "Finish", ago(4), "p0")
    assert who(users("any", node)) == {"team"}


def told(key: str, node: dict[str, Any]) -> tuple[bool, str]:
    """Whether a condition is met for an account, and the actual value beside it."""
    reader = Reader.now(Moment(NOON, UTC))
    found = explain_rule({"match": "all", "rules": [node]}, Account.objects.filter(external_id=key), reader=reader)
    assert found is not None
    (one,) = found.outcome.outcomes
    return one.met, one.actual


@pytest.mark.parametrize(
    ("days", "then", "not_then"),
    [
        # days ago of the first events, of the second ones; what is told of "within 7 days"
        (([], [3]), "0 of 2 steps: no Start in the last 30 days", "no Start in the last 30 days"),
        (
            ([20], []),
            "1 of 2 steps: Start on 2 Nov 2026 at 12:00, no Finish after it",
            "Start on 2 Nov 2026 at 12:00, no Finish after it",
        ),
        (
            ([20], [25, 10, 5]),
            "1 of 2 steps: Start on 2 Nov 2026 at 12:00, Finish only on 12 Nov 2026 at 12:00",
            "Start on 2 Nov 2026 at 12:00, Finish only on 12 Nov 2026 at 12:00",
        ),
        (
            ([20, 15], [12, 9]),
            "2 of 2 steps: Start on 7 Nov 2026 at 12:00, Finish on 10 Nov 2026 at 12:00",
            "Start on 2 Nov 2026 at 12:00, Finish only on 10 Nov 2026 at 12:00",
        ),
        (
            ([20, 3], [18]),
            "2 of 2 steps: Start on 2 Nov 2026 at 12:00, Finish on 4 Nov 2026 at 12:00",
            "Start on 19 Nov 2026 at 12:00, no Finish yet, time until 26 Nov 2026 at 12:00",
        ),
        (
            ([20, 3], []),
            "1 of 2 steps: Start on 19 Nov 2026 at 12:00, no Finish yet, time until 26 Nov 2026 at 12:00",
            "Start on 2 Nov 2026 at 12:00, no Finish after it",
        ),
    ],
)
def test_a_sequence_is_told_as_far_as_it_got(days: tuple[list[int], list[int]], then: str, not_then: str) -> None:
    for name in ("Start", "Finish"):
        did("busy", name, ago(100))  # so that both are known
    for name, many in zip(("Start", "Finish"), days, strict=True):
        for day in many:
            did("none", name, ago(day), "ann")
    steps = {"sequence": [{"event": "Start"}, {"event": "Finish"}], "within": {"n": 7, "unit": "day"}}
    steps |= {"window": {"last": 30, "unit": "day"}}
    for op, words in (("then", then), ("not_then", not_then)):
        assert told("none", steps | {"op": op}) == ("none" in who(steps | {"op": op}), words)


def test_a_sequence_of_one_user_and_in_any_account_is_told_of_theirs_alone() -> None:
    for key in ("p0", "p1"):
        user = factories.end_user(external_id=key)
        for account in Account.objects.filter(external_id__in=["some", "none"]):
            factories.relationship(account, user)
    did("some", "Start", ago(5), "p0")
    did("some", "Finish", ago(4), "p1")
    did("none", "Finish", ago(3), "p0")
    node = {"sequence": [{"event": "Start"}, {"event": "Finish"}], "op": "then", "window": "ever"}
    node |= {"within": {"n": 1, "unit": "week"}}
    assert told("some", node)[1].startswith("2 of 2 steps: Start on 17 Nov 2026 at 12:00, Finish on 18 Nov")
    assert told("none", node) == (False, "0 of 2 steps: no Start")
    assert told("none", node | {"anywhere": True})[0]
    reader, group = Reader.now(Moment(NOON, UTC)), users("any", node)
    found = explain_rule({"match": "all", "rules": [group]}, Account.objects.filter(external_id="some"), reader=reader)
    assert found is not None
    rows = {row.title: row.outcomes[0].outcomes[0].actual for row in found.outcome.outcomes[0].rows}
    assert sorted(rows.values()) == [
        "0 of 2 steps: no Start",
        "1 of 2 steps: Start on 17 Nov 2026 at 12:00, no Finish yet, time until 24 Nov 2026 at 12:00",
    ]


def test_page_api_builder_and_command_say_how_far_it_got(admin_client: Client, capsys: Any) -> None:
    began = dt.datetime.now(dt.UTC).replace(hour=12, minute=0) - dt.timedelta(days=10)
    did("none", "Start", began, "ann")
    did("busy", "Finish", began, "bo")
    node = {"sequence": [{"event": "Start"}, {"event": "Finish"}], "op": "then", "window": "ever"}
    node |= {"within": {"n": 7, "unit": "day"}}
    made, account = factories.segment("Finishers", node), Account.objects.get(external_id="none")
    said = f"1 of 2 steps: Start on {began:%-d %b %Y} at 12:00, no Finish after it"
    call_command("explain_account", "none", made.key)
    assert said in capsys.readouterr().out
    answer = admin_client.get(f"/api/v1/segments/{made.key}/explain/?account=none").json()
    assert answer["outcome"]["outcomes"][0]["actual"] == said
    assert said in text(admin_client.get(f"/accounts/{account.pk}/segments/").content.decode())
    form = opened(admin_client, f"/segments/{made.pk}/edit/")
    form["check"] = "none"
    assert said in text(send(admin_client, "/segments/check-account/", form).content.decode())
