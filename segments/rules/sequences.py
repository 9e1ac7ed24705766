"""The SQL of one event after another: whom it holds for, and how far it got."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import (
    Case,
    DateTimeField,
    Exists,
    ExpressionWrapper,
    F,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import JSONObject

from accounts.fields.sql import Infix, Not
from segments.rules.counting import Among, Counting
from segments.rules.event_times import Times
from segments.rules.nodes import Sequence

FOLLOWED, OPEN, OVER = "followed", "open", "over"
# What is shown of several first events: one that meets the condition, else one that still may.
ORDER = {"then": (FOLLOWED, OPEN, OVER), "not_then": (OVER, OPEN, FOLLOWED)}


def followed(node: Sequence, wheres: tuple[Any, Any], counting: Counting) -> Any:
    """The first event in the window with, or without, the second one within the span after it.

    "And then not" counts a first event only once its time is up; until then nothing can be said. Within a users group
    both are of the same user; "anywhere", both are of users of the same account, wherever they did it.
    """
    first, _, within = _steps(node, wheres, counting, counting.asked(counting.home(node)))
    if node.op.key == "then":
        first = first.filter(Exists(within))
    else:
        first = first.filter(Not(Exists(within)), at__lte=counting.moment.now - span_of(node))
    keys, outer = counting.pair(counting.home(node))
    return Among(first.values(*[f"key_{place}" for place in range(len(keys))]).distinct(), outer)


def traced(node: Sequence, wheres: tuple[Any, Any], counting: Counting) -> Any:
    """How far it got, for one row in hand: {"first", "second", "place"} as JSON; NULL without a first event.

    `first` is the instant of a first event in the window, `second` that of the next second event after it, however late
    (null: none), `place` where it stands in `ORDER`. Of several the one with the lowest place, of these the earliest.
    """
    keys, outer = counting.pair(counting.home(node))
    mine = dict(zip(keys, map(OuterRef, outer), strict=True))
    first, second, within = _steps(node, wheres, counting, [], **mine)
    states = {
        FOLLOWED: Q(Exists(within)),
        OPEN: Q(Infix(F("at"), ">", Value(counting.moment.now - span_of(node)))),
        OVER: Q(Infix(F("at"), "=", F("at"))),
    }
    places = [When(test, then=Value(ORDER[node.op.key].index(state))) for state, test in states.items()]
    first = first.annotate(place=Case(*places, output_field=IntegerField())).order_by("place", "at")
    then = Subquery(second.order_by("at").values("at")[:1])
    return Subquery(first.annotate(told=JSONObject(first=F("at"), second=then, place=F("place"))).values("told")[:1])


def span_of(node: Sequence) -> dt.timedelta:
    """The time that the second event has; exact, a day is 24 hours."""
    return dt.timedelta(**{f"{node.within.unit}s": node.within.n})


def _steps(
    node: Sequence, wheres: tuple[Any, Any], counting: Counting, narrowed: list[Any], **mine: Any
) -> tuple[QuerySet[Any], QuerySet[Any], QuerySet[Any]]:
    """The first events in the window with their keys; for one of them the second events after it, and those in time."""
    home = counting.home(node)
    names, source = counting.vocabulary.event_names, counting.source
    first, second = (
        source.events().order_by().filter(*([where] if where is not None else []), name_id=names[step.event])
        for step, where in zip((node.first, node.second), wheres, strict=True)
    )
    keys, _ = counting.pair(home)
    times = Times(node.window, counting.moment, True, home).inside()
    first = first.filter(*times, *narrowed, **home.context(), **mine)
    first = first.annotate(**{f"key_{place}": F(key) for place, key in enumerate(keys)})
    same = {key: OuterRef(f"key_{place}") for place, key in enumerate(keys)}
    second = second.filter(at__gt=OuterRef("at"), **(home.context() | same))
    until = ExpressionWrapper(OuterRef("at") + Value(span_of(node)), DateTimeField())
    return first, second, second.filter(at__lte=until)
