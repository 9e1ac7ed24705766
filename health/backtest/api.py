"""Back-tests over the API: start one, read how far it is and its report, cancel it."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers

from accounts.reported import ReportOfAccounts
from core.api.filters import StrictFilterSet, ValuesFilter
from core.api.problems import faults_of, unusable
from core.api.reports import ProgressSerializer, ReportViewSet
from core.api.strict import Text, Tree, Whole, YesNo
from health.backtest.models import BackTest
from health.backtest.report import LISTS
from health.backtest.running import start_back_test
from health.definition import DefinitionError
from health.drafts_api import config_of, segment_of


class BackTestSerializer(ProgressSerializer):
    """A config replayed over past days. `definition` is a draft to be tested beside the saved one; without it the saved
    one is tested, beside the version `compare_with` if that is given. With `config` null it is a new config of that
    `name`, beside the default one. `segment` (a key) says whose accounts are scored, null as by the default config;
    left out, that of the saved config. `version` is that of what is tested, null for a
    draft. The report is there once the state is done; the manual's page on health says what stands in it.
    """

    config = Whole(source="config_id", allow_null=True)
    name = Text(max_length=120, required=False)
    segment = Text(max_length=80, required=False, allow_null=True, source="segment.key")
    definition = Tree(required=False)
    compare_with = Whole(required=False, source="against_version", allow_null=True, min_value=1)
    version = serializers.IntegerField(read_only=True)
    first_day = serializers.DateField()
    last_day = serializers.DateField()
    cancelled = YesNo(required=False)
    silent_days = Whole(required=False, allow_null=True)
    problems = serializers.DictField(read_only=True, child=serializers.CharField())


class ReportSerializer(ReportOfAccounts, BackTestSerializer):
    """The same with the report; accounts stand in it by their external ids, those that you may see."""

    lists = LISTS


class BackTestFilters(StrictFilterSet):
    """What the list can be narrowed by."""

    config = django_filters.NumberFilter(field_name="config_id")
    state = ValuesFilter(field_name="state")


@extend_schema_view(retrieve=extend_schema(responses=ReportSerializer))
class BackTestViewSet(ReportViewSet):
    """Back-tests, newest first; administrators and managers start and cancel them."""

    serializer_class = BackTestSerializer
    whole_serializer = ReportSerializer
    filterset_class = BackTestFilters
    heavy = ("report", "against")

    def get_queryset(self) -> QuerySet[BackTest]:
        """All of them."""
        return BackTest.objects.select_related("author", "segment")

    def started(self, data: dict[str, Any]) -> BackTest:
        """Start one; it works in the background."""
        config = config_of(data["config_id"])
        asked: dict[str, Any] = {"segment": segment_of(data["segment"]["key"])} if "segment" in data else {}
        try:
            return start_back_test(
                config, **asked, name=data.get("name", ""), first_day=data["first_day"], last_day=data["last_day"],
                cancelled=data.get("cancelled", True), silent_days=data.get("silent_days"),
                draft=data.get("definition"), compare_with=data.get("against_version"), author=self.request.user,
            )  # fmt: skip
        except DefinitionError as error:
            text = "It cannot be tested; “errors” says where and why."
            raise unusable(faults_of(error.problems), "invalid-back-test", text) from error
