"""Milestones over the API: definitions with their figures, and the progress of the accounts that you may see."""

from __future__ import annotations

from contextlib import AbstractContextManager
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
from alerts.milestones import marking
from alerts.milestones.editing import (
    Expected,
    MilestoneInUse,
    delete_milestone,
    move_milestone,
    save_milestone,
)  # fmt: skip
from alerts.milestones.progress import progress_of, times_by_segment
from alerts.milestones.versions import restore_version, versions_of
from alerts.models import AccountMilestone, Milestone, MilestoneChange
from alerts.models.milestone import State
from alerts.problems_api import explained
from core.api.access import ColleaguesWrite, IsMember
from core.api.filters import StrictFilterSet
from core.api.problems import ApiProblem, Fault, in_use
from core.api.strict import StrictSerializer, Text, Tree, Whole, YesNo
from core.api.versions import VersionActions
from core.api.views import ApiViewSet
from core.versions import VersionChange
from segments.models import Segment
from segments.questions import Reader


class MilestoneSerializer(StrictSerializer):
    """What accounts are to reach, whom it aims at (segments by key), by when, and whether it can be lost."""

    key = Text(max_length=60, required=False)
    name = Text(max_length=80)
    description = Text(max_length=500, required=False, allow_blank=True)
    segments = serializers.ListField(child=Text(max_length=80), required=False, max_length=100)
    condition = Tree()
    expected_days = Whole(required=False, allow_null=True, min_value=0, max_value=3_650)
    start = serializers.ChoiceField(Milestone.Start.choices, required=False)
    start_field = Text(max_length=120, required=False, allow_blank=True)
    sticky = YesNo(required=False)
    active = YesNo(required=False)
    reason = Text(max_length=255, required=False, allow_blank=True, write_only=True)
    position = serializers.IntegerField(read_only=True)
    version = serializers.IntegerField(read_only=True)

    def to_representation(self, instance: Milestone) -> dict[str, Any]:
        """Segments by their keys."""
        names = ("key", "name", "description", "condition", "expected_days", "start", "start_field", "sticky", "active",
                 "position", "version")  # fmt: skip
        return {name: getattr(instance, name) for name in names} | {
            "segments": [one.key for one in instance.segments.all()]
        }


class FiguresSerializer(StrictSerializer):
    """Days that accounts took, of those that reached it on a known day."""

    number = serializers.IntegerField()
    median = serializers.FloatField(allow_null=True)
    p75 = serializers.FloatField(allow_null=True)
    p90 = serializers.FloatField(allow_null=True)


class ProgressFiguresSerializer(StrictSerializer):
    """How many of the accounts that you may see have come how far."""

    aimed = serializers.IntegerField()
    reached = serializers.IntegerField()
    pending = serializers.IntegerField()
    overdue = serializers.IntegerField()
    lost = serializers.IntegerField()
    undated = serializers.IntegerField()
    days = FiguresSerializer(source="times")


class MoveBody(StrictSerializer):
    """How many places: negative is up."""

    by = Whole(min_value=-1_000, max_value=1_000)


class MilestoneViewSet(VersionActions):
    """Milestones in their order. Administrators and managers write."""

    serializer_class = MilestoneSerializer
    orderings: ClassVar[dict[str, str]] = {"position": "position", "name": "name_folded", "id": "id"}
    default_ordering = "position"
    lookup_field = "key"
    lookup_value_regex = "[-a-zA-Z0-9_]{1,60}"
    http_method_names = ["get", "head", "options", "post", "patch", "delete"]

    def get_queryset(self) -> QuerySet[Milestone]:
        """All of them, those that are off too."""
        return Milestone.objects.prefetch_related("segments")

    def told(self, record: Milestone, numbers: list[int]) -> list[VersionChange]:
        """The versions of these numbers."""
        return versions_of(record, Reader.now(), numbers)

    def restored(self, record: Milestone, number: int) -> Milestone:
        """Its accounts are looked at again soon after."""
        return restore_version(record, number, author=self.request.user)

    def refusing(self) -> AbstractContextManager[None]:
        """As every save of a milestone is refused."""
        return explained()

    def create(self, request: Request) -> Response:
        """Make a milestone, in the last place. What accounts have reached already is told as the definition’s doing."""
        data = self.read_body()
        with explained():
            made = save_milestone(None, author=request.user, key=data.pop("key", ""), **given(data, None))
        return self.answer(self.get_queryset().get(pk=made.pk), 201)

    def partial_update(self, request: Request, key: str) -> Response:
        """Change a milestone. The key stays as it is."""
        with transaction.atomic(), explained():
            found = self.matching()
            data = self.read_body(partial=True)
            if data.pop("key", found.key) != found.key:
                raise ApiProblem("read-only", "The key of a milestone does not change.", 400)
            save_milestone(found, author=request.user, **given(data, found))
        return self.answer(self.get_queryset().get(pk=found.pk))

    def destroy(self, request: Request, key: str) -> Response:
        """Delete a milestone with what accounts reached; 409 while a rule reads it."""
        try:
            with transaction.atomic():
                delete_milestone(self.matching())
        except MilestoneInUse as error:
            raise in_use(error, error.uses) from error
        return Response(status=204)

    @extend_schema(request=MoveBody, responses=MilestoneSerializer)
    @action(detail=True, methods=["post"])
    def move(self, request: Request, key: str) -> Response:
        """Move it among the others."""
        found, body = self.get_object(), MoveBody(data=request.data)
        body.is_valid(raise_exception=True)
        move_milestone(found, body.validated_data["by"])
        return self.answer(self.get_queryset().get(pk=found.pk))

    @extend_schema(responses=ProgressFiguresSerializer)
    @action(detail=True, methods=["get"])
    def progress(self, request: Request, key: str) -> Response:
        """How many accounts have come how far, and the days they took, also by segment."""
        found, seen = self.get_object(), Account.objects.visible_to(request.user)
        by = [{"segment": one.key} | FiguresSerializer(times).data for one, times in times_by_segment(found, seen)]
        return Response(ProgressFiguresSerializer(progress_of([found], seen)[0]).data | {"by_segment": by})


