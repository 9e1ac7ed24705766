"""Expressions that fields of several apps are made of."""

from __future__ import annotations

from collections.abc import Callable

from django.db.models import CharField, DateField, DecimalField, ExpressionWrapper, Func, Subquery, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Now, NullIf, Round

from core.clock import Moment
from core.models import Workspace

ONE_DECIMAL = DecimalField(max_digits=12, decimal_places=1)


def ratio(above: Callable[[str], Combinable], below: Callable[[str], Combinable]) -> Callable[[str], Combinable]:
    """One number divided by another, to one decimal; missing where there is nothing to divide by."""

    def value(prefix: str) -> Combinable:
        exact = DecimalField(max_digits=30, decimal_places=12)
        whole = ExpressionWrapper(Cast(above(prefix), exact) / NullIf(below(prefix), Value(0)), output_field=exact)
        return Round(whole, precision=1, output_field=ONE_DECIMAL)

    return value


class LocalDay(Func):
    """The calendar day of an instant in a zone."""

    template = "(%(expressions)s)::date"
    arg_joiner = " AT TIME ZONE "
    output_field = DateField()  # type: ignore[assignment]


class DaysBefore(Func):
    """The day so many days before another."""

    template = "(%(expressions)s)"
    arg_joiner = " - "
    output_field = DateField()  # type: ignore[assignment]


def local_day(instant: Combinable | None, moment: Moment | None) -> Combinable:
    """The workspace's calendar day of an instant (None: of the present), at a moment or as things are now."""
    zone: Combinable = Subquery(Workspace.objects.filter(pk=1).values("time_zone")[:1])
    if moment is not None:
        zone = Value(moment.zone.key, output_field=CharField())
    present: Combinable = Now() if moment is None else Value(moment.now)
    return LocalDay(present if instant is None else instant, zone)
