"""Health over the API: configs in their order, the health of accounts with every measure, changes of band."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import django_filters
from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Account
from core.api.access import ColleaguesWrite, IsMember
from core.api.filters import StrictFilterSet, YesNoFilter
from core.api.problems import ApiProblem, Fault
from core.api.strict import Amount, StrictSerializer, Text, YesNo, plain
from core.api.views import ApiViewSet
from core.intake import BadValue
from health.conflicts_api import ConflictActions
from health.definition import DefinitionError
from health.editing import (
    StaleConfig,
    delete_config,
    end_override,
    override_health,
    reorder_configs,
    save_config,
    take_pulse,
)
from health.explaining import explain_health
from health.models import AccountHealth, Band, BandChange, HealthConfig
from health.uses import ConfigInUse
from segments.models import Segment


@contextmanager
def explained() -> Iterator[None]:
    """Turn what editing raises into problems."""
    try:
        yield
    except DefinitionError as error:
        faults = [Fault(p.message, p.code, f"/definition{p.pointer}", None, p.allowed[:100]) for p in error.problems]
        code = faults[0].code if len(faults) == 1 else "invalid-definition"
        raise ApiProblem(code, "The config cannot be used; “errors” says where and why.", 422, faults) from error
    except ConfigInUse as error:
        faults = [Fault(f"Used by the {use.kind} “{use.name}”.", "in-use") for use in error.uses]
        raise ApiProblem("in-use", str(error), 409, faults) from error
    except StaleConfig as error:
        raise ApiProblem("stale", f"{error} Read it again and send its ETag.", 412) from error
    except BadValue as error:
        raise ApiProblem("validation", str(error), 400) from error


class DefinitionField(serializers.JSONField):
    """Dimensions, measures, bands; read by the health engine, whose problems come back as 422."""

    def to_internal_value(self, data: Any) -> Any:
        """With plain numbers."""
        return plain(data)


class ConfigSerializer(StrictSerializer):
    """How the accounts of a segment are scored. Without a segment it is the default config. `problems` says by measure
    why it could not be scored last time."""

    id = serializers.IntegerField(read_only=True)
    name = Text(max_length=120, required=False, allow_blank=True)
    segment = Text(max_length=80, required=False, allow_null=True, source="segment.key")
    definition = DefinitionField()
    active = YesNo(required=False)
    reason = Text(max_length=255, required=False, allow_blank=True, write_only=True)
    position = serializers.IntegerField(read_only=True)
    version = serializers.IntegerField(read_only=True)
    problems = serializers.DictField(read_only=True, child=serializers.CharField())
    scored_at = serializers.DateTimeField(read_only=True)

    def to_representation(self, instance: HealthConfig) -> dict[str, Any]:
        """The default config has no segment."""
        names = ("id", "name", "definition", "active", "position", "version", "problems", "scored_at")
        key = instance.segment.key if instance.segment else None
        return {name: getattr(instance, name) for name in names} | {"segment": key}


class OrderSerializer(StrictSerializer):
    """Configs by id, the one that is asked first first; those left out keep their order after them."""

    ids = serializers.ListField(child=serializers.IntegerField(), max_length=1_000)


class ConfigViewSet(ConflictActions):
    """Health configs. An account of several segments is scored by the first that fits; the default comes last."""

    serializer_class = ConfigSerializer
    orderings: ClassVar[dict[str, str]] = {"position": "position"}
    default_ordering = "position"
    lookup_value_regex = r"\d{1,18}"
    http_method_names = ["get", "head", "options", "post", "patch", "delete"]

    def get_queryset(self) -> QuerySet[HealthConfig]:
        """All of them."""
        return HealthConfig.objects.select_related("segment")

    def create(self, request: Request) -> Response:
        """Make a config; every account is scored anew soon after."""
        data = self.read_body()
        with explained():
            made = save_config(None, author=request.user, **self.given(data, None))
        return self.answer(made, 201)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change a config; a new version is kept if its definition differs."""
        with transaction.atomic(), explained():
            found = self.matching()
            data = self.read_body(partial=True)
            made = save_config(found, author=request.user, **self.given(data, found))
        return self.answer(made)

    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a config; its accounts are scored by the next one that fits. Refused while something uses it."""
        with transaction.atomic(), explained():
            delete_config(self.matching())
        return Response(status=204)

    @extend_schema(request=OrderSerializer, responses={204: None})
    @action(detail=False, methods=["post"])
    def reorder(self, request: Request) -> Response:
        """Decide which config is asked first."""
        made = OrderSerializer(data=request.data)
        made.is_valid(raise_exception=True)
        reorder_configs(made.validated_data["ids"])
        return Response(status=204)

    def given(self, data: dict[str, Any], config: HealthConfig | None) -> dict[str, Any]:
        """What to save: what was sent, over what is there."""
        key = data.pop("segment", {"key": config.segment.key if config and config.segment else None})["key"]
        segment = Segment.objects.filter(key=key).first() if key else None
        if key and segment is None:
            text = f"There is no segment “{key[:60]}”."
            raise ApiProblem("unknown-segment", text, 422, [Fault(text, "unknown-segment", "/segment")])
        kept = (
            {"name": config.name, "definition": config.definition, "active": config.active} if config else {"name": ""}
        )
        return kept | data | {"segment": segment}


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
    """A band by hand, until a last local day or for good."""

    band = serializers.ChoiceField([choice for choice in Band.choices if choice[0] != Band.NONE])
    reason = Text(max_length=255)
    until = serializers.DateField(required=False, allow_null=True)


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
