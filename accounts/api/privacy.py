"""Erasures and exports over the API, for administrators.

A user or an account is not erased by DELETE on its own address: it takes time, it cannot be undone, and what it did is
asked for afterwards. So an erasure is a record of its own: POST begins it, GET follows it, `lift/` ends its effect.
"""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.recording import ExternalId
from accounts.models import DataExport, Erasure
from accounts.models.privacy import DataSubject
from accounts.privacy.downloading import download
from accounts.privacy.erasing import NothingHeld, lift, plan_erasure, request_erasure
from accounts.privacy.exporting import request_export
from core.api.access import AdministratorsOnly, IsMember
from core.api.filters import StrictFilterSet
from core.api.problems import ApiProblem, Fault
from core.api.strict import StrictSerializer, YesNo
from core.api.views import ApiViewSet


class ErasureSerializer(StrictSerializer):
    """An erasure. `external_id` is only sent, never answered; `removed` is rows by kind; `refused` counts what came in
    about the id since. `dry_run` answers 200 with the rows that would go (`would_remove`) and begins nothing;
    `with_users` takes the users of an account who belong to no other with it."""

    uid = serializers.UUIDField(read_only=True)
    kind = serializers.ChoiceField(DataSubject.choices)
    external_id = ExternalId(write_only=True)
    with_users = YesNo(required=False, write_only=True)
    dry_run = YesNo(required=False, write_only=True)
    state = serializers.CharField(read_only=True)
    requested_by = serializers.CharField(read_only=True)
    requested_at = serializers.DateTimeField(read_only=True)
    expected = serializers.IntegerField(read_only=True)
    removed = serializers.DictField(child=serializers.IntegerField(), read_only=True)
    finished_at = serializers.DateTimeField(read_only=True)
    error = serializers.CharField(read_only=True)
    refused = serializers.IntegerField(read_only=True)
    refused_at = serializers.DateTimeField(read_only=True)
    lifted_at = serializers.DateTimeField(read_only=True)
    lifted_by = serializers.CharField(read_only=True)


class PrivacyFilters(StrictFilterSet):
    """What the logs can be narrowed by."""

    kind = django_filters.ChoiceFilter(choices=DataSubject.choices)
    state = django_filters.CharFilter()


def _unknown(error: Exception) -> ApiProblem:
    return ApiProblem("not-found", str(error), 404, [Fault(str(error), "not-found", "/external_id")])


class PrivacyViewSet(ApiViewSet):
    """Administrators only, newest first."""

    permission_classes: Any = [IsMember, AdministratorsOnly]
    filterset_class = PrivacyFilters
    orderings: ClassVar[dict[str, str]] = {"requested_at": "id"}
    default_ordering = "-requested_at"


class ErasureViewSet(PrivacyViewSet):
    """The log of erasures. POST erases a user or an account for good; DELETE is not offered, because the log stays."""

    serializer_class = ErasureSerializer
    lookup_field = "uid"
    lookup_value_regex = r"[0-9a-f-]{36}"

    def get_queryset(self) -> QuerySet[Erasure]:
        """All of them."""
        return Erasure.objects.all()

    @extend_schema(responses={202: ErasureSerializer, 200: OpenApiTypes.OBJECT})
    def create(self, request: Request) -> Response:
        """Begin an erasure (202; asked again, the same one), or with `dry_run` say what it would remove (200)."""
        data = self.read_body()
        kind, external_id = data["kind"], data["external_id"]
        with_users = data.get("with_users", False)
        try:
            if data.get("dry_run"):
                plan = plan_erasure(kind, external_id)
                if not plan.total:
                    raise NothingHeld(f"Nothing is held about a {kind} with this id.")
                people = plan.only_here if with_users else []
                return Response({"kind": kind, "would_remove": dict(plan.rows), "rows": plan.total, "users": people})
            made = request_erasure(kind, external_id, by=request.user.get_username(), with_users=with_users)
        except NothingHeld as error:
            raise _unknown(error) from error
        return self.answer(made, 202)

    @extend_schema(request=None, responses=ErasureSerializer)
    @action(detail=True, methods=["post"])
    def lift(self, request: Request, uid: str) -> Response:
        """Take messages about the id again. 409 while the erasure is not done."""
        found = lift(self.get_object(), by=request.user.get_username())
        if found.lifted_at is None:
            raise ApiProblem("conflict", "The erasure is not done yet. Lift it when its state is done.", 409)
        return self.answer(found)


class DataExportSerializer(StrictSerializer):
    """An export. Its file is there while its state is `ready`, until `expires_at`."""

    id = serializers.IntegerField(read_only=True)
    kind = serializers.ChoiceField(DataSubject.choices)
    external_id = ExternalId()
    state = serializers.CharField(read_only=True)
    requested_by = serializers.CharField(read_only=True)
    requested_at = serializers.DateTimeField(read_only=True)
    rows = serializers.IntegerField(read_only=True)
    size = serializers.IntegerField(read_only=True)
    ready_at = serializers.DateTimeField(read_only=True)
    expires_at = serializers.DateTimeField(read_only=True)
    downloads = serializers.IntegerField(read_only=True)
    error = serializers.CharField(read_only=True)


class DataExportViewSet(PrivacyViewSet):
    """Exports of all that is held about a user or an account. POST asks for one, `file/` downloads it."""

    serializer_class = DataExportSerializer
    lookup_value_regex = r"[0-9]{1,18}"

    def get_queryset(self) -> QuerySet[DataExport]:
        """All of them."""
        return DataExport.objects.all()

    def create(self, request: Request) -> Response:
        """Ask for a file; a small one is ready in the answer (201), a large one is made in the background (202)."""
        data = self.read_body()
        try:
            made = request_export(data["kind"], data["external_id"], by=request.user.get_username())
        except NothingHeld as error:
            raise _unknown(error) from error
        return self.answer(made, 201 if made.state == DataExport.State.READY else 202)

    @extend_schema(responses={(200, "application/zip"): OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"])
    def file(self, request: Request, pk: str) -> StreamingHttpResponse:
        """The zip. 404 while it is not ready and after its time."""
        found: DataExport = self.get_object()
        answer = download(found)
        if answer is None:
            raise ApiProblem("not-found", "There is no file: it is not ready yet, or its time is over.", 404)
        return answer
