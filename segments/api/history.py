"""A segment through time over the API: versions and going back to one, size by day, entries and exits."""

from __future__ import annotations

import datetime as dt
from contextlib import AbstractContextManager
from typing import ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Account
from core.api.problems import ApiProblem, Fault
from core.api.strict import StrictSerializer
from core.api.versions import VersionActions
from core.clock import moment
from core.intake import whole
from core.versions import VersionChange
from segments.api.problems import explained
from segments.api.serializers import VersionSerializer
from segments.history import CAUSES, Movement, movements, sizes
from segments.models import Segment
from segments.questions import Reader
from segments.subjects import members_of
from segments.versions import restore_version, versions_of

LONGEST = 1_100
DAYS = OpenApiParameter("days", OpenApiTypes.INT, description=f"How far back, 1 to {LONGEST:,}; 90 if not given.")


class SizeSerializer(StrictSerializer):
    """How many members there were at the end of a local day."""

    on = serializers.DateField(read_only=True)
    members = serializers.IntegerField(read_only=True)


class MovementSerializer(StrictSerializer):
    """A member that joined or left, when and why; `reason` is that of a pin. `account` is the id of an account, `user`
    that of a user, in a segment of users."""

    account = serializers.SerializerMethodField(allow_null=True)
    user = serializers.SerializerMethodField(allow_null=True)
    name = serializers.CharField(read_only=True, source="member.name")
    joined = serializers.BooleanField(read_only=True)
    at = serializers.DateTimeField(read_only=True)
    cause = serializers.ChoiceField(tuple(CAUSES.items()), read_only=True)
    reason = serializers.CharField(read_only=True)

    def get_account(self, moved: Movement) -> str | None:
        """Of a segment of accounts."""
        return str(moved.member.external_id) if isinstance(moved.member, Account) else None

    def get_user(self, moved: Movement) -> str | None:
        """Of a segment of users."""
        return None if isinstance(moved.member, Account) else str(moved.member.external_id)


@extend_schema_view(versions=extend_schema(responses=VersionSerializer(many=True)))
class HistoryActions(VersionActions):
    """What was: mixed into the view of segments."""

    parameters: ClassVar[dict[str, tuple[str, ...]]] = {
        **VersionActions.parameters,
        "sizes": ("days",),
        "movements": ("days",),
    }
    version_serializer = VersionSerializer

    def told(self, record: Segment, numbers: list[int]) -> list[VersionChange]:
        """The versions of these numbers."""
        return versions_of(record, Reader.now(), numbers)

    def restored(self, record: Segment, number: int) -> Segment:
        """Its members follow within seconds."""
        return restore_version(record, number, author=self.request.user)

    def refusing(self) -> AbstractContextManager[None]:
        """As every save of a segment is refused."""
        return explained()

    @extend_schema(parameters=[DAYS], responses=SizeSerializer(many=True))
    @action(detail=True)
    def sizes(self, request: Request, key: str) -> Response:
        """How many members there were at the end of each of the last `days` local days (90), oldest first."""
        now = moment()
        segment: Segment = self.get_object()
        found = sizes(segment, self._days(request), now, members_of(segment).seen_in_the_past_by(request.user))
        return Response({"results": SizeSerializer([{"on": day, "members": n} for day, n in found], many=True).data})

    @extend_schema(parameters=[DAYS], responses=MovementSerializer(many=True))
    @action(detail=True)
    def movements(self, request: Request, key: str) -> Response:
        """Who joined and left in the last `days` local days (90), newest first, at most 1,000, each with its cause:
        data, time, definition or hand."""
        reader = Reader.now()
        since = reader.moment.start_of(reader.moment.today - dt.timedelta(days=self._days(request) - 1))
        segment: Segment = self.get_object()
        seen = members_of(segment).seen_in_the_past_by(request.user)
        found = movements(segment, reader, seen, since=since, limit=1_000)
        return Response({"results": MovementSerializer(found, many=True).data})

    @staticmethod
    def _days(request: Request) -> int:
        if days := whole(request.query_params.get("days", "90"), LONGEST):
            return days
        detail = f"Give a whole number of days from 1 to {LONGEST:,}."
        raise ApiProblem("invalid-parameter", detail, 400, [Fault(detail, "invalid-value", parameter="days")])
