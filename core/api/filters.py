"""Query parameters are a contract: one that is not known, or comes twice, is refused instead of ignored.

A typing mistake that silently shows everything is worse than an error.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import django_filters
from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.request import Request

from core.api.problems import ApiProblem, Fault
from core.api.strict import near
from core.intake import short, whole

if TYPE_CHECKING:
    from rest_framework.views import APIView

MOST_VALUES = 200
PAGING = ("cursor", "page_size", "ordering")


def check_parameters(request: Request, known: Iterable[str]) -> None:
    """Refuse parameters that a view does not know, and those that come twice."""
    allowed = sorted(known)
    faults = []
    for name, values in request.query_params.lists():
        if name not in allowed:
            listed = f"This address takes: {', '.join(allowed)}." if allowed else "This address takes none."
            detail = f"“{short(name)}” is not a parameter here.{near(name, allowed)} {listed}"
            faults.append(Fault(detail, "unknown-parameter", parameter=short(name), allowed=tuple(allowed)))
        elif len(values) > 1:
            detail = f"“{name}” comes {len(values)} times. Send it once."
            faults.append(Fault(detail, "repeated-parameter", parameter=name))
    if faults:
        raise ApiProblem(faults[0].code, faults[0].detail, 400, faults)


class StrictFilterSet(django_filters.FilterSet):
    """Filters that are declared one by one; lookups nobody declared do not exist."""


class ValuesFilter(django_filters.BaseInFilter, django_filters.CharFilter):
    """Any of several values with commas between them, at most 200."""

    def filter(self, qs: QuerySet[Any], value: Any) -> QuerySet[Any]:
        """Narrow to the values; nothing given leaves the rows as they are."""
        if value and len(value) > MOST_VALUES:
            raise ApiProblem(
                "too-many-values",
                f"“{self.field_name}” has {len(value):,} values; at most {MOST_VALUES} can be given.",
            )
        return super().filter(qs, value)


class YesNoFilter(django_filters.ChoiceFilter):
    """`true` or `false`; anything else is an error, where django-filter's own would ignore it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=[("true", "Yes"), ("false", "No")], **kwargs)

    def filter(self, qs: QuerySet[Any], value: Any) -> QuerySet[Any]:
        """Narrow to yes or to no."""
        return super().filter(qs, value == "true" if value in ("true", "false") else value)


class StrictFilterBackend(DjangoFilterBackend):
    """django-filter with the error contract."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:
        """Narrow the rows, or raise a problem that names each wrong parameter."""
        made = self.get_filterset(request, queryset, view)
        if made is None:
            return queryset
        if not made.is_valid():
            faults = [
                Fault(str(text), "invalid-value", parameter=str(name))
                for name, texts in made.errors.items()
                for text in texts
            ]
            raise ApiProblem("invalid-parameter", faults[0].detail, 400, faults)
        return made.qs


def ascii_whole(text: str, name: str, low: int, high: int) -> int:
    """A whole number written in ASCII digits, within bounds; raises `out-of-range` otherwise."""
    number = whole(text, high)
    if number is not None and number >= low:
        return number
    detail = f"“{name}” is a whole number from {low} to {high:,}."
    raise ApiProblem("out-of-range", detail, 400, [Fault(detail, "out-of-range", parameter=name)])
