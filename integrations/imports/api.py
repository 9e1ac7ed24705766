"""Imports over the API, to read: who imported what, how far it is, which rows were rejected and why."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.access import IsMember, ManagersOnly
from core.api.filters import PAGING, StrictFilterSet, ValuesFilter
from core.api.strict import StrictSerializer
from core.api.views import ApiViewSet
from integrations.models import Import, ImportReject
from integrations.models.importing import ImportKind


class ImportSerializer(StrictSerializer):
    """A file with what became of its rows. `place` of `size` is how much of it has been read."""

    id = serializers.IntegerField(read_only=True)
    name = serializers.CharField(read_only=True)
    kind = serializers.ChoiceField(ImportKind.choices, read_only=True)
    state = serializers.ChoiceField(Import.State.choices, read_only=True)
    author = serializers.CharField(read_only=True, source="author.username", default=None)
    schedule = serializers.CharField(read_only=True, source="schedule.name", default=None)
    rows = serializers.IntegerField(read_only=True)
    created = serializers.IntegerField(read_only=True)
    updated = serializers.IntegerField(read_only=True)
    unchanged = serializers.IntegerField(read_only=True)
    rejected = serializers.IntegerField(read_only=True, source="bad_rows")
    place = serializers.IntegerField(read_only=True)
    size = serializers.IntegerField(read_only=True)
    error = serializers.CharField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    started_at = serializers.DateTimeField(read_only=True)
    finished_at = serializers.DateTimeField(read_only=True)


class ImportRejectSerializer(StrictSerializer):
    """One reason for which a row was not taken; `cells` are the row as it was."""

    line = serializers.IntegerField(read_only=True)
    column = serializers.CharField(read_only=True)
    reason = serializers.CharField(read_only=True)
    cells = serializers.ListField(child=serializers.CharField(), read_only=True)


class ImportFilters(StrictFilterSet):
    """What the list can be narrowed by."""

    kind = ValuesFilter(field_name="kind")
    state = ValuesFilter(field_name="state")
    schedule = django_filters.CharFilter(field_name="schedule__name")


class ImportViewSet(ApiViewSet):
    """Imports, newest first; for administrators and managers."""

    permission_classes: Any = [IsMember, ManagersOnly]
    serializer_class = ImportSerializer
    filterset_class = ImportFilters
    orderings: ClassVar[dict[str, str]] = {"id": "id", "created_at": "created_at"}
    default_ordering = "-id"
    parameters: ClassVar[dict[str, tuple[str, ...]]] = {"rejects": PAGING}
    lookup_value_regex = r"[0-9]{1,18}"
    http_method_names = ["get", "head", "options"]

    def get_queryset(self) -> QuerySet[Import]:
        """All of them."""
        return Import.objects.select_related("author", "schedule").defer("mapping", "header", "options")

    @extend_schema(responses=ImportRejectSerializer(many=True))
    @action(detail=True)
    def rejects(self, request: Request, pk: str) -> Response:
        """The rejected rows in the order of the file, one item for each reason."""
        rows = ImportReject.objects.filter(job=self.get_object())
        # The view is made anew for each request, so these are of this one alone.
        self.orderings, self.default_ordering = {"line": "line"}, "line"  # type: ignore[misc]
        return self.paged(rows, ImportRejectSerializer)
