"""The customers' people, and which of them belongs to which account, over the API."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.recording import FactSerializer, FactViewSet, folded, refused, source_of
from accounts.api.values import FieldValues
from accounts.facts import RelationshipFact, record_relationships, record_users
from accounts.fields.reading import OF_RELATIONSHIPS
from accounts.models import Account, EndUser, Relationship
from core.api.access import sees_every_account
from core.api.filters import StrictFilterSet, ValuesFilter, YesNoFilter
from core.api.problems import ApiProblem, Fault
from core.api.strict import Attributes, StrictSerializer, Text, Via


class UserSerializer(FactSerializer):
    """A person who uses the product. Which accounts they belong to is what relationships say."""

    name = Text(max_length=255, required=False, allow_null=True, allow_blank=True)
    email = Text(max_length=255, required=False, allow_null=True, allow_blank=True)
    title = Text(max_length=120, required=False, allow_null=True, allow_blank=True)
    first_seen_at = serializers.DateTimeField(required=False, allow_null=True)


class UserFilters(StrictFilterSet):
    """What a list of users can be narrowed by."""

    q = django_filters.CharFilter(method=folded("name", "email", "external_id", contains=True))
    external_id = ValuesFilter(field_name="external_id")
    email = django_filters.CharFilter(method=folded("email"))
    account = django_filters.CharFilter(method="of_account", help_text="The external id of an account.")

    def of_account(self, queryset: QuerySet[EndUser], name: str, value: str) -> QuerySet[EndUser]:
        """The people who belong to an account at present; nobody if it may not be seen."""
        seen = Account.objects.visible_to(self.request.user).filter(external_id=value)
        return queryset.filter(pk__in=Relationship.objects.open().filter(account__in=seen).values("user"))


class UserViewSet(FactViewSet):
    """People, addressed by their external id; those of other people's accounts are not shown."""

    serializer_class = UserSerializer
    filterset_class = UserFilters
    orderings: ClassVar[dict[str, str]] = {
        "name": "name_folded", "external_id": "external_id", "first_seen_at": "first_seen_at",
        "created_at": "created_at", "updated_at": "updated_at",
    }  # fmt: skip
    default_ordering = "name"
    record = staticmethod(record_users)
    noun = "user"

    def get_queryset(self) -> QuerySet[EndUser]:
        """People of the accounts that may be seen; people of no account only where every account may be seen."""
        if sees_every_account(self.request.user):
            return EndUser.objects.all()
        visible = Account.objects.visible_to(self.request.user)
        theirs = Relationship.objects.filter(user=OuterRef("pk"), account__in=visible.order_by().values("pk"))
        return EndUser.objects.filter(Exists(theirs))


class RelationshipSerializer(StrictSerializer):
    """That a user belongs to an account, in a role, from one instant to another."""

    id = serializers.IntegerField(read_only=True)
    account = Via("account.external_id", max_length=255)
    user = Via("user.external_id", max_length=255)
    role = Text(max_length=120, required=False, allow_null=True, allow_blank=True)
    started_at = serializers.DateTimeField(required=False)
    ended_at = serializers.DateTimeField(required=False, allow_null=True)
    attributes = Attributes(required=False)
    created_at = serializers.DateTimeField(read_only=True)
    updated_at = serializers.DateTimeField(read_only=True)


class RelationshipFilters(StrictFilterSet):
    """What a list of relationships can be narrowed by."""

    account = django_filters.CharFilter(field_name="account__external_id")
    user = django_filters.CharFilter(field_name="user__external_id")
    role = django_filters.CharFilter(method=folded("role"))
    open = YesNoFilter(field_name="ended_at", lookup_expr="isnull", help_text="True: not ended.")


class RelationshipViewSet(FieldValues):
    """Who belongs to which account. POST opens (opening what is open changes nothing), DELETE ends it now.

    `fields` are those of a user in this account: traits, attributes, when last seen here.
    """

    serializer_class = RelationshipSerializer
    filterset_class = RelationshipFilters
    orderings: ClassVar[dict[str, str]] = {"id": "id", "started_at": "started_at"}
    lookup_value_regex = r"[0-9]{1,18}"
    owners = tuple(OF_RELATIONSHIPS)

    def get_queryset(self) -> QuerySet[Relationship]:
        """Those of the accounts that may be seen."""
        seen = Account.objects.visible_to(self.request.user).order_by().values("pk")
        return Relationship.objects.filter(account__in=seen).select_related("account", "user")

    def create(self, request: Request) -> Response:
        """Open a relationship, or say more about the open one (200 where there was one)."""
        data = self.read_body()
        with transaction.atomic():
            made = self._record(data["account"], data["user"], data)
        rows = self.get_queryset().filter(account__external_id=data["account"], user__external_id=data["user"])
        newest = rows.order_by("-started_at", "-id").first()
        return self.answer(newest, 201 if made else 200)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change role and attributes, or end it."""
        with transaction.atomic():
            found = self.matching()
            data = self.read_body(partial=True)
            fixed = sorted({"account", "user", "started_at"} & data.keys())
            if fixed:
                words = "This cannot be changed. End it and open another."
                faults = [Fault(words, "read-only", f"/{name}") for name in fixed]
                raise ApiProblem("read-only", faults[0].detail, 400, faults)
            self._refuse_old(found)
            self._record(found.account.external_id, found.user.external_id, data)
        return self.answer(self.get_queryset().get(pk=found.pk))

    def destroy(self, request: Request, pk: str) -> Response:
        """End the relationship now; that it was stays known."""
        with transaction.atomic():
            found = self.matching()
            self._refuse_old(found)
            self._record(found.account.external_id, found.user.external_id, {"ended_at": timezone.now()})
        return Response(status=204)

    def _refuse_old(self, found: Relationship) -> None:
        if found.ended_at is not None:
            raise ApiProblem("conflict", "This relationship has ended. Open another with POST.", 409)

    def _record(self, account: str, user: str, data: dict[str, Any]) -> bool:
        values = {"role": data["role"]} if "role" in data else {}
        values |= {f"custom.{key}": value for key, value in data.get("attributes", {}).items()}
        at = timezone.now()
        fact = RelationshipFact(user, account, at, values, data.get("started_at"), data.get("ended_at"))
        outcome = record_relationships([fact], source=source_of(self.request))
        if outcome.rejected:
            raise refused(outcome.rejected)
        return bool(outcome.created)
