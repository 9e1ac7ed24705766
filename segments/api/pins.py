"""Pins over the API: which accounts are in a segment, or kept out of it, by hand."""

from __future__ import annotations

from typing import ClassVar

from django.db.models import BooleanField, ExpressionWrapper, Q
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Account
from core.api.filters import PAGING
from core.api.problems import ApiProblem, Fault
from core.api.strict import StrictSerializer, Text
from core.api.views import ApiViewSet
from core.clock import moment
from core.intake import short
from segments.api.problems import explained
from segments.models import Pin, Segment
from segments.pinning import pin_member, unpin_member
from segments.pins import author_name


class PinSerializer(StrictSerializer):
    """An account that is in a segment, or out of it, by hand; `until` is the last local day, `in_force` whether it
    decides today. A pin that was taken out keeps `ended_at`."""

    account = Text(max_length=255, source="account.external_id")
    name = serializers.CharField(read_only=True, source="account.name")
    kind = serializers.ChoiceField(Pin.Kind.choices)
    reason = Text(max_length=255)
    until = serializers.DateField(required=False, allow_null=True)
    author = serializers.SerializerMethodField()
    in_force = serializers.BooleanField(read_only=True, default=True)
    created_at = serializers.DateTimeField(read_only=True)
    ended_at = serializers.DateTimeField(read_only=True)

    def get_author(self, pin: Pin) -> str:
        """Who pinned it."""
        return author_name(pin)


class PinActions(ApiViewSet):
    """The actions of a segment that are about pins; mixed into the viewset of segments."""

    parameters: ClassVar[dict[str, tuple[str, ...]]] = {"pins": PAGING, "unpin": ("account",)}

    @extend_schema(methods=["get"], responses=PinSerializer(many=True))
    @extend_schema(methods=["post"], request=PinSerializer, responses={201: PinSerializer})
    @action(detail=True, methods=["get", "post"])
    def pins(self, request: Request, key: str) -> Response:
        """GET: every pin, newest first, past ones too. POST: pin an account in or keep it out; replaces its pin."""
        segment: Segment = self.get_object()
        if request.method == "GET":
            seen = Account.objects.visible_to(request.user).order_by().values("pk")
            rows = Pin.objects.filter(segment=segment, account__in=seen).select_related("account", "author__member")
            open_now = Q(ended_at=None) & (Q(until=None) | Q(until__gte=moment().today))
            rows = rows.annotate(in_force=ExpressionWrapper(open_now, BooleanField()))
            # The view is made anew for each request, so these are of this one alone.
            self.orderings, self.default_ordering = {"id": "id"}, "-id"  # type: ignore[misc]
            return self.paged(rows, PinSerializer)
        made = PinSerializer(data=request.data)
        made.is_valid(raise_exception=True)
        data = dict(made.validated_data)
        account = _account(request, data.pop("account")["external_id"], pointer="/account")
        with explained():
            pin = pin_member(segment, account, author=request.user, **data)
        return Response(PinSerializer(pin).data, 201)

    @extend_schema(
        request=None, responses={204: None}, parameters=[OpenApiParameter("account", OpenApiTypes.STR, required=True)]
    )
    @action(detail=True, methods=["post"])
    def unpin(self, request: Request, key: str) -> Response:
        """Leave the account of `?account=` to the rule again; 404 if it has no pin here."""
        account = _account(request, request.query_params.get("account", ""), parameter="account")
        if not unpin_member(self.get_object(), account):
            raise ApiProblem("not-found", f"{account.name} has no pin in this segment.", 404)
        return Response(status=204)


def _account(request: Request, wanted: str, pointer: str | None = None, parameter: str | None = None) -> Account:
    found = Account.objects.visible_to(request.user).filter(external_id=wanted.replace("\x00", "")).first()
    if found is None:
        text = f"There is no account “{short(wanted)}” among those that you may see."
        raise ApiProblem("unknown-account", text, 400, [Fault(text, "unknown-account", pointer, parameter)])
    return found
