"""Milestones as fields: known once milestones are reached, for segments, filters, columns and alert rules after it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from django.db.models import (
    Count,
    DateField,
    DateTimeField,
    F,
    Func,
    IntegerField,
    Max,
    OuterRef,
    QuerySet,
    Subquery,
    Value,
)  # fmt: skip
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Coalesce, Greatest, TruncDate

from accounts.fields import Category, Choice, Field, Kind, Owner, Stage, provide, register
from accounts.fields.attributes import where_known
from alerts.milestones.redefined import field_keys
from alerts.models import AccountMilestone, Milestone
from alerts.models.milestone import State
from core.models import Workspace

SHOWN = (State.PENDING, State.OVERDUE, State.REACHED, State.LOST)


def states() -> list[Choice]:
    """The four words for progress."""
    return [Choice(state.value, str(state.label)) for state in SHOWN]


def counted(state: State) -> Callable[[str], Combinable]:
    """With how many milestones, of those that are switched on, an account is in a state."""

    def value(prefix: str) -> Combinable:
        mine = _of(prefix).filter(milestone__active=True, state=state).values("account")
        number = Subquery(mine.annotate(number=Count("pk")).values("number"))
        return where_known(prefix.removesuffix("__"), Coalesce(number, Value(0), output_field=IntegerField()))

    return value


def entered(state: State) -> Callable[[str], Combinable]:
    """When an account came into a state the last time, with a milestone that is switched on."""

    def value(prefix: str) -> Combinable:
        mine = _of(prefix).filter(milestone__active=True, state=state).values("account")
        return Subquery(mine.annotate(last=Max("since")).values("last"))

    return value


def last_reached(prefix: str) -> Combinable:
    """When an account reached a milestone last; one that it lost since counts."""
    return Subquery(_of(prefix).filter(won_at__isnull=False).order_by("-won_at").values("won_at")[:1])


def days_taken() -> Combinable:
    """The local days from the start to the first time that it was reached; 0 if it was reached before, missing where
    either day is not known."""
    day = Cast(TruncDate("reached_at", tzinfo=Workspace.get().zone), DateField())
    # As a number: what Django makes of the difference of two dates is an interval.
    days = Func(day, F("starts_on"), template="(%(expressions)s)", arg_joiner=" - ", output_field=IntegerField())
    return Greatest(days, Value(0), output_field=IntegerField())


def timed(rows: QuerySet[AccountMilestone]) -> QuerySet[AccountMilestone]:
    """Those that were reached on a day that is known, from a start that is known."""
    return rows.filter(reached_at__isnull=False, dated=True, starts_on__isnull=False)


def _of(prefix: str) -> QuerySet[AccountMilestone]:
    return AccountMilestone.objects.filter(account=OuterRef(f"{prefix}pk")).order_by()


def _state(pk: int, prefix: str) -> Combinable:
    mine = _of(prefix).filter(milestone=pk, state__in=SHOWN)
    return Subquery(mine.values("state")[:1])


def _since(pk: int, prefix: str) -> Combinable:
    mine = _of(prefix).filter(milestone=pk, state__in=SHOWN)
    return Subquery(mine.values("since")[:1], output_field=DateTimeField())


def _reached_at(pk: int, prefix: str) -> Combinable:
    return Subquery(_of(prefix).filter(milestone=pk).values("reached_at")[:1], output_field=DateTimeField())


def _days(pk: int, prefix: str) -> Combinable:
    mine = timed(_of(prefix).filter(milestone=pk)).annotate(days=days_taken())
    return Subquery(mine.values("days")[:1], output_field=IntegerField())


field = partial(Field, owner=Owner.ACCOUNT, category=Category.MILESTONES, stage=Stage.MILESTONES)
register(
    field(key="milestones.reached", label="Milestones reached", kind=Kind.NUMBER, value=counted(State.REACHED),
          known=entered(State.REACHED), unit="milestones"),
    field(key="milestones.overdue", label="Milestones overdue", kind=Kind.NUMBER, value=counted(State.OVERDUE),
          known=entered(State.OVERDUE), unit="milestones"),
    field(key="milestones.lost", label="Milestones lost", kind=Kind.NUMBER, value=counted(State.LOST),
          known=entered(State.LOST), unit="milestones"),
    field(key="milestones.last_reached_at", label="Last milestone reached", kind=Kind.DATETIME, value=last_reached,
          known=last_reached),
)  # fmt: skip


@provide(Milestone)
def milestone_fields() -> list[Field]:
    """Of every milestone that is switched on: the state, when it was first reached, the days that it took."""
    found: list[Field] = []
    for pk, key, name in Milestone.objects.filter(active=True).values_list("pk", "key", "name"):
        state, reached_at, days = field_keys(key)
        found += [
            field(key=state, label=f"Milestone: {name}", kind=Kind.CHOICE, value=partial(_state, pk), choices=states,
                  known=partial(_since, pk), description="Missing for accounts that the milestone does not aim at."),
            field(key=reached_at, label=f"{name}: reached", kind=Kind.DATETIME, value=partial(_reached_at, pk),
                  known=partial(_reached_at, pk), description="The first time; also where it was lost since."),
            field(key=days, label=f"{name}: days it took", kind=Kind.NUMBER, value=partial(_days, pk), unit="days",
                  known=partial(_reached_at, pk),
                  description="From the start from which expected days are counted to the first time it was reached."),
        ]  # fmt: skip
    return found
