"""Accounts over the API."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.recording import FactSerializer, FactViewSet, folded, source_of
from accounts.api.values import FieldValues
from accounts.billing import roll_up_billing
from accounts.facts import Fact, Outcome, record_accounts
from accounts.fields.reading import OF_ACCOUNTS
from accounts.models import Account, LifecycleStage
from core.api.filters import StrictFilterSet, ValuesFilter
from core.api.strict import Amount, Text, Via, Whole
from core.clock import moment


class AccountSerializer(FactSerializer):
    """An account. `stage`, `level` and `status` are keys (a name is understood too); money is a month's worth."""

    name = Text(max_length=255, required=False, allow_null=True, allow_blank=True)
    domain = Text(max_length=255, required=False, allow_null=True, allow_blank=True)
    industry = Text(max_length=120, required=False, allow_null=True, allow_blank=True)
    country = Text(max_length=120, required=False, allow_null=True, allow_blank=True)
    stage = Via("stage_id", max_length=80, required=False, allow_null=True)
    level = Via("level_id", max_length=80, required=False, allow_null=True)
    status = Via("status_id", max_length=80, required=False, allow_null=True)
    parent: Any = Via("parent.external_id", max_length=255, required=False, allow_null=True)
    customer_since = serializers.DateField(required=False, allow_null=True)
    churned_on = serializers.DateField(required=False, allow_null=True)
    churn_reason = Text(max_length=255, required=False, allow_null=True, allow_blank=True)
    stated_mrr = Amount(required=False, allow_null=True, min_value=0)
    stated_licences = Whole(required=False, allow_null=True, min_value=0, max_value=2_147_483_647)
    mrr = Amount(read_only=True)
    licences = serializers.IntegerField(read_only=True)
    plan = serializers.CharField(read_only=True)
    renews_on = serializers.DateField(read_only=True)
    trial_starts_on = serializers.DateField(read_only=True)
    trial_ends_on = serializers.DateField(read_only=True)


class AccountFilters(StrictFilterSet):
    """What a list of accounts can be narrowed by; for everything else there is `rule`."""

    q = django_filters.CharFilter(
        method=folded("name", "domain", "external_id", contains=True), help_text="Part of a name, domain or id."
    )
    external_id = ValuesFilter(field_name="external_id")
    domain = django_filters.CharFilter(method=folded("domain"))
    industry = django_filters.CharFilter(method=folded("industry"))
    country = django_filters.CharFilter(method=folded("country"))
    plan = django_filters.CharFilter(method=folded("plan"))
    stage = ValuesFilter(field_name="stage_id")
    stage_type = django_filters.ChoiceFilter(field_name="stage__kind", choices=LifecycleStage.Kind.choices)
    level = ValuesFilter(field_name="level_id")
    status = ValuesFilter(field_name="status_id")
    parent = django_filters.CharFilter(field_name="parent__external_id")
    csm = django_filters.CharFilter(method="of_csm", help_text="The key of a team member.")
    mrr_min = django_filters.NumberFilter(field_name="mrr", lookup_expr="gte")
    mrr_max = django_filters.NumberFilter(field_name="mrr", lookup_expr="lte")
    renews_from = django_filters.IsoDateTimeFilter(field_name="renews_on", lookup_expr="gte")
    renews_until = django_filters.IsoDateTimeFilter(field_name="renews_on", lookup_expr="lte")

    def of_csm(self, queryset: QuerySet[Account], name: str, value: str) -> QuerySet[Account]:
        """Accounts whose CSM is this colleague at present."""
        return queryset.filter(
            pk__in=Account.objects.filter(
                assignments__role="csm", assignments__ended_at=None, assignments__member__key=value
            ).values("pk")
        )


class AccountViewSet(FieldValues, FactViewSet):
    """Customer companies, addressed by their external id."""

    serializer_class = AccountSerializer
    filterset_class = AccountFilters
    orderings: ClassVar[dict[str, str]] = {
        "name": "name_folded", "external_id": "external_id", "mrr": "mrr", "renews_on": "renews_on",
        "customer_since": "customer_since", "created_at": "created_at", "updated_at": "updated_at",
    }  # fmt: skip
    default_ordering = "name"
    record = staticmethod(record_accounts)
    noun = "account"
    owners = OF_ACCOUNTS
    valued_by = "external_id"

    def get_queryset(self) -> QuerySet[Account]:
        """The live accounts that this person may see."""
        return Account.objects.visible_to(self.request.user).select_related("parent")

    def wrote(self, outcome: Outcome) -> None:
        """Stated money becomes the account's own where it has no subscription."""
        if outcome.touched:
            roll_up_billing(moment(), list(outcome.touched))

    def written(self, external_id: str) -> Any:
        """The account, also if it was archived long ago and is not listed any more."""
        return Account.objects.select_related("parent").get(external_id=external_id)

    def destroy(self, request: Request, external_id: str) -> Response:
        """Archive the account: it leaves lists and segments, its history stays."""
        with transaction.atomic():
            found = self.matching()
            now = timezone.now()
            record_accounts([Fact(found.external_id, {"archived_at": now}, now)], source=source_of(request))
        return Response(status=204)
