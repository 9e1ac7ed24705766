"""Pins over the API: which accounts, or users, are in a segment, or kept out of it, by hand."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import BooleanField, ExpressionWrapper, Q
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

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
from segments.subjects import Members, members_of


class PinSerializer(StrictSerializer):
    """An account (or, in a segment of users, a user) that is in a segment, or out of it, by hand; `until` is the last
    local day, `in_force` whether it decides today. A pin that was taken out keeps `ended_at`."""

    account = Text(max_length=255, source="account.external_id", required=False)
    user = Text(max_length=255, source="user.external_id", required=False)
    name = serializers.CharField(read_only=True, source="member.name")
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

    parameters: ClassVar[dict[str, tuple[str, ...]]] = {"pins": PAGING, "unpin": ("account", "user")}

    @extend_schema(methods=["get"], responses=PinSerializer(many=True))
    @extend_schema(methods=["post"], request=PinSerializer, responses={201: PinSerializer})
    @action(detail=True, methods=["get", "post"])
    def pins(self, request: Request, key: str) -> Response:
        """GET: every pin, newest first, past ones too. POST: pin an account (or a user) in or keep it out; replaces
        its pin."""
        segment: Segment = self.get_object()
        about = members_of(segment)
        if request.method == "GET":
            seen = {f"{about.column}__in": about.ids(about.seen_by(request.user))}
            rows = Pin.objects.filter(segment=segment, **seen).select_related("account", "user", "author__member")
            open_now = Q(ended_at=None) & (Q(until=None) | Q(until__gte=moment().today))
            rows = rows.annotate(in_force=ExpressionWrapper(open_now, BooleanField()))
            # The view is made anew for each request, so these are of this one alone.
            self.orderings, self.default_ordering = {"id": "id"}, "-id"  # type: ignore[misc]
            return self.paged(rows, PinSerializer)
        made = PinSerializer(data=request.data)
        made.is_valid(raise_exception=True)
        data = dict(made.validated_data)
        given = {name: data.pop(name)["external_id"] for name in ("account", "user") if name in data}
        if set(given) != {about.column}:
            text = f"{segment.name} is about {about.subject.many}: give “{about.column}”, and nothing else."
            raise ApiProblem("validation", text, 400, [Fault(text, "required", f"/{about.column}")])
        member = _member(request, about, given[about.column], pointer=f"/{about.column}")
        with explained():
            pin = pin_member(segment, member, author=request.user, **data)
        return Response(PinSerializer(pin).data, 201)

    @extend_schema(
        request=None,
        responses={204: None},
        parameters=[
            OpenApiParameter("account", OpenApiTypes.STR, description="For a segment of accounts."),
            OpenApiParameter("user", OpenApiTypes.STR, description="For a segment of users."),
        ],
    )
    @action(detail=True, methods=["post"])
    def unpin(self, request: Request, key: str) -> Response:
        """Leave the account of `?account=` (or the user of `?user=`) to the rule again; 404 if it has no pin here."""
        segment: Segment = self.get_object()
        about = members_of(segment)
        wanted = request.query_params.get(about.column, "")
        member = _member(request, about, wanted, parameter=about.column)
        if not unpin_member(segment, member):
            raise ApiProblem("not-found", f"{member} has no pin in this segment.", 404)
        return Response(status=204)


def _member(
    request: Request, about: Members, wanted: str, pointer: str | None = None, parameter: str | None = None
) -> Any:
    seen = about.ids(about.seen_by(request.user))
    found = about.model.objects.filter(external_id=wanted.replace("\x00", ""), pk__in=seen).first()
    if found is None:
        text, code = (
            f"There is no {about.column} “{short(wanted)}” among those that you may see.",
            f"unknown-{about.column}",
        )
        raise ApiProblem(code, text, 400, [Fault(text, code, pointer, parameter)])
    return found
