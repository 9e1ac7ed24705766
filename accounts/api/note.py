"""Notes and touchpoints over the API."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Account, EndUser, Note
from accounts.notes import remove_notes, save_note, write_note
from core.api.access import ColleaguesWrite, IsMember, may_manage, member_of
from core.api.filters import StrictFilterSet
from core.api.problems import ApiProblem, Fault
from core.api.strict import StrictSerializer, Text, Via
from core.api.views import ApiViewSet


class NoteSerializer(StrictSerializer):
    """What was said with a customer, and when."""

    id = serializers.IntegerField(read_only=True)
    account = Via("account.external_id", max_length=255)
    user = Via("user.external_id", max_length=255, required=False, allow_null=True)
    author = Via("author.key", read_only=True)
    kind = serializers.ChoiceField(Note.Kind.choices, default=Note.Kind.NOTE)
    text = Text(max_length=10_000)
    at = serializers.DateTimeField(required=False)
    created_at = serializers.DateTimeField(read_only=True)
    updated_at = serializers.DateTimeField(read_only=True)


class NoteFilters(StrictFilterSet):
    """What a list of notes can be narrowed by."""

    account = django_filters.CharFilter(field_name="account__external_id")
    author = django_filters.CharFilter(field_name="author__key")
    kind = django_filters.ChoiceFilter(choices=Note.Kind.choices)


class NoteViewSet(ApiViewSet):
    """Notes of the accounts that may be seen. Colleagues write them, and change or delete their own."""

    permission_classes: Any = [IsMember, ColleaguesWrite]
    serializer_class = NoteSerializer
    filterset_class = NoteFilters
    orderings: ClassVar[dict[str, str]] = {"at": "at", "id": "id"}
    default_ordering = "-at"
    lookup_value_regex = r"[0-9]{1,18}"

    def get_queryset(self) -> QuerySet[Note]:
        """Those of the accounts that may be seen."""
        seen = Account.objects.visible_to(self.request.user).order_by().values("pk")
        return Note.objects.filter(account__in=seen).select_related("account", "user", "author")

    def create(self, request: Request) -> Response:
        """Write a note as oneself."""
        data = self.read_body()
        account = Account.objects.visible_to(request.user).filter(external_id=data["account"]).first()
        if account is None:
            raise _unknown("account", data["account"])
        made = write_note(
            account=account,
            user=self._user(data),
            author=member_of(request.user),
            kind=data["kind"],
            text=data["text"],
            at=data.get("at") or timezone.now(),
        )
        return self.answer(made, 201)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change one's own note; its account stays."""
        with transaction.atomic():
            found = self._own()
            data = self.read_body(partial=True)
            if data.get("account", found.account.external_id) != found.account.external_id:
                fault = Fault("A note stays with its account.", "read-only", "/account")
                raise ApiProblem("read-only", fault.detail, 400, [fault])
            if "user" in data:
                found.user = self._user(data)
            for name in {"kind", "text", "at"} & data.keys():
                setattr(found, name, data[name])
            save_note(found)
        return self.answer(found)

    def destroy(self, request: Request, pk: str) -> Response:
        """Delete one's own note."""
        with transaction.atomic():
            remove_notes(Note.objects.filter(pk=self._own().pk))
        return Response(status=204)

    def _own(self) -> Note:
        found: Note = self.matching()
        member = member_of(self.request.user)
        if not may_manage(self.request.user) and (member is None or found.author_id != member.pk):
            raise PermissionDenied
        return found

    def _user(self, data: dict[str, Any]) -> EndUser | None:
        if not data.get("user"):
            return None
        found = EndUser.objects.filter(external_id=data["user"]).first()
        if found is None:
            raise _unknown("user", data["user"])
        return found


def _unknown(what: str, external_id: str) -> ApiProblem:
    fault = Fault(f"There is no {what} “{external_id[:60]}”, or it is not yours to see.", "invalid-value", f"/{what}")
    return ApiProblem("validation", fault.detail, 400, [fault])
