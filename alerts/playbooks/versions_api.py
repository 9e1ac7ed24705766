"""A playbook through time over the API: its versions, and going back to one."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import transaction
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from alerts.models import PlaybookVersion
from alerts.playbooks.problems_api import explained
from alerts.playbooks.versions import UnknownVersion, restore_version, versions_of
from core.api.filters import PAGING
from core.api.problems import ApiProblem
from core.api.strict import StrictSerializer
from core.api.views import ApiViewSet
from segments.questions import Reader


class PlaybookChangeSerializer(StrictSerializer):
    """One difference from the version before: added, removed, changed or regrouped, and what in words."""

    kind = serializers.CharField(read_only=True)
    words = serializers.CharField(read_only=True)


class PlaybookVersionSerializer(StrictSerializer):
    """A definition as somebody saved it, and how it differs from the one before."""

    number = serializers.IntegerField(read_only=True, source="version.number")
    definition = serializers.JSONField(read_only=True, source="version.definition")
    author = serializers.CharField(read_only=True, source="version.author.username", default=None)
    reason = serializers.CharField(read_only=True, source="version.reason")
    created_at = serializers.DateTimeField(read_only=True, source="version.created_at")
    changes = PlaybookChangeSerializer(read_only=True, many=True)


class VersionActions(ApiViewSet):
    """What a playbook was; mixed into the view of playbooks."""

    parameters: ClassVar[dict[str, tuple[str, ...]]] = {"versions": PAGING}

    @extend_schema(responses=PlaybookVersionSerializer(many=True))
    @action(detail=True)
    def versions(self, request: Request, pk: str) -> Response:
        """The definitions as they were saved, newest first, each with what changed in it."""
        playbook = self.get_object()
        # The view is made anew for each request, so these are of this one alone.
        self.orderings, self.default_ordering = {"number": "number"}, "-number"  # type: ignore[misc]
        rows: Any = self.paginate_queryset(PlaybookVersion.objects.filter(playbook=playbook))
        told = {one.version.number: one for one in versions_of(playbook, Reader.now(), [row.number for row in rows])}
        made = PlaybookVersionSerializer([told[row.number] for row in rows], many=True)
        return self.get_paginated_response(made.data)

    @extend_schema(request=None, responses=OpenApiTypes.OBJECT)
    @action(detail=True, methods=["post"], url_path=r"versions/(?P<number>\d{1,6})/restore")
    def restore(self, request: Request, pk: str, number: str) -> Response:
        """Make an earlier definition the present one, as a version of its own; needs the playbook's ETag."""
        with transaction.atomic(), explained():
            found = self.matching()
            try:
                saved = restore_version(found, int(number), author=request.user)
            except UnknownVersion as error:
                raise ApiProblem("not-found", str(error), 404) from error
        return self.answer(self.get_queryset().get(pk=saved.pk))
