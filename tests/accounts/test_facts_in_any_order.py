"""The law of the write side: whatever the order and the batches of facts, the same rows stand at the end."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.facts import (
    AssignmentFact,
    Departure,
    Fact,
    Outcome,
    RelationshipFact,
    define_attribute,
    record_accounts,
    record_assignments,
    record_relationships,
    record_subscriptions,
    record_users,
)
from accounts.models import Account, Assignment, AttributeChange, EndUser, Relationship, Subject, Subscription
from tests import factories
from tests.drawing import draws

pytestmark = pytest.mark.django_db
START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
NPS: dict[str, list[Any]] = {"custom.nps": [0, 7.5, None]}
LAW = settings(max_examples=draws(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass(frozen=True)
class Kind:
    """What is written: by which function, to which rows, with which of their values; `always` stands in every fact."""

    subject: Subject
    record: Callable[..., Outcome]
    rows: type[Account] | type[EndUser] | type[Subscription]
    fields: dict[str, list[Any]]
    always: dict[str, Any] = field(default_factory=dict)


KINDS = (
    Kind(Subject.ACCOUNT, record_accounts, Account, NPS | {"country": ["NO", "SE", None], "stage_id": ["live", None]}),
    Kind(Subject.USER, record_users, EndUser, NPS | {"email": ["A@b.example", "c", None], "title": ["CTO", None]}),
    Kind(
        Subject.SUBSCRIPTION, record_subscriptions, Subscription,
        NPS | {"plan": ["Pro", "Basic", None], "quantity": [1, 20, None], "renews_on": ["2026-05-01", None]},
        {"account": "home"},
    ),
)  # fmt: skip


def messages(kind: Kind) -> st.SearchStrategy[list[Any]]:
    """Facts as they are sent: id, instant, source, values."""
    optional = {key: st.sampled_from(values) for key, values in kind.fields.items()}
    return st.lists(
        st.tuples(
            st.sampled_from(["a", "b"]),
            st.integers(0, 3),  # few instants, so that ties happen
            st.sampled_from(["crm", "app"]),
            st.fixed_dictionaries({}, optional=optional),
        ),
        max_size=8,
    )


class Undo(Exception):
    """Ends an example and takes its rows back."""


def renamed(values: dict[str, Any]) -> dict[str, Any]:
    """Values by the names that facts give them."""
    return {key.removesuffix("_id"): value for key, value in values.items()}


def written_down(value: Any) -> str:
    return "null" if value is None else f'"{value}"' if isinstance(value, str) else str(value)


def reference(sent: list[tuple[str, int, str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """The rows that must stand: per id and key the value of the greatest (instant, source, value)."""
    best: dict[tuple[str, str], tuple[Any, ...]] = {}
    for name, at, source, values in sent:
        for key, value in values.items():
            rank = (at, source, written_down(value), value)
            if rank[:3] > best.get((name, key), (-1,))[:3]:
                best[name, key] = rank
    found: dict[str, dict[str, Any]] = {name: {} for name, *_ in sent}
    for (name, key), (*_, value) in best.items():
        if value is not None:
            found[name][key] = value
    return found


def rows(kind: Kind, names: list[str]) -> dict[str, dict[str, Any]]:
    found = {}
    for row in kind.rows.objects.filter(external_id__in=names):
        values = {key: getattr(row, key, None) for key in kind.fields} | {"custom.nps": row.attributes.get("nps")}
        found[row.external_id] = {
            key: str(value) if isinstance(value, dt.date) else value
            for key, value in values.items()
            if value not in (None, "")
        }
    return found


@LAW
@given(kind=st.sampled_from(KINDS), data=st.data())
def test_any_order_any_batches_any_repetition_give_the_same_rows(kind: Kind, data: st.DataObject) -> None:
    sent = data.draw(messages(kind))
    try:
        with transaction.atomic():
            factories.account(external_id="home")
            define_attribute(kind.subject, "nps", kind="number")
            order = data.draw(st.permutations(sent)) + data.draw(
                st.lists(st.sampled_from(sent) if sent else st.nothing())
            )
            size = data.draw(st.integers(1, 4))
            for start in range(0, len(order), size):
                for name in ("crm", "app"):
                    batch = [
                        Fact(external_id, renamed(values) | kind.always, START + dt.timedelta(days=at))
                        for external_id, at, source, values in order[start : start + size]
                        if source == name
                    ]
                    assert not kind.record(batch, source=name).rejected
            found = rows(kind, ["a", "b"])
            assert found == reference(sent)
            newest = {}
            for change in AttributeChange.objects.filter(subject=kind.subject, key__in=renamed(kind.fields)).order_by(
                "id"
            ):
                newest[change.object_id, change.key] = change.new
            kept = {key: value for key, value in newest.items() if value is not None}
            assert len(kept) == sum(len(values) for values in found.values())
            raise Undo
    except Undo:
        pass


def spans(marks: list[tuple[str, int]]) -> list[tuple[int, int | None]]:
    """The periods of belonging, read off the line of time one mark after the other."""
    found: list[tuple[int, int | None]] = []
    for at, kind in sorted((at, kind) for kind, at in set(marks)):
        is_open = bool(found) and found[-1][1] is None
        if kind == "in" and not is_open:
            found.append((at, None))
        elif kind == "out" and is_open:
            found[-1] = (found[-1][0], at)
        elif kind == "out" and not found:
            found.append((at, at))
        elif kind == "quits" and is_open:  # every account, so here nothing that had not begun
            found[-1] = (found[-1][0], at)
    return found


@LAW
@given(
    ins=st.lists(st.integers(0, 9), max_size=2, unique=True),
    outs=st.lists(
        st.tuples(st.sampled_from(["out", "quits"]), st.integers(0, 9)), max_size=2, unique_by=lambda x: x[1]
    ),
    data=st.data(),
)
def test_starts_and_ends_give_the_same_periods_in_any_order(
    ins: list[int], outs: list[tuple[str, int]], data: st.DataObject
) -> None:
    marks = [("in", at) for at in ins] + outs
    order = data.draw(st.permutations(marks * 2))
    size = data.draw(st.integers(1, 3))
    try:
        with transaction.atomic():
            factories.account(external_id="a")
            record_users([Fact("u", {}, START)], source="t")
            for start in range(0, len(order), size):
                batch, quits = [], []
                for kind, number in order[start : start + size]:
                    at = START + dt.timedelta(days=number)
                    if kind == "quits":
                        quits.append(Departure("u", at))
                        continue
                    batch.append(RelationshipFact("u", "a", at, ended_at=at if kind == "out" else None))
                assert not record_relationships(batch, source="t", departures=quits).rejected
            found = [
                ((row.started_at - START).days, (row.ended_at - START).days if row.ended_at else None)
                for row in Relationship.objects.order_by("started_at", "id")
            ]
            assert found == spans(marks)
            raise Undo
    except Undo:
        pass


@LAW
@given(
    starts=st.lists(st.integers(0, 9), max_size=5, unique=True),
    ends=st.booleans(),
    data=st.data(),
)
def test_assignments_give_the_same_line_of_time_in_any_order(
    starts: list[int], ends: bool, data: st.DataObject
) -> None:
    try:
        with transaction.atomic():
            factories.account(external_id="a")
            people = {number: factories.member() for number in starts}
            for number in data.draw(st.permutations(starts)) + ([10] if ends else []):
                who = people[number].key if number in starts else None
                fact = AssignmentFact("a", "CSM", who, START + dt.timedelta(days=number))
                assert not record_assignments([fact]).rejected
                assert not record_assignments([fact]).touched
            found = list(Assignment.objects.order_by("started_at").values_list("member_id", "started_at", "ended_at"))
            for number in range(11):
                at = START + dt.timedelta(days=number, hours=1)
                present = [who for who, start, end in found if start <= at and (end is None or at < end)]
                latest = max((n for n in starts if n <= number), default=None)
                nobody = latest is None or (ends and number == 10)
                assert present == ([] if nobody else [people[latest].pk])
            raise Undo
    except Undo:
        pass
