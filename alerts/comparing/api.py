"""Comparisons over the API: start one, read how far it is and its report, cancel it."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers

from accounts.reported import ReportOfAccounts
from alerts.comparing.starting import CALIPERS, MOST_USES, start_comparison
from alerts.models import Comparison, Milestone, Playbook
from core.api.filters import StrictFilterSet, ValuesFilter
from core.api.problems import ApiProblem, Fault
from core.api.reports import ProgressSerializer, ReportViewSet
from core.api.strict import Text, Whole
from core.intake import BadValue
from segments.models import Segment

NAMED: dict[str, type[Playbook] | type[Segment] | type[Milestone]] = {
    "playbook": Playbook, "segment": Segment, "milestone": Milestone, "among": Segment,
}  # fmt: skip


class ComparisonSerializer(ProgressSerializer):
    """Accounts that came into a playbook or a segment (one of the two, by its key) from a first day on, beside accounts
    like them that had not. `milestone` is one whose reaching is compared too, `among` a segment of which both sides
    are members; `caliper` how far two accounts may differ in a number, in standard deviations; `uses` beside how many
    others an account may stand. The report is there once the state is done; the manual says what stands in it."""

    playbook = Text(max_length=80, required=False, allow_null=True, source="playbook.key", default=None)
    segment = Text(max_length=80, required=False, allow_null=True, source="segment.key", default=None)
    first_day = serializers.DateField()
    last_day = serializers.DateField(read_only=True)
    milestone = Text(max_length=80, required=False, allow_null=True, source="milestone.key", default=None)
    among = Text(max_length=80, required=False, allow_null=True, source="among.key", default=None)
    caliper = serializers.ChoiceField([str(one) for one in CALIPERS], required=False)
    uses = Whole(required=False, min_value=1, max_value=MOST_USES)


class ComparisonReportSerializer(ReportOfAccounts, ComparisonSerializer):
    """The same with the report; accounts stand in it by their external ids, those that you may see."""

    lists = ("sets",)


class ComparisonFilters(StrictFilterSet):
    """What the list can be narrowed by."""

    playbook = django_filters.CharFilter(field_name="playbook__key")
    segment = django_filters.CharFilter(field_name="segment__key")
    state = ValuesFilter(field_name="state")


@extend_schema_view(retrieve=extend_schema(responses=ComparisonReportSerializer))
class ComparisonViewSet(ReportViewSet):
    """Comparisons, newest first; administrators and managers start and cancel them."""

    serializer_class = ComparisonSerializer
    whole_serializer = ComparisonReportSerializer
    filterset_class = ComparisonFilters
    heavy = ("report", "pool")

    def get_queryset(self) -> QuerySet[Comparison]:
        """All of them."""
        return Comparison.objects.select_related("author", "playbook", "segment", "among", "milestone")

    def started(self, data: dict[str, Any]) -> Comparison:
        """Start one; it works in the background. One of the same thing that is still running is cancelled."""
        found = {name: _named(name, (data.get(name) or {}).get("key")) for name in NAMED}
        what = [found[name] for name in ("playbook", "segment") if found[name] is not None]
        if len(what) != 1:
            text = "Name a playbook or a segment: one of the two."
            raise ApiProblem("required", text, 422, [Fault(text, "required", "/playbook")])
        more = {name: data[name] for name in ("uses",) if name in data}
        if "caliper" in data:
            more["caliper"] = next(one for one in CALIPERS if str(one) == data["caliper"])
        try:
            return start_comparison(
                what[0], first_day=data["first_day"], milestone=found["milestone"], among=found["among"],
                author=self.request.user, **more,
            )  # fmt: skip
        except BadValue as error:
            raise ApiProblem("validation", str(error), 400) from error


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
