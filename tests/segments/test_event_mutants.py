"""The judge of conditions on events is judged: an engine with a planted mistake must be caught."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from django.db.models import Count, F, Q

from accounts.fields import Owner
from accounts.fields.windows import Window
from core.spans import Span
from segments.rules import compiler, counting, sequences
from segments.rules.counting import Among, Counting, Times, _Rows
from segments.rules.events import Measure
from segments.rules.homes import ANYWHERE, OWN, Home
from tests.segments.judging import draws_survived
from tests.segments.test_mutants import Mutant, Patch

pytestmark = [pytest.mark.django_db, pytest.mark.once]
MUTANTS: dict[str, Mutant] = {}


def mutant(name: str) -> Any:
    """Register a mistake under its name."""

    def keep(plant: Mutant) -> Mutant:
        MUTANTS[name] = plant
        return plant

    return keep


@mutant("nothing is not zero")
def _(patch: Patch) -> None:
    patch.setattr(counting, "holds_at", lambda op, value, number: False)


@mutant("the mean of nothing is zero")
def _(patch: Patch) -> None:
    patch.setattr(Measure, "of_nothing", property(lambda self: 0))


@mutant("a user's events count in every account of the user")
def _(patch: Patch) -> None:
    right = _Rows.__init__

    def init(self: _Rows, node: Any, where: Any, given: Counting) -> None:
        right(self, node, where, given)
        self.home = ANYWHERE

    patch.setattr(_Rows, "__init__", init)


@mutant("in any account is in this account")
def _(patch: Patch) -> None:
    right = _Rows.__init__

    def init(self: _Rows, node: Any, where: Any, given: Counting) -> None:
        right(self, node, where, given)
        self.home = OWN

    patch.setattr(_Rows, "__init__", init)


@mutant("inside users, events of the whole account count")
def _(patch: Patch) -> None:
    patch.setattr(Counting, "outer", property(lambda self: ("account_id",) if self.by_user else ("pk",)))
    patch.setattr(Counting, "keys", lambda self, home: (f"{home.account}_id",))


@mutant("the last n days are n + 1 days")
def _(patch: Patch) -> None:
    right = Window.days

    def days(self: Window, today: dt.date) -> Any:
        first, last = right(self, today)
        return (first - dt.timedelta(days=1) if first and self.kind == "last" else first), last

    patch.setattr(Window, "days", days)


@mutant("today is left out")
def _(patch: Patch) -> None:
    right = Window.days

    def days(self: Window, today: dt.date) -> Any:
        first, last = right(self, today)
        return first, (last - dt.timedelta(days=1) if last and self.kind == "last" else last)

    patch.setattr(Window, "days", days)


@mutant("the window before is everything before")
def _(patch: Patch) -> None:
    patch.setattr(Times, "before", Times.earlier)


@mutant("people are times")
def _(patch: Patch) -> None:
    right = _Rows.measure
    times = Measure("count")
    patch.setattr(_Rows, "measure", lambda s, m, only=None: right(s, times if m.name == "users" else m, only))


@mutant("days are times")
def _(patch: Patch) -> None:
    right = _Rows.measure
    times = Measure("count")
    patch.setattr(_Rows, "measure", lambda s, m, only=None: right(s, times if m.name == "days" else m, only))


@mutant("filters by properties are forgotten")
def _(patch: Patch) -> None:
    patch.setattr(compiler._Compiler, "where", lambda self, where: None)


@mutant("from nothing to something is an increase")
def _(patch: Patch) -> None:
    right = _Rows.changed

    def changed(self: _Rows) -> Any:
        if self.node.op.key != "increased_by":
            return right(self)
        return self.within()

    patch.setattr(_Rows, "changed", changed)


@mutant("stopped is never in this window")
def _(patch: Patch) -> None:
    right = _Rows.turned

    def turned(self: _Rows) -> Any:
        if self.node.op.key != "stopped":
            return right(self)
        inside = Q(counting.all_of(self.time.inside()))
        return self.grouped(*self.time.up_to_end()).annotate(now=Count("pk", filter=inside)).filter(now=0)

    patch.setattr(_Rows, "turned", turned)


@mutant("started again does not ask for an earlier time")
def _(patch: Patch) -> None:
    right = _Rows.turned

    def turned(self: _Rows) -> Any:
        if self.node.op.key != "restarted":
            return right(self)
        inside, before = Q(counting.all_of(self.time.inside())), Q(counting.all_of(self.time.before()))
        counts = {"now": Count("pk", filter=inside), "then": Count("pk", filter=before)}
        return self.grouped(*self.time.up_to_end()).annotate(**counts).filter(now__gt=0, then=0)

    patch.setattr(_Rows, "turned", turned)


@mutant("the second event may come at any later time")
def _(patch: Patch) -> None:
    right = sequences.followed

    def followed(node: Any, wheres: Any, given: Counting) -> Any:
        return right(replace(node, within=Span(36_500, "day")), wheres, given)

    patch.setattr(compiler, "followed", followed)


@mutant("and then not is and then")
def _(patch: Patch) -> None:
    patch.setattr(sequences, "Not", lambda part: part)


real_not = counting.Not


@mutant("an account without any row matches nothing")
def _(patch: Patch) -> None:
    def wrong(part: Any) -> Any:
        if not isinstance(part, Among):
            return real_not(part)
        return counting.Infix(F("pk"), "<", F("pk"))

    patch.setattr(counting, "Not", wrong)


@mutant("a user's date is that of any of their accounts")
def _(patch: Patch) -> None:
    right = Home.context

    def context(self: Home) -> dict[str, Any]:
        found = right(self)
        return found if found.pop("user__places__account", None) is None else found | {"user__places__isnull": False}

    patch.setattr(Home, "context", context)


@mutant("a user's date is that of a past stay")
def _(patch: Patch) -> None:
    right = Home.prefix
    known = {Owner.USER: "user__", Owner.RELATIONSHIP: "user__relationships__"}

    def prefix(self: Home, owner: Owner) -> str:
        return known[owner] if owner in known else right(self, owner)

    patch.setattr(Home, "prefix", prefix)


@pytest.fixture(scope="module")
def survived(furniture: None) -> dict[str, int | None | Exception]:
    """How far each planted mistake gets."""
    return draws_survived(MUTANTS)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_mistake_is_caught(name: str, survived: dict[str, int | None | Exception]) -> None:
    assert survived[name] is not None, f"nobody noticed that {name}"
    assert isinstance(survived[name], int), f"it cannot answer, which is no way to be caught: {survived[name]!r}"
