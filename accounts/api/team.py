"""Our own side over the API: teams, colleagues, who looks after which account, and who is asking."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.db import IntegrityError, transaction
from django.db.models import Count, QuerySet
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.recording import refused
from accounts.facts import AssignmentFact, record_assignments
from accounts.in_rules import NamedInRules, check_team_name, uses_in_rules
from accounts.models import Account, Assignment, Team, TeamMember
from core.api.access import AdministratorsWrite, IsMember, is_administrator, may_manage, member_of, sees_every_account
from core.api.filters import StrictFilterSet, ValuesFilter, YesNoFilter
from core.api.problems import in_use
from core.api.strict import StrictSerializer, Text, Via
from core.api.views import ApiView, ApiViewSet, taken
from core.models import Workspace


class TeamSerializer(StrictSerializer):
    """A group of colleagues."""

    id = serializers.IntegerField(read_only=True)
    name = Text(max_length=120)
    members = serializers.IntegerField(read_only=True, help_text="How many colleagues are in it.")


class TeamViewSet(ApiViewSet):
    """Teams; administrators change them."""

    permission_classes: Any = [IsMember, AdministratorsWrite]
    serializer_class = TeamSerializer
    orderings: ClassVar[dict[str, str]] = {"name": "name_folded", "id": "id"}
    default_ordering = "name"
    lookup_value_regex = r"[0-9]{1,18}"

    def get_queryset(self) -> QuerySet[Team]:
        """All teams, with the number of their members."""
        return Team.objects.annotate(members_count=Count("members"))

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        """The count is computed by the query."""
        made = super().get_serializer(*args, **kwargs)
        fields: Any = getattr(getattr(made, "child", made), "fields", {})
        fields["members"].source = "members_count"
        fields["members"].source_attrs = ["members_count"]
        return made

    def create(self, request: Request) -> Response:
        """Make a team."""
        return self.answer(self._save(Team(), self.read_body()), 201)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Rename a team that no rule names."""
        with transaction.atomic():
            found = self._save(self.matching(), self.read_body(partial=True))
        return self.answer(found)

    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a team that no rule names; its members stay, without a team."""
        with transaction.atomic():
            found: Team = self.matching()
            if uses := uses_in_rules(found):
                raise in_use(NamedInRules(found.name, uses), uses)
            found.delete()
        return Response(status=204)

    def _save(self, team: Team, data: dict[str, Any]) -> Team:
        try:
            check_team_name(team, data.get("name", team.name))
        except NamedInRules as error:
            raise in_use(error, error.uses) from error
        team.name = data.get("name", team.name)
        try:
            with transaction.atomic():
                team.save()
        except IntegrityError as error:
            raise taken(f"There is already a team named “{team.name}”.") from error
        return self.get_queryset().get(pk=team.pk)


class MemberSerializer(StrictSerializer):
    """A colleague."""

    key = serializers.CharField(read_only=True)
    name = serializers.CharField(read_only=True)
    email = serializers.CharField(read_only=True, source="user.email")
    team = serializers.CharField(read_only=True, source="team.name", default=None)
    access = serializers.ChoiceField(TeamMember.Access.choices, read_only=True)


class MemberFilters(StrictFilterSet):
    """What a list of colleagues can be narrowed by."""

    team = django_filters.CharFilter(field_name="team__name")
    access = django_filters.ChoiceFilter(choices=TeamMember.Access.choices)


class MemberViewSet(ApiViewSet):
    """Colleagues, to read; log-ins are made and taken away in the admin."""

    serializer_class = MemberSerializer
    filterset_class = MemberFilters
    orderings: ClassVar[dict[str, str]] = {"name": "name", "key": "key"}
    default_ordering = "name"
    lookup_field = "key"
    lookup_value_regex = r"[-a-zA-Z0-9_]{1,80}"

    def get_queryset(self) -> QuerySet[TeamMember]:
        """Everybody."""
        return TeamMember.objects.select_related("team", "user")


class AssignmentSerializer(StrictSerializer):
    """A colleague's part in an account."""

    id = serializers.IntegerField(read_only=True)
    account = Via("account.external_id", max_length=255)
    member = Via("member.key", max_length=255, help_text="Key, e-mail or name of a colleague.")
    role = Via("role_id", max_length=80, help_text="Key of a role, such as csm.")
    started_at = serializers.DateTimeField(read_only=True)
    ended_at = serializers.DateTimeField(read_only=True)


class AssignmentFilters(StrictFilterSet):
    """What a list of assignments can be narrowed by."""

    account = django_filters.CharFilter(field_name="account__external_id")
    member = django_filters.CharFilter(field_name="member__key")
    role = ValuesFilter(field_name="role_id")
    open = YesNoFilter(field_name="ended_at", lookup_expr="isnull", help_text="True: not ended.")


class AssignmentViewSet(ApiViewSet):
    """Who looks after which account. POST gives a part to a colleague (whoever had it loses it), DELETE ends it."""

    serializer_class = AssignmentSerializer
    filterset_class = AssignmentFilters
    orderings: ClassVar[dict[str, str]] = {"id": "id", "started_at": "started_at"}
    lookup_value_regex = r"[0-9]{1,18}"

    def get_queryset(self) -> QuerySet[Assignment]:
        """Those of the accounts that may be seen."""
        seen = Account.objects.visible_to(self.request.user).order_by().values("pk")
        return Assignment.objects.filter(account__in=seen).select_related("account", "member")

    def create(self, request: Request) -> Response:
        """Give a part; 200 if the colleague has it already."""
        data = self.read_body()
        fact = AssignmentFact(data["account"], data["role"], data["member"], timezone.now())
        with transaction.atomic():
            outcome = record_assignments([fact])
            if outcome.rejected:
                raise refused(outcome.rejected)
        rows = self.get_queryset().filter(account__external_id=data["account"], ended_at=None)
        found = rows.filter(pk__in=outcome.created).first()
        if found is None:
            found = rows.filter(pk__in=outcome.unchanged | outcome.updated).order_by("-started_at").first()
        return self.answer(found, 201 if outcome.created else 200)

    def destroy(self, request: Request, pk: str) -> Response:
        """End the part now."""
        with transaction.atomic():
            found = self.matching()
            fact = AssignmentFact(found.account.external_id, found.role_id, None, timezone.now())
            if found.ended_at is None:
                record_assignments([fact])
        return Response(status=204)


class MeView(ApiView):
    """Who the present credentials belong to, and what they may do."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """Name, access and workspace."""
        member = member_of(request.user)
        workspace = Workspace.get()
        return Response(
            {
                "username": request.user.get_username(),
                "member": member.key if member else None,
                "name": member.name if member else request.user.get_username(),
                "access": "admin" if is_administrator(request.user) else getattr(member, "access", "viewer"),
                "may_edit_segments": may_manage(request.user),
                "sees": "all" if sees_every_account(request.user) else "own",
                "workspace": {
                    "name": workspace.name,
                    "currency": workspace.currency,
                    "time_zone": workspace.time_zone,
                },
            }
        )
