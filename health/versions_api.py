"""A health config through time over the API: its versions, and going back to one."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import transaction
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.filters import PAGING
from core.api.problems import ApiProblem
from core.api.strict import StrictSerializer
from core.api.views import ApiViewSet
from health.models import HealthConfigVersion
from health.problems_api import explained
from health.versions import UnknownVersion, restore_version, versions_of
from segments.questions import Reader


class ConfigChangeSerializer(StrictSerializer):
    """One difference from the version before: added, removed, changed or moved, and what in words."""

    kind = serializers.CharField(read_only=True)
    words = serializers.CharField(read_only=True)


class ConfigVersionSerializer(StrictSerializer):
    """A definition as somebody saved it, and how it differs from the one before."""

    number = serializers.IntegerField(read_only=True, source="version.number")
    definition = serializers.JSONField(read_only=True, source="version.definition")
    author = serializers.CharField(read_only=True, source="version.author.username", default=None)
    reason = serializers.CharField(read_only=True, source="version.reason")
    created_at = serializers.DateTimeField(read_only=True, source="version.created_at")
    changes = ConfigChangeSerializer(read_only=True, many=True)


class VersionActions(ApiViewSet):
    """What a config was; mixed into the view of configs."""

    parameters: ClassVar[dict[str, tuple[str, ...]]] = {"versions": PAGING}

    @extend_schema(responses=ConfigVersionSerializer(many=True))
    @action(detail=True)
    def versions(self, request: Request, pk: str) -> Response:
        """The definitions as they were saved, newest first, each with what changed in it."""
        config = self.get_object()
        # The view is made anew for each request, so these are of this one alone.
        self.orderings, self.default_ordering = {"number": "number"}, "-number"  # type: ignore[misc]
        rows: Any = self.paginate_queryset(HealthConfigVersion.objects.filter(config=config))
        told = {one.version.number: one for one in versions_of(config, Reader.now(), [row.number for row in rows])}
        made = ConfigVersionSerializer([told[row.number] for row in rows], many=True)
        return self.get_paginated_response(made.data)

    @extend_schema(request=None, responses=OpenApiTypes.OBJECT)
    @action(detail=True, methods=["post"], url_path=r"versions/(?P<number>\d{1,6})/restore")
    def restore(self, request: Request, pk: str, number: str) -> Response:
        """Make an earlier definition the present one, as a version of its own; needs the config's ETag."""
        with transaction.atomic(), explained():
            found = self.matching()
            try:
                saved = restore_version(found, int(number), author=request.user)
            except UnknownVersion as error:
                raise ApiProblem("not-found", str(error), 404) from error
        return self.answer(saved)
