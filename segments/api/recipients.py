"""Recipients over the API: the users of a segment's accounts, for whatever writes to them."""

from __future__ import annotations

from typing import ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Account
from core.api.filters import PAGING
from core.api.problems import ApiProblem, Fault
from core.api.strict import StrictSerializer
from core.api.views import ApiViewSet
from segments.models import Segment
from segments.recipients import people_of, relationships_of

ONE = ("person", "relationship")


class PersonSerializer(StrictSerializer):
    """A person once, with the accounts of the segment that they belong to and their role in each."""

    user = serializers.CharField(read_only=True, source="external_id")
    name = serializers.CharField(read_only=True)
    email = serializers.CharField(read_only=True)
    accounts = serializers.ListField(child=serializers.CharField(), read_only=True, source="in_accounts")
    roles = serializers.ListField(child=serializers.CharField(), read_only=True, source="in_roles")


class RelationshipRecipientSerializer(StrictSerializer):
    """A person in one account of the segment; the same person comes again for another one."""

    user = serializers.CharField(read_only=True, source="user.external_id")
    name = serializers.CharField(read_only=True, source="user.name")
    email = serializers.CharField(read_only=True, source="user.email")
    account = serializers.CharField(read_only=True, source="account.external_id")
    role = serializers.CharField(read_only=True)


class RecipientActions(ApiViewSet):
    """The recipients of a segment; mixed into the viewset of segments."""

    parameters: ClassVar[dict[str, tuple[str, ...]]] = {"recipients": ("roles", "one", *PAGING)}

    @extend_schema(
        parameters=[
            OpenApiParameter("roles", str, description="Roles, separated by commas; any role if left out."),
            OpenApiParameter("one", str, enum=ONE, description="One row per person (default) or per relationship."),
        ],
        responses=PersonSerializer(many=True),
    )
    @action(detail=True)
    def recipients(self, request: Request, key: str) -> Response:
        """The users of the accounts in the segment that you may see, each person or each relationship once."""
        segment: Segment = self.get_object()
        one = request.query_params.get("one", ONE[0])
        if one not in ONE:
            fault = Fault("Say person or relationship.", "invalid-value", parameter="one", allowed=ONE)
            raise ApiProblem("invalid-parameter", fault.detail, 400, [fault])
        given = request.query_params.get("roles", "").split(",")
        roles = [role for role in (role.strip() for role in given) if role]
        seen = Account.objects.visible_to(request.user)
        # The view is made anew for each request, so these are of this one alone.
        self.orderings, self.default_ordering = {"id": "id"}, "id"  # type: ignore[misc]
        if one == "person":
            return self.paged(people_of(segment, seen, roles), PersonSerializer)
        return self.paged(relationships_of(segment, seen, roles), RelationshipRecipientSerializer)
