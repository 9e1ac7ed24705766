"""Sources over the API: administrators and managers make them and replace their keys."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.strict import StrictSerializer, Text, Whole, YesNo
from core.api.views import ApiViewSet, taken
from core.intake import BadValue, fold
from integrations.models import Source
from integrations.tracking.keys import create_source, rotate_key, set_disabled

LONGEST_OVERLAP = 24 * 30  # hours


class WriteKeySerializer(StrictSerializer):
    """A key that opens the source, by its last four characters."""

    hint = serializers.CharField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    valid_until = serializers.DateTimeField(read_only=True)


class SourceSerializer(StrictSerializer):
    """A system that sends messages with a write key. The key itself is only in the answer that made it."""

    key = serializers.CharField(read_only=True)
    name = Text(max_length=120)
    disabled = YesNo(required=False, default=False, source="is_disabled")
    new_attributes = YesNo(required=False, default=True)
    group_type = Text(max_length=60, required=False, default="company")
    write_keys = WriteKeySerializer(many=True, read_only=True)
    created_at = serializers.DateTimeField(read_only=True)


class NewKeySerializer(StrictSerializer):
    """A key, shown this once."""

    write_key = serializers.CharField(read_only=True)


class SourceWithKeySerializer(SourceSerializer):
    """A source just made, with its key."""

    write_key = serializers.CharField(read_only=True)


class OverlapSerializer(StrictSerializer):
    """For how many hours the present keys stay good."""

    overlap_hours = Whole(min_value=0, max_value=LONGEST_OVERLAP, required=False, default=24)


class SourceViewSet(ApiViewSet):
    """Sources of messages. One that is disabled is refused with 401; none is deleted, because events name it."""

    serializer_class = SourceSerializer
    orderings: ClassVar[dict[str, str]] = {"name": "name_folded", "key": "key"}
    default_ordering = "name"
    lookup_field = "key"
    lookup_value_regex = r"[-a-zA-Z0-9_]{1,60}"

    def get_queryset(self) -> QuerySet[Source]:
        """All of them, with their keys."""
        return Source.objects.prefetch_related("write_keys")

    @extend_schema(request=SourceSerializer, responses={201: SourceWithKeySerializer})
    def create(self, request: Request) -> Response:
        """Make a source; the answer holds its write key, this once."""
        data = self.read_body()
        with transaction.atomic():
            try:
                made, key = create_source(data.pop("name"), by=request.user)
            except BadValue as error:
                raise taken(str(error)) from error
            self._save(made, data)
        answer = self.answer(self.get_queryset().get(pk=made.pk), 201)
        answer.data["write_key"] = key
        return answer

    def partial_update(self, request: Request, key: str) -> Response:
        """Rename, disable or enable a source, or change what it may do."""
        with transaction.atomic():
            found = self.matching()
            data = self.read_body(partial=True)
            name = data.get("name", found.name)
            if Source.objects.filter(name_folded=fold(name)).exclude(pk=found.pk).exists():
                raise taken(f"There is already a source named “{name}”.")
            self._save(found, data)
        return self.answer(self.get_queryset().get(pk=found.pk))

    def _save(self, source: Source, data: dict[str, Any]) -> None:
        disabled = data.pop("is_disabled", source.is_disabled)
        for name, value in data.items():
            setattr(source, name, value)
        source.save()
        if disabled != source.is_disabled:
            set_disabled(source, disabled)

    @extend_schema(request=OverlapSerializer, responses=NewKeySerializer)
    @action(detail=True, methods=["post"], url_path="rotate-key", serializer_class=OverlapSerializer)
    def rotate_key(self, request: Request, key: str) -> Response:
        """A new write key; the present ones stay good for some hours. The key is in the answer, this once."""
        data = self.read_body()
        found = self.get_object()
        return Response({"write_key": rotate_key(found, overlap=dt.timedelta(hours=data["overlap_hours"]))})
