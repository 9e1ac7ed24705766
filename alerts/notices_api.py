"""Notifications over the API: one's own inbox, and what one wants to be told."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

import django_filters
from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from alerts.models import Notice
from alerts.models.notice import Way
from alerts.notifying.choosing import save_settings, settings_of
from alerts.notifying.inbox import inbox_of, mark
from alerts.notifying.kinds import KINDS
from core.api.access import IsMember, member_of
from core.api.etags import check_match, etag_of
from core.api.filters import StrictFilterSet, YesNoFilter
from core.api.problems import ApiProblem
from core.api.strict import StrictSerializer, Text, YesNo
from core.api.views import ApiView, ApiViewSet
from core.intake import BadValue


class NotificationSerializer(StrictSerializer):
    """Something that you were told."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField([(one.key, one.label) for one in KINDS.values()])
    title = serializers.CharField()
    text = serializers.CharField()
    path = serializers.CharField()
    severity = serializers.CharField()
    account = serializers.CharField(source="account.external_id", allow_null=True, default=None)
    alert = serializers.IntegerField(source="alert_id", allow_null=True)
    at = serializers.DateTimeField()
    read_at = serializers.DateTimeField(allow_null=True)


class NotificationFilters(StrictFilterSet):
    """Read or not, by kind, by account."""

    unread = YesNoFilter(method="by_unread")
    kind = django_filters.ChoiceFilter(choices=[(one.key, one.label) for one in KINDS.values()])
    account = django_filters.CharFilter(field_name="account__external_id")

    def by_unread(self, rows: Any, name: str, value: str) -> Any:
        """Those that were not looked at, or those that were."""
        return rows.filter(read_at__isnull=value == "true")


class MarkBody(StrictSerializer):
    """Which ones (all without `ids`), and whether they are to be read or unread."""

    ids = serializers.ListField(child=serializers.IntegerField(min_value=1), required=False, max_length=500)
    read = YesNo(required=False)


class MarkedSerializer(StrictSerializer):
    """How many were changed."""

    changed = serializers.IntegerField()


class NotificationViewSet(ApiViewSet):
    """Your notifications, the newest first; those of others are not shown."""

    permission_classes: Any = [IsMember]
    serializer_class = NotificationSerializer
    filterset_class = NotificationFilters
    orderings: ClassVar[dict[str, str]] = {"id": "id"}
    default_ordering = "-id"
    lookup_value_regex = r"\d{1,18}"
    http_method_names = ["get", "head", "options", "post"]

    def get_queryset(self) -> QuerySet[Notice]:
        """One's own."""
        return inbox_of(member_of(self.request.user)).select_related("account")

    @extend_schema(request=MarkBody, responses=MarkedSerializer)
    @action(detail=False, methods=["post"])
    def mark(self, request: Request) -> Response:
        """Mark some or all as read (or, with `read` false, as unread)."""
        made = MarkBody(data=request.data)
        made.is_valid(raise_exception=True)
        given = made.validated_data
        changed = mark(
            inbox_of(member_of(request.user)), read=given.get("read", True), ids=given.get("ids")
        )  # fmt: skip
        return Response({"changed": changed})


class NotificationSettingsSerializer(StrictSerializer):
    """How you want to be told. `ways` maps kinds to `now`, `digest`, `inbox` or `never`; times are of `time_zone`
    (empty: the workspace's)."""

    ways = serializers.DictField(child=serializers.ChoiceField(Way.choices), required=False)
    by_email = YesNo(required=False)
    time_zone = Text(max_length=64, required=False, allow_blank=True)
    quiet_from = serializers.TimeField(required=False, allow_null=True)
    quiet_to = serializers.TimeField(required=False, allow_null=True)
    cap = serializers.IntegerField(required=False, min_value=1, max_value=500)
    digest = YesNo(required=False)
    digest_at = serializers.TimeField(required=False)
    weekly = YesNo(required=False)

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """With the way of every kind, chosen or not."""
        chosen = {one.key: instance.ways.get(one.key, one.way.value) for one in KINDS.values() if one.choosable}
        names = ("by_email", "time_zone", "cap", "digest", "weekly")
        times = ("quiet_from", "quiet_to", "digest_at")
        return {"ways": chosen} | {name: getattr(instance, name) for name in names} | {
            name: value.strftime("%H:%M") if isinstance(value := getattr(instance, name), dt.time) else None
            for name in times
        }  # fmt: skip


class NotificationSettingsView(ApiView):
    """What you are told, how and when."""

    permission_classes: Any = [IsMember]
    matched: ClassVar[tuple[str, ...]] = ("patch",)

    @extend_schema(responses=NotificationSettingsSerializer)
    def get(self, request: Request) -> Response:
        """As they are now, with their ETag."""
        return self._answer(_own(request))

    @extend_schema(request=NotificationSettingsSerializer, responses=NotificationSettingsSerializer)
    def patch(self, request: Request) -> Response:
        """Change some of them; send the ETag as If-Match."""
        member = _own(request)
        with transaction.atomic():
            state = NotificationSettingsSerializer(settings_of(member)).data
            check_match(request, etag_of(state), state)
            made = NotificationSettingsSerializer(data=request.data, partial=True)
            made.is_valid(raise_exception=True)
            values = dict(made.validated_data)
            try:
                save_settings(member, values, ways=values.pop("ways", {}))
            except BadValue as error:
                raise ApiProblem("validation", str(error), 400) from error
        return self._answer(member)

    def _answer(self, member: Any) -> Response:
        data = NotificationSettingsSerializer(settings_of(member)).data
        return Response(data, headers={"ETag": etag_of(data)})


def _own(request: Request) -> Any:
    member = member_of(request.user)
    if member is None:
        raise PermissionDenied("This log-in belongs to nobody of the team, so nothing is told to it.")
    return member
