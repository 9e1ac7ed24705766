"""Back-tests over the API: start one, read how far it is and its report, cancel it."""

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
from core.api.filters import StrictFilterSet, ValuesFilter
from core.api.problems import ApiProblem, Fault
from core.api.strict import StrictSerializer, Text, Whole, YesNo
from core.api.views import ApiViewSet
from health.backtest.models import BackTest
from health.backtest.report import LISTS
from health.backtest.running import NotNow, cancel_back_test, start_back_test
from health.definition import DefinitionError
from health.drafts_api import DefinitionField, config_of, segment_of


class BackTestSerializer(StrictSerializer):
    """A config replayed over past days. `definition` is a draft to be tested beside the saved one; without it the saved
    one is tested, beside the version `compare_with` if that is given. With `config` null it is a new config of that
    `name`, beside the default one. `segment` (a key) says whose accounts are scored, null as by the default config;
    left out, that of the saved config. `version` is that of what is tested, null for a
    draft. The report is there once the state is done; the manual's page on health says what stands in it.
    """

    id = serializers.IntegerField(read_only=True)
    config = Whole(source="config_id", allow_null=True)
    name = Text(max_length=120, required=False)
    segment = Text(max_length=80, required=False, allow_null=True, source="segment.key")
    definition = DefinitionField(required=False)
    compare_with = Whole(required=False, source="against_version", allow_null=True, min_value=1)
    version = serializers.IntegerField(read_only=True)
    first_day = serializers.DateField()
    last_day = serializers.DateField()
    cancelled = YesNo(required=False)
    silent_days = Whole(required=False, allow_null=True)
    state = serializers.ChoiceField(BackTest.State.choices, read_only=True)
    steps = serializers.IntegerField(read_only=True)
    done = serializers.IntegerField(read_only=True)
    error = serializers.CharField(read_only=True)
    problems = serializers.DictField(read_only=True, child=serializers.CharField())
    author = serializers.CharField(read_only=True, source="author.username", default=None)
    created_at = serializers.DateTimeField(read_only=True)
    finished_at = serializers.DateTimeField(read_only=True)


class ReportSerializer(BackTestSerializer):
    """The same with the report; accounts stand in it by their external ids, those that you may see."""

    report = serializers.SerializerMethodField()

    def get_report(self, test: BackTest) -> dict[str, Any]:
        """The report as it was stored, with ids that a caller knows."""
        report = dict(test.report)
        if not report:
            return {}
        rows = {row[0] for name in LISTS for row in report.get(name, ())}
        seen = Account.objects.visible_to(self.context["request"].user).order_by().filter(pk__in=rows)
        ids = dict(seen.values_list("pk", "external_id"))
        for name in LISTS:
            report[name] = [[ids[row[0]], *row[1:]] for row in report.get(name, ()) if row[0] in ids]
        return report


class BackTestFilters(StrictFilterSet):
    """What the list can be narrowed by."""

    config = django_filters.NumberFilter(field_name="config_id")
    state = ValuesFilter(field_name="state")


class BackTestViewSet(ApiViewSet):
    """Back-tests, newest first; administrators and managers start and cancel them."""

    serializer_class = BackTestSerializer
    filterset_class = BackTestFilters
    orderings: ClassVar[dict[str, str]] = {"id": "id"}
    default_ordering = "-id"
    lookup_value_regex = r"\d{1,18}"
    http_method_names = ["get", "head", "options", "post"]

    def get_queryset(self) -> QuerySet[BackTest]:
        """All of them; the list leaves the large parts out."""
        found = BackTest.objects.select_related("author", "segment")
        return found.defer("report", "against") if self.action == "list" else found

    @extend_schema(responses=ReportSerializer)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One back-test with its report."""
        return Response(ReportSerializer(self.get_object(), context=self.get_serializer_context()).data)

    def create(self, request: Request) -> Response:
        """Start one; it works in the background."""
        data = self.read_body()
        config = config_of(data["config_id"])
        asked: dict[str, Any] = {"segment": segment_of(data["segment"]["key"])} if "segment" in data else {}
        try:
            made = start_back_test(
                config, **asked, name=data.get("name", ""), first_day=data["first_day"], last_day=data["last_day"],
                cancelled=data.get("cancelled", True), silent_days=data.get("silent_days"),
                draft=data.get("definition"), compare_with=data.get("against_version"), author=request.user,
            )  # fmt: skip
        except DefinitionError as error:
            faults = [Fault(p.message, p.code, p.pointer, None, p.allowed[:100]) for p in error.problems]
            code = faults[0].code if len(faults) == 1 else "invalid-back-test"
            raise ApiProblem(code, "It cannot be tested; “errors” says where and why.", 422, faults) from error
        except NotNow as error:
            raise ApiProblem("conflict", str(error), 409) from error
        return self.answer(made, 201)

    @extend_schema(request=None, responses=BackTestSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Stop after the day in hand; 409 if it is not running."""
        test = self.get_object()
        try:
            cancel_back_test(test)
        except NotNow as error:
            raise ApiProblem("conflict", str(error), 409) from error
        return self.answer(self.get_object())
