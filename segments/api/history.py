"""A segment through time over the API: versions and going back to one of them."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.filters import PAGING
from core.api.problems import ApiProblem
from core.api.views import ApiViewSet
from segments.api.problems import explained
from segments.api.serializers import SegmentSerializer, VersionSerializer
from segments.models import Segment, SegmentVersion
from segments.questions import Reader
from segments.versions import UnknownVersion, restore_version, versions_of


class HistoryActions(ApiViewSet):
    """What was: mixed into the view of segments."""

    parameters: ClassVar[dict[str, tuple[str, ...]]] = {"versions": PAGING}

    @extend_schema(responses=VersionSerializer(many=True))
    @action(detail=True)
    def versions(self, request: Request, key: str) -> Response:
        """The definitions as they were saved, newest first, each with what changed in it."""
        segment = self.get_object()
        self.orderings, self.default_ordering = {"number": "number"}, "-number"  # type: ignore[misc]
        rows: Any = self.paginate_queryset(SegmentVersion.objects.filter(segment=segment))
        told = {item.version.number: item for item in versions_of(segment, Reader.now(), [row.number for row in rows])}
        return self.get_paginated_response(VersionSerializer([told[row.number] for row in rows], many=True).data)

    @extend_schema(request=None, responses=SegmentSerializer)
    @action(detail=True, methods=["post"], url_path=r"versions/(?P<number>\d{1,6})/restore")
    def restore(self, request: Request, key: str, number: str) -> Response:
        """Make an earlier definition the present one, as a version of its own; needs the segment's ETag."""
        with transaction.atomic(), explained():
            found: Segment = self.matching()
            try:
                saved = restore_version(found, int(number), author=request.user)
            except UnknownVersion as error:
                raise ApiProblem("not-found", str(error), 404) from error
        return self.answer(saved)
