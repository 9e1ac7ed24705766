"""Imports over the API: a file is sent with its mapping, followed, stopped, and undone; rejected rows are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import django_filters
from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.access import IsMember, ManagersOnly
from core.api.filters import PAGING, StrictFilterSet, ValuesFilter
from core.api.parsing import StrictJSONParser, read_json
from core.api.problems import ApiProblem, Fault, pointer_to
from core.api.strict import StrictSerializer, Text
from core.api.views import ApiViewSet
from core.working import NotNow
from integrations.imports import running
from integrations.imports.guessing import FORMS
from integrations.imports.mapping_form import ENCODINGS, FLAGS
from integrations.imports.storing import discard
from integrations.imports.uploading import BadUpload, upload
from integrations.imports.wording import on_screen
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


class MappedImportSerializer(ImportSerializer):
    """One import, with what its columns become."""

    mapping = serializers.JSONField(read_only=True)


class Flag(serializers.ChoiceField):
    """A yes or no among the parts of a form, where everything is text."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(["true", "false"], **kwargs)


class UploadSerializer(StrictSerializer):
    """The parts of `multipart/form-data`. `mapping` is JSON: `{"Column": "field"}`."""

    file = serializers.FileField()
    kind = serializers.ChoiceField(ImportKind.choices, required=False)
    mapping = Text(required=False, max_length=100_000)
    date_format = serializers.ChoiceField(FORMS, required=False)
    encoding = serializers.ChoiceField([value for value, _ in ENCODINGS if value], required=False)
    create_missing = Flag(required=False)
    clear_empty = Flag(required=False)
    start = Flag(required=False)


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
    """Imports, newest first; for administrators and managers. POST sends a file; it is worked on in the background."""

    permission_classes: Any = [IsMember, ManagersOnly]
    serializer_class = ImportSerializer
    filterset_class = ImportFilters
    orderings: ClassVar[dict[str, str]] = {"id": "id", "created_at": "created_at"}
    matched: ClassVar[tuple[str, ...]] = ()  # a draft is thrown away or not
    default_ordering = "-id"
    parameters: ClassVar[dict[str, tuple[str, ...]]] = {"rejects": PAGING}
    lookup_value_regex = r"[0-9]{1,18}"
    http_method_names = ["get", "head", "options", "post", "delete"]

    def get_queryset(self) -> QuerySet[Import]:
        """All of them."""
        found = Import.objects.select_related("author", "schedule").defer("header")
        return found if self.action == "retrieve" else found.defer("mapping", "header", "options")

    def get_serializer_class(self) -> Any:
        """One import tells its mapping too."""
        return MappedImportSerializer if self.action == "retrieve" else super().get_serializer_class()

    def get_parsers(self) -> list[Any]:
        """A file comes as a part of a form; everything else is JSON."""
        form = self.request is None or self.request.method == "POST" and not self.detail
        return [MultiPartParser()] if form else [StrictJSONParser()]

    @extend_schema(request={"multipart/form-data": UploadSerializer}, responses={201: MappedImportSerializer})
    def create(self, request: Request) -> Response:
        """Send a file. It is started at once, or with `start=false` kept as a draft that can be looked at first.

        Columns that `mapping` does not name become what the page would propose. What cannot be is a 422 that names the
        part or the column, and nothing is kept.
        """
        parts: Any = request.data
        sent = UploadSerializer(data={name: parts[name] for name in parts})
        sent.is_valid(raise_exception=True)
        data = dict(sent.validated_data)
        columns = _columns(data.pop("mapping", ""))
        options = {name: "1" for name in FLAGS if data.get(name) == "true"}
        options |= {name: data[name] for name in ("date_format", "encoding") if name in data}
        file = data["file"]
        try:
            job = upload(
                file.chunks(), name=file.name or "file", author=request.user, kind=data.get("kind", ""),
                columns=columns, options=options, begin=data.get("start") != "false",
            )  # fmt: skip
        except BadUpload as error:
            raise _refused(error) from error
        return Response(MappedImportSerializer(job).data, 201)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Throw a draft away, with its file; 409 for an import that was started."""
        with transaction.atomic():
            job = Import.objects.select_for_update().get(pk=self.get_object().pk)
            if job.state != Import.State.DRAFT:
                raise ApiProblem("conflict", "This import was started. It can be cancelled or undone.", 409)
            discard(job)
        return Response(status=204)

    @extend_schema(request=None, responses=ImportSerializer)
    @action(detail=True, methods=["post"])
    def start(self, request: Request, pk: str) -> Response:
        """Let a draft run."""
        return self._do(running.start)

    @extend_schema(request=None, responses=ImportSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Stop after the batch in hand; what was imported stays, and can be undone."""
        return self._do(running.cancel)

    @extend_schema(request=None, responses=ImportSerializer)
    @action(detail=True, methods=["post"])
    def undo(self, request: Request, pk: str) -> Response:
        """Take an import back, in the background: its state is `undoing`, then `undone`."""
        return self._do(running.ask_undo)

    def _do(self, what: Callable[[Import], None]) -> Response:
        """Change the state of an import; 409 if it is in none for that."""
        job = self.get_object()
        try:
            what(job)
        except NotNow as error:
            raise ApiProblem("conflict", str(error), 409) from error
        return self.answer(self.get_queryset().get(pk=job.pk))

    @extend_schema(responses=ImportRejectSerializer(many=True))
    @action(detail=True)
    def rejects(self, request: Request, pk: str) -> Response:
        """The rejected rows in the order of the file, one item for each reason."""
        rows = ImportReject.objects.filter(job=self.get_object())
        # The view is made anew for each request, so these are of this one alone.
        self.orderings, self.default_ordering = {"line": "line"}, "line"  # type: ignore[misc]
        return self.paged(rows, ImportRejectSerializer)


def _columns(text: str) -> dict[str, str]:
    """The mapping of a request. Raises ApiProblem for what is none."""
    found = read_json(text) if text else {}
    if not isinstance(found, dict) or not all(value is None or isinstance(value, str) for value in found.values()):
        detail = "“mapping” is an object: the name of a column to the field that it becomes."
        raise ApiProblem("invalid", detail, 400, [Fault(detail, "invalid-type", "/mapping")])
    return {name: value or "" for name, value in found.items()}


def _refused(error: BadUpload) -> ApiProblem:
    faults = [Fault(on_screen(text), "invalid", pointer_to(*place)) for place, text in error.faults]
    return ApiProblem("invalid", "The file cannot be imported so. Nothing was kept.", 422, faults)
