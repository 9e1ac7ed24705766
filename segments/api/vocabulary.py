"""What rules may name: fields and operators; and the runs that refreshed segments."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.db.models import Prefetch, QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.fields import Kind, Vocabulary, vocabulary
from accounts.fields.operators import OPERATORS, operators_for
from accounts.fields.properties import property_operators
from accounts.fields.windows import WINDOW_UNITS
from core.api.filters import StrictFilterSet
from core.api.problems import ApiProblem, Fault
from core.api.views import ApiView, ApiViewSet
from segments.api.serializers import RunSerializer
from segments.models import RefreshRun, SegmentRefresh
from segments.rules.events import COUNTS, EVENT_OPERATORS, OF_PROPERTY, SEQUENCE_OPERATORS
from segments.rules.operators import SEGMENT_OPERATORS

MOST_CHOICES = 200


class FieldsView(ApiView):
    """Every field that a rule (or a column) may name, as it is now, custom attributes included."""

    takes: ClassVar[tuple[str, ...]] = ("category",)

    @extend_schema(parameters=[OpenApiParameter("category")], responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """All fields, or those of one `category`; a list of choices is cut at 200 and says so.

        Without a category the answer also has the `events` that were received, with the properties of the newest ones.
        """
        everything = vocabulary()
        grouped = everything.by_category()
        wanted = request.query_params.get("category")
        known = tuple(category.value for category in grouped)
        if wanted is not None and wanted not in known:
            detail = f"There is no such category. Use one of: {', '.join(known)}."
            fault = Fault(detail, "invalid-value", None, "category", known)
            raise ApiProblem("invalid-parameter", fault.detail, 400, [fault])
        fields = [item for category, items in grouped.items() if wanted in (None, category.value) for item in items]
        found = {"results": [_field(item) for item in fields]}
        return Response(found if wanted is not None else found | {"events": _events(everything)})


def _events(found: Vocabulary) -> list[dict[str, Any]]:
    """Every event by name, with the properties seen lately and the kind that most of their values had."""
    properties = found.event_properties
    return [
        {
            "event": name,
            "properties": [
                {"field": f"event.properties.{key}", "kind": kinds[0].value}
                for key, kinds in properties.get(name, {}).items()
            ],
        }
        for name in sorted(found.event_names)
    ]


def _field(item: Any) -> dict[str, Any]:
    choices = item.choices()
    return {
        "key": item.key,
        "label": item.label,
        "category": item.category.value,
        "kind": item.kind.value,
        "about": item.owner.value,
        "unit": item.unit,
        "description": item.description,
        "choices": [{"value": choice.value, "label": choice.label} for choice in choices[:MOST_CHOICES]],
        "more_choices": max(0, len(choices) - MOST_CHOICES),
        "operators": [operator.key for operator in operators_for(item.kind)],
    }


class OperatorsView(ApiView):
    """The comparisons that rules know, and the shape of the value that each takes for each kind of field."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """The whole table."""
        table = [
            {
                "key": operator.key,
                "words": operator.words,
                "values": {kind.value: operator.shape(kind).value for kind in Kind if kind in operator.shapes},
                "negates": operator.negates or None,
                "changes_with_time": operator.clock,
            }
            for operator in OPERATORS.values()
        ]
        segments = [
            {
                "key": operator.key,
                "words": operator.words,
                "values": {"segment": "span" if operator.span else "none"},
                "negates": operator.negates or None,
                "changes_with_time": operator.span,
            }
            for operator in SEGMENT_OPERATORS.values()
        ]
        return Response({"results": table, "segments": segments, "events": _event_table()})


def _event_table() -> dict[str, Any]:
    """What can be asked of events: comparisons, sequences, measures, and the shapes of a window."""
    operators = [
        {"key": operator.key, "words": operator.words, "value": operator.shape, "measured": operator.measured}
        for operator in EVENT_OPERATORS.values()
    ]
    return {
        "operators": operators,
        "sequences": [{"key": operator.key, "words": operator.words} for operator in SEQUENCE_OPERATORS.values()],
        "measures": [*COUNTS, *({name: "properties.…"} for name in OF_PROPERTY)],
        "windows": ["ever", {"last": 30, "unit": "day"}, {"between": [60, 30], "unit": "day"}, {"since": "account.…"}],
        "units": WINDOW_UNITS,
        "property_operators": [operator.key for operator in property_operators()],
    }


class RunFilters(StrictFilterSet):
    """What the list of runs can be narrowed by."""

    state = django_filters.ChoiceFilter(choices=RefreshRun.State.choices)
    trigger = django_filters.ChoiceFilter(choices=RefreshRun.Trigger.choices)


class RefreshRunViewSet(ApiViewSet):
    """Refresh runs, newest first, with the segments that could not be run."""

    serializer_class = RunSerializer
    filterset_class = RunFilters
    orderings: ClassVar[dict[str, str]] = {"id": "id"}
    default_ordering = "-id"
    lookup_value_regex = r"[0-9]{1,18}"
    http_method_names = ["get", "head", "options"]

    def get_queryset(self) -> QuerySet[RefreshRun]:
        """All runs; the failures of a page in one query."""
        failed = SegmentRefresh.objects.exclude(error="").select_related("segment").order_by("id")
        return RefreshRun.objects.prefetch_related(Prefetch("refreshes", failed, to_attr="failed"))
