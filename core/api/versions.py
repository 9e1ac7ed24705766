"""What has versions, over the API: its definitions through time, and going back to one."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, ClassVar

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.filters import PAGING
from core.api.problems import ApiProblem
from core.api.strict import StrictSerializer
from core.api.views import ApiViewSet
from core.versions import UnknownVersion, VersionChange


class ChangeSerializer(StrictSerializer):
    """One difference from the version before: added, removed, changed, regrouped or moved, and what in words."""

    kind = serializers.CharField(read_only=True)
    words = serializers.CharField(read_only=True)


class SavedVersionSerializer(StrictSerializer):
    """Who saved a version, when and why, and how it differs from the one before."""

    number = serializers.IntegerField(read_only=True, source="version.number")
    author = serializers.CharField(read_only=True, source="version.author.username", default=None)
    reason = serializers.CharField(read_only=True, source="version.reason")
    created_at = serializers.DateTimeField(read_only=True, source="version.created_at")
    changes = ChangeSerializer(read_only=True, many=True)


class DefinitionVersionSerializer(SavedVersionSerializer):
    """A definition as somebody saved it, and how it differs from the one before."""

    definition = serializers.JSONField(read_only=True, source="version.definition")


class VersionActions(ApiViewSet):
    """What a record was: mixed into the view of what has versions. A subclass says how its versions are told, how it
    goes back to one, and how what that refuses becomes a problem."""

    parameters: ClassVar[dict[str, tuple[str, ...]]] = {"versions": PAGING}
    matched: ClassVar[tuple[str, ...]] = (*ApiViewSet.matched, "restore")
    version_serializer: ClassVar[type[SavedVersionSerializer]] = DefinitionVersionSerializer

    def told(self, record: Any, numbers: list[int]) -> list[VersionChange]:
        """The versions of these numbers, each with what changed in it."""
        raise NotImplementedError

    def restored(self, record: Any, number: int) -> Any:
        """Make an earlier version the present one. Raises UnknownVersion."""
        raise NotImplementedError

    def refusing(self) -> AbstractContextManager[None]:
        """Turns what saving refuses into problems."""
        raise NotImplementedError

    @extend_schema(responses=DefinitionVersionSerializer(many=True))
    @action(detail=True)
    def versions(self, request: Request, **addressed: str) -> Response:
        """The definitions as they were saved, newest first, each with what changed in it."""
        record = self.get_object()
        # The view is made anew for each request, so these are of this one alone.
        self.orderings, self.default_ordering = {"number": "number"}, "-number"  # type: ignore[misc]
        rows: Any = self.paginate_queryset(record.versions.all())
        told = {one.version.number: one for one in self.told(record, [row.number for row in rows])}
        made = self.version_serializer([told[row.number] for row in rows], many=True)
        return self.get_paginated_response(made.data)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"], url_path=r"versions/(?P<number>\d{1,6})/restore")
    def restore(self, request: Request, number: str, **addressed: str) -> Response:
        """Make an earlier definition the present one, as a version of its own; needs the record's ETag."""
        with transaction.atomic(), self.refusing():
            found = self.matching()
            try:
                self.restored(found, int(number))
            except UnknownVersion as error:
                raise ApiProblem("not-found", str(error), 404) from error
        return self.answer(self.get_object())