def given(data: dict[str, Any], milestone: Milestone | None) -> dict[str, Any]:
    """What to save: what was sent, over what is there."""
    shown = MilestoneSerializer().to_representation(milestone) if milestone else {}
    whole = {name: value for name, value in shown.items() if name not in ("key", "position", "version")} | data
    start = whole.pop("start", Milestone.Start.ACCOUNT)
    field = whole.pop("start_field", "") if start == Milestone.Start.FIELD else whole.pop("start_field", "") and ""
    whole["expected"] = Expected(whole.pop("expected_days", None), start, field)
    keys = whole.get("segments", [])
    found = {one.key: one for one in Segment.objects.filter(key__in=keys)}
    for place, key in enumerate(keys):
        if key not in found:
            text = f"There is no segment “{key[:60]}”."
            raise ApiProblem("unknown-segment", text, 422, [Fault(text, "unknown-segment", f"/segments/{place}")])
    return whole | {"segments": [found[key] for key in dict.fromkeys(keys)]}


class AccountMilestoneSerializer(StrictSerializer):
    """How far an account has come with a milestone."""

    id = serializers.IntegerField()
    milestone = serializers.CharField(source="milestone.key")
    account = serializers.CharField(source="account.external_id")
    state = serializers.ChoiceField(State.choices)
    since = serializers.DateTimeField()
    starts_on = serializers.DateField(allow_null=True)
    due_on = serializers.DateField(allow_null=True)
    reached_at = serializers.DateTimeField(allow_null=True)
    won_at = serializers.DateTimeField(allow_null=True)
    lost_at = serializers.DateTimeField(allow_null=True)
    dated = serializers.BooleanField()
    by_hand = serializers.BooleanField()


class MilestoneChangeSerializer(StrictSerializer):
    """One change of a state: what, when, and whose doing."""

    kind = serializers.ChoiceField(MilestoneChange.Kind.choices)
    before = serializers.CharField()
    after = serializers.CharField()
    at = serializers.DateTimeField()
    noted_at = serializers.DateTimeField()
    dated = serializers.BooleanField()
    origin = serializers.ChoiceField(MilestoneChange.Origin.choices)
    by = serializers.CharField(source="by.username", allow_null=True, default=None)
    reason = serializers.CharField()


class ProgressFilters(StrictFilterSet):
    """By milestone, account and state."""

    milestone = django_filters.CharFilter(field_name="milestone__key")
    account = django_filters.CharFilter(field_name="account__external_id")
    state = django_filters.ChoiceFilter(choices=State.choices)


class ReachBody(StrictSerializer):
    """Why, and on which day if it was not today."""

    reason = Text(max_length=255)
    on = serializers.DateField(required=False, allow_null=True)


class ResetBody(StrictSerializer):
    """Why."""

    reason = Text(max_length=255)


class AccountMilestoneViewSet(ApiViewSet):
    """The progress of the accounts that you may see."""

    permission_classes: Any = [IsMember, ColleaguesWrite]
    serializer_class = AccountMilestoneSerializer
    filterset_class = ProgressFilters
    orderings: ClassVar[dict[str, str]] = {"since": "since", "id": "id"}
    lookup_value_regex = r"\d{1,18}"
    http_method_names = ["get", "head", "options", "post"]

    def get_queryset(self) -> QuerySet[AccountMilestone]:
        """Of milestones that are switched on."""
        seen = Account.objects.visible_to(self.request.user).order_by()
        return AccountMilestone.objects.of_active().filter(account__in=seen).select_related("milestone", "account")

    def create(self, request: Request) -> Response:
        """Progress follows from data; mark it with `reach/` below a record."""
        raise ApiProblem("method-not-allowed", "Progress follows from data. Use reach/ or reset/ below a record.", 405)

    @extend_schema(responses=MilestoneChangeSerializer(many=True))
    @action(detail=True, methods=["get"])
    def changes(self, request: Request, pk: str) -> Response:
        """The last hundred changes of its state, the newest first."""
        found = self.get_object()
        rows = MilestoneChange.objects.filter(milestone=found.milestone_id, account=found.account_id)
        rows = rows.select_related("by").order_by("-at", "-pk")[:100]
        return Response({"results": MilestoneChangeSerializer(rows, many=True).data})

    @extend_schema(request=ReachBody, responses=AccountMilestoneSerializer)
    @action(detail=True, methods=["post"])
    def reach(self, request: Request, pk: str) -> Response:
        """Mark it as reached, whatever its rule says. One that is reached answers 409."""
        return self.done(marking.mark_reached, ReachBody, "It has been reached already.")

    @extend_schema(request=ResetBody, responses=AccountMilestoneSerializer)
    @action(detail=True, methods=["post"])
    def reset(self, request: Request, pk: str) -> Response:
        """Wait for it anew. One that was not reached answers 409."""
        return self.done(marking.reset, ResetBody, "It was not reached.")

    def done(self, work: Any, body: type[StrictSerializer], else_: str) -> Response:
        """Do it to the addressed record."""
        found, made = self.get_object(), body(data=self.request.data)
        made.is_valid(raise_exception=True)
        before = work(found.milestone, [found.account], by=self.request.user, **made.validated_data)
        if not before.values:
            raise ApiProblem("unchanged", f"{else_} Nothing was changed.", 409)
        return Response(AccountMilestoneSerializer(self.get_object()).data)
