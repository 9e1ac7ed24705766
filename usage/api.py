"""The newest usage figures and the names of events over the API, to read."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from rest_framework import serializers

from accounts.models import Account
from core.api.filters import StrictFilterSet, ValuesFilter
from core.api.strict import StrictSerializer
from core.api.views import ApiViewSet
from usage.models import AccountUsage, EventName


class AccountUsageSerializer(StrictSerializer):
    """Users and days that were active in the last N local days, today included, and in as many before ("before"); how
    many days users were active, each counted by itself, and the busiest of them; when the account was seen."""

    account = serializers.CharField(read_only=True, source="account.external_id")
    active_users_7d = serializers.IntegerField(read_only=True)
    active_users_30d = serializers.IntegerField(read_only=True)
    active_users_90d = serializers.IntegerField(read_only=True)
    active_users_365d = serializers.IntegerField(read_only=True)
    active_users_before_30d = serializers.IntegerField(read_only=True)
    active_users_before_90d = serializers.IntegerField(read_only=True)
    events_30d = serializers.IntegerField(read_only=True)
    event_kinds_30d = serializers.IntegerField(read_only=True)
    event_kinds_90d = serializers.IntegerField(read_only=True)
    active_days_30d = serializers.IntegerField(read_only=True)
    active_days_90d = serializers.IntegerField(read_only=True)
    active_days_before_30d = serializers.IntegerField(read_only=True)
    active_days_before_90d = serializers.IntegerField(read_only=True)
    user_days_90d = serializers.IntegerField(read_only=True)
    busiest_user_days_90d = serializers.IntegerField(read_only=True)
    first_seen_at = serializers.DateTimeField(read_only=True)
    last_seen_at = serializers.DateTimeField(read_only=True)


class AccountUsageFilters(StrictFilterSet):
    """What the list of figures can be narrowed by."""

    account = ValuesFilter(field_name="account__external_id")
    last_seen_before = django_filters.IsoDateTimeFilter(field_name="last_seen_at", lookup_expr="lt")


class AccountUsageViewSet(ApiViewSet):
    """Usage per account, of the accounts that may be seen."""

    serializer_class = AccountUsageSerializer
    filterset_class = AccountUsageFilters
    orderings: ClassVar[dict[str, str]] = {"last_seen_at": "last_seen_at", "active_users_30d": "active_users_30d"}
    default_ordering = "-active_users_30d"
    lookup_field = "account__external_id"
    lookup_url_kwarg = "account"
    lookup_value_regex = r".+"
    http_method_names = ["get", "head", "options"]

    def get_queryset(self) -> QuerySet[Any]:
        """Those of the accounts that may be seen."""
        seen = Account.objects.visible_to(self.request.user).order_by().values("pk")
        return AccountUsage.objects.filter(account__in=seen).select_related("account")


class EventNameSerializer(StrictSerializer):
    """A kind of event, by its name."""

    name = serializers.CharField(read_only=True)
    first_seen_at = serializers.DateTimeField(read_only=True)


class EventNameViewSet(ApiViewSet):
    """Every kind of event that was ever received."""

    serializer_class = EventNameSerializer
    orderings: ClassVar[dict[str, str]] = {"name": "name", "first_seen_at": "first_seen_at"}
    default_ordering = "name"
    http_method_names = ["get", "head", "options"]

    def get_queryset(self) -> QuerySet[EventName]:
        """All names."""
        return EventName.objects.all()
