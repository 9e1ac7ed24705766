"""Subscriptions over the API."""

from __future__ import annotations

from typing import ClassVar

import django_filters
from django.db.models import QuerySet
from rest_framework import serializers

from accounts.api.recording import FactSerializer, FactViewSet, folded
from accounts.billing import roll_up_billing
from accounts.facts import Outcome, record_subscriptions
from accounts.models import Account, Subscription, SubscriptionStatus
from core.api.filters import StrictFilterSet, ValuesFilter
from core.api.strict import Amount, Text, Via, Whole, YesNo
from core.clock import moment


class SubscriptionSerializer(FactSerializer):
    """A contract. `mrr` is a month's worth in `currency`, `mrr_base` the same in the workspace's currency."""

    account = Via("account.external_id", max_length=255, required=False)
    plan = Text(max_length=120, required=False, allow_null=True, allow_blank=True)
    status = Via("status_id", max_length=80, required=False)
    mrr = Amount(required=False, min_value=0)
    currency = Text(max_length=3, required=False)
    mrr_base = Amount(read_only=True, allow_null=True)
    quantity = Whole(required=False, allow_null=True, min_value=0, max_value=2_147_483_647)
    billing_period = serializers.ChoiceField(
        Subscription.Period.choices, required=False, allow_null=True, allow_blank=True
    )
    starts_on = serializers.DateField(required=False, allow_null=True)
    ends_on = serializers.DateField(required=False, allow_null=True)
    trial_starts_on = serializers.DateField(required=False, allow_null=True)
    trial_ends_on = serializers.DateField(required=False, allow_null=True)
    renews_on = serializers.DateField(required=False, allow_null=True)
    auto_renew = YesNo(required=False, allow_null=True)


class SubscriptionFilters(StrictFilterSet):
    """What a list of subscriptions can be narrowed by."""

    external_id = ValuesFilter(field_name="external_id")
    account = django_filters.CharFilter(field_name="account__external_id")
    plan = django_filters.CharFilter(method=folded("plan"))
    status = ValuesFilter(field_name="status_id")
    status_type = django_filters.ChoiceFilter(field_name="status__kind", choices=SubscriptionStatus.Kind.choices)
    currency = ValuesFilter(field_name="currency")
    renews_from = django_filters.IsoDateTimeFilter(field_name="renews_on", lookup_expr="gte")
    renews_until = django_filters.IsoDateTimeFilter(field_name="renews_on", lookup_expr="lte")


class SubscriptionViewSet(FactViewSet):
    """Contracts, addressed by their external id. The account's MRR, plan and renewal follow at once."""

    serializer_class = SubscriptionSerializer
    filterset_class = SubscriptionFilters
    orderings: ClassVar[dict[str, str]] = {
        "external_id": "external_id", "renews_on": "renews_on", "starts_on": "starts_on", "mrr": "mrr_base",
        "created_at": "created_at", "updated_at": "updated_at",
    }  # fmt: skip
    default_ordering = "external_id"
    record = staticmethod(record_subscriptions)
    noun = "subscription"

    def get_queryset(self) -> QuerySet[Subscription]:
        """Those of the accounts that may be seen."""
        seen = Account.objects.visible_to(self.request.user).order_by().values("pk")
        return Subscription.objects.filter(account__in=seen).select_related("account")

    def wrote(self, outcome: Outcome) -> None:
        """Keep the accounts' money, plan and renewal true."""
        if outcome.touched:
            touched = Subscription.objects.filter(pk__in=outcome.touched)
            roll_up_billing(moment(), list(touched.values_list("account_id", flat=True)))
