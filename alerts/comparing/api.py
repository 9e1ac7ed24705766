"""Comparisons over the API: start one, read how far it is and its report, cancel it."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Account
from alerts.comparing.starting import CALIPERS, MOST_USES, NotNow, cancel_comparison, start_comparison
from alerts.models import Comparison, Milestone, Playbook
from core.api.filters import StrictFilterSet, ValuesFilter
from core.api.problems import ApiProblem, Fault
from core.api.strict import StrictSerializer, Text, Whole
from core.api.views import ApiViewSet
from core.intake import BadValue
from segments.models import Segment

NAMED: dict[str, type[Playbook] | type[Segment] | type[Milestone]] = {
    "playbook": Playbook, "segment": Segment, "milestone": Milestone, "among": Segment,
}  # fmt: skip


class ComparisonSerializer(StrictSerializer):
    """Accounts that came into a playbook or a segment (one of the two, by its key) from a first day on, beside accounts
    like them that had not. `milestone` is one whose reaching is compared too, `among` a segment of which both sides
    are members; `caliper` how far two accounts may differ in a number, in standard deviations; `uses` beside how many
    others an account may stand. The report is there once the state is done; the manual says what stands in it."""

    id = serializers.IntegerField(read_only=True)
    playbook = Text(max_length=80, required=False, allow_null=True, source="playbook.key", default=None)
    segment = Text(max_length=80, required=False, allow_null=True, source="segment.key", default=None)
    first_day = serializers.DateField()
    last_day = serializers.DateField(read_only=True)
    milestone = Text(max_length=80, required=False, allow_null=True, source="milestone.key", default=None)
    among = Text(max_length=80, required=False, allow_null=True, source="among.key", default=None)
    caliper = serializers.ChoiceField([str(one) for one in CALIPERS], required=False)
    uses = Whole(required=False, min_value=1, max_value=MOST_USES)
    state = serializers.ChoiceField(Comparison.State.choices, read_only=True)
    steps = serializers.IntegerField(read_only=True)
    done = serializers.IntegerField(read_only=True)
    error = serializers.CharField(read_only=True)
    author = serializers.CharField(read_only=True, source="author.username", default=None)
    created_at = serializers.DateTimeField(read_only=True)
    finished_at = serializers.DateTimeField(read_only=True)


class ComparisonReportSerializer(ComparisonSerializer):
    """The same with the report; accounts stand in it by their external ids, those that you may see."""

    report = serializers.SerializerMethodField()

    def get_report(self, comparison: Comparison) -> dict[str, Any]:
        """The report as it was stored, with ids that a caller knows."""
        report = dict(comparison.report)
        if not report:
            return {}
        rows = report["sets"]
        seen = Account.objects.visible_to(self.context["request"].user).order_by().filter(pk__in={r[0] for r in rows})
        ids = dict(seen.values_list("pk", "external_id"))
        return report | {"sets": [[ids[row[0]], *row[1:]] for row in rows if row[0] in ids]}


class ComparisonFilters(StrictFilterSet):
    """What the list can be narrowed by."""

    playbook = django_filters.CharFilter(field_name="playbook__key")
    segment = django_filters.CharFilter(field_name="segment__key")
    state = ValuesFilter(field_name="state")


class ComparisonViewSet(ApiViewSet):
    """Comparisons, newest first; administrators and managers start and cancel them."""

    serializer_class = ComparisonSerializer
    filterset_class = ComparisonFilters
    orderings: ClassVar[dict[str, str]] = {"id": "id"}
    default_ordering = "-id"
    lookup_value_regex = r"\d{1,18}"
    http_method_names = ["get", "head", "options", "post"]

    def get_queryset(self) -> QuerySet[Comparison]:
        """All of them; the list leaves the report out."""
        found = Comparison.objects.select_related("author", "playbook", "segment", "among", "milestone")
        return found.defer("report", "pool") if self.action == "list" else found

    @extend_schema(responses=ComparisonReportSerializer)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One comparison with its report."""
        return Response(ComparisonReportSerializer(self.get_object(), context=self.get_serializer_context()).data)

    def create(self, request: Request) -> Response:
        """Start one; it works in the background. One of the same thing that is still running is cancelled."""
        data = self.read_body()
        found = {name: _named(name, (data.get(name) or {}).get("key")) for name in NAMED}
        what = [found[name] for name in ("playbook", "segment") if found[name] is not None]
        if len(what) != 1:
            text = "Name a playbook or a segment: one of the two."
            raise ApiProblem("required", text, 422, [Fault(text, "required", "/playbook")])
        more = {name: data[name] for name in ("uses",) if name in data}
        if "caliper" in data:
            more["caliper"] = next(one for one in CALIPERS if str(one) == data["caliper"])
        try:
            made = start_comparison(
                what[0], first_day=data["first_day"], milestone=found["milestone"], among=found["among"],
                author=request.user, **more,
            )  # fmt: skip
        except BadValue as error:
            raise ApiProblem("validation", str(error), 400) from error
        except NotNow as error:
            raise ApiProblem("conflict", str(error), 409) from error
        return self.answer(made, 201)

    @extend_schema(request=None, responses=ComparisonSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Stop after the day in hand; 409 if it is not running."""
        try:
            cancel_comparison(self.get_object())
        except NotNow as error:
            raise ApiProblem("conflict", str(error), 409) from error
        return self.answer(self.get_object())


def _named(name: str, key: str | None) -> Any:
    """What a key names; 422 with the place if there is nothing."""
    if not key:
        return None
    found = NAMED[name].objects.filter(key=key).first()
    if found is None:
        kind = "segment" if name == "among" else name
        text = f"There is no {kind} “{key[:60]}”."
        raise ApiProblem(f"unknown-{kind}", text, 422, [Fault(text, f"unknown-{kind}", f"/{name}")])
    return found
