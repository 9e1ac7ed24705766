"""Health over the API: the health of accounts with every measure, overrides and pulses, changes of band."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Account
from core.api.access import ColleaguesWrite, IsMember
from core.api.filters import StrictFilterSet, YesNoFilter
from core.api.problems import ApiProblem
from core.api.strict import Amount, StrictSerializer, Text
from core.api.views import ApiViewSet
from health.editing import end_override, override_health, take_pulse
from health.explaining import explain_health
from health.models import AccountHealth, Band, BandChange
from health.problems_api import explained


class MeasureSerializer(StrictSerializer):
    """A measure of one account: its score, its number and the one of 30 days ago, its limits, all in words."""

    key = serializers.CharField()
    name = serializers.CharField()
    weight = Amount(help_text="Percentage of the whole.")
    score = Amount(allow_null=True)
    band = serializers.ChoiceField(Band.choices)
    value = serializers.CharField()
    was = serializers.CharField()
    good = serializers.CharField()
    poor = serializers.CharField()
    problem = serializers.CharField()


class DimensionSerializer(StrictSerializer):
    """A dimension with its measures."""

    key = serializers.CharField()
    name = serializers.CharField()
    weight = Amount()
    score = Amount(allow_null=True)
    band = serializers.ChoiceField(Band.choices)
    measures = MeasureSerializer(many=True)


class HealthSerializer(StrictSerializer):
    """The health of an account, why, and the score of 7, 30 and 90 days ago."""

    account = serializers.CharField(source="account.external_id")
    band = serializers.ChoiceField(Band.choices)
    score = Amount(allow_null=True)
    coverage = Amount()
    reason = serializers.CharField()
    config = serializers.IntegerField(source="config.pk", allow_null=True, default=None)
    overridden = serializers.BooleanField()
    band_since = serializers.DateTimeField(source="health.band_since", allow_null=True, default=None)
    score_7d = Amount(source="health.score_7d", allow_null=True, default=None)
    score_30d = Amount(source="health.score_30d", allow_null=True, default=None)
    score_90d = Amount(source="health.score_90d", allow_null=True, default=None)
    dimensions = DimensionSerializer(many=True)


class OverrideSerializer(StrictSerializer):
    """A band by hand, until a last local day, which must be given."""

    band = serializers.ChoiceField([choice for choice in Band.choices if choice[0] != Band.NONE])
    reason = Text(max_length=255)
    until = serializers.DateField(help_text="The last day on which it counts, in the zone of the workspace.")


class PulseSerializer(StrictSerializer):
    """How the account feels, from 1 (about to leave) to 5 (delighted)."""

    value = serializers.IntegerField(min_value=1, max_value=5)
    note = Text(max_length=255, required=False, allow_blank=True)


class HealthListSerializer(StrictSerializer):
    """The newest score of an account."""

    account = serializers.CharField(source="account.external_id")
    band = serializers.ChoiceField(Band.choices)
    score = Amount(allow_null=True)
    coverage = Amount()
    overridden = serializers.BooleanField()
    band_since = serializers.DateTimeField()
    score_30d = Amount(allow_null=True)


class HealthFilters(StrictFilterSet):
    """By band."""

    band = django_filters.ChoiceFilter(choices=Band.choices)
    overridden = YesNoFilter()


class HealthViewSet(ApiViewSet):
    """The health of the accounts that you may see, addressed by their external id."""

    permission_classes: Any = [IsMember, ColleaguesWrite]
    serializer_class = HealthListSerializer
    filterset_class = HealthFilters
    orderings: ClassVar[dict[str, str]] = {"account": "account_id", "score": "score"}
    default_ordering = "account"
    lookup_field = "account__external_id"
    lookup_url_kwarg = "account"
    lookup_value_regex = r"[^/]{1,255}"
    http_method_names = ["get", "head", "options", "post"]

    def get_queryset(self) -> QuerySet[AccountHealth]:
        """Of the accounts that may be seen."""
        seen = Account.objects.visible_to(self.request.user).order_by()
        return AccountHealth.objects.filter(account__in=seen).select_related("account")

    @extend_schema(responses=HealthSerializer)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Every dimension and measure with its number, its limits, and what it was 30 days ago."""
        return Response(HealthSerializer(explain_health(self.account())).data)

    @extend_schema(request=OverrideSerializer, responses=HealthSerializer)
    @action(detail=True, methods=["post"])
    def override(self, request: Request, account: str) -> Response:
        """Give the account a band by hand."""
        found, made = self.account(), OverrideSerializer(data=request.data)
        made.is_valid(raise_exception=True)
        with explained():
            override_health(found, author=request.user, **made.validated_data)
        return Response(HealthSerializer(explain_health(found)).data)

    @extend_schema(request=None, responses=HealthSerializer)
    @action(detail=True, methods=["post"])
    def end_override(self, request: Request, account: str) -> Response:
        """Leave the account to its score again; 404 if nobody has overridden it."""
        found = self.account()
        if not end_override(found):
            raise ApiProblem("not-found", f"The health of {found.name} is not set by hand.", 404)
        return Response(HealthSerializer(explain_health(found)).data)

    @extend_schema(request=PulseSerializer, responses=HealthSerializer)
    @action(detail=True, methods=["post"])
    def pulse(self, request: Request, account: str) -> Response:
        """Note how the account feels."""
        found, made = self.account(), PulseSerializer(data=request.data)
        made.is_valid(raise_exception=True)
        with explained():
            take_pulse(found, author=request.user, **made.validated_data)
        return Response(HealthSerializer(explain_health(found)).data)

    def account(self) -> Account:
        """The addressed account, whether it was scored already or not."""
        wanted = self.kwargs["account"].replace("\x00", "")
        found = Account.objects.visible_to(self.request.user).filter(external_id=wanted).first()
        if found is None:
            raise ApiProblem("not-found", "There is no such account among those that you may see.", 404)
        return found


class BandChangeSerializer(StrictSerializer):
    """That the band of an account changed, and why."""

    id = serializers.IntegerField()
    account = serializers.CharField(source="account.external_id")
    at = serializers.DateTimeField()
    before = serializers.ChoiceField(Band.choices)
    after = serializers.ChoiceField(Band.choices)
    score_before = Amount(allow_null=True)
    score_after = Amount(allow_null=True)
    cause = serializers.ChoiceField(BandChange.Cause.choices)


class BandChangeFilters(StrictFilterSet):
    """By account, by what it became, by cause, since an instant."""

    account = django_filters.CharFilter(field_name="account__external_id")
    after = django_filters.ChoiceFilter(choices=Band.choices)
    cause = django_filters.ChoiceFilter(choices=BandChange.Cause.choices)
    since = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte")


class BandChangeViewSet(ApiViewSet):
    """Changes of band of the accounts that you may see, the newest first."""

    serializer_class = BandChangeSerializer
    filterset_class = BandChangeFilters
    orderings: ClassVar[dict[str, str]] = {"id": "id"}
    default_ordering = "-id"
    http_method_names = ["get", "head", "options"]

    def get_queryset(self) -> QuerySet[BandChange]:
        """Of the accounts that may be seen."""
        seen = Account.objects.visible_to(self.request.user).order_by()
        return BandChange.objects.filter(account__in=seen).select_related("account")
