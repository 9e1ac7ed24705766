"""Playbooks over the API, and the accounts in them: those that you may see."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, ClassVar

import django_filters
from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Account
from alerts.models import AlertRule, Enrolment, Milestone, Playbook, StepRun
from alerts.playbooks.editing import Coming, delete_playbook, save_playbook
from alerts.playbooks.enrolling import enrol_by_hand
from alerts.playbooks.problems_api import explained
from alerts.playbooks.stopping import go_on, stop_enrolments
from alerts.playbooks.versions import restore_version, versions_of
from core.api.access import ColleaguesWrite, IsMember, may_manage
from core.api.filters import StrictFilterSet
from core.api.problems import ApiProblem, Fault
from core.api.strict import StrictSerializer, Text, Tree, Whole, YesNo
from core.api.versions import VersionActions
from core.api.views import ApiViewSet
from core.versions import VersionChange
from segments.models import Segment
from segments.questions import Reader


class PlaybookSerializer(StrictSerializer):
    """What brings accounts in, and what is done for them. `segment` and `milestone` are keys, `rule` is the id of
    an alert rule; with `overdue` it is being late with the milestone that counts, not reaching it."""

    id = serializers.IntegerField(read_only=True)
    key = Text(max_length=80, required=False)
    name = Text(max_length=120)
    description = Text(max_length=2_000, required=False, allow_blank=True)
    active = YesNo(required=False)
    entry = serializers.ChoiceField(Playbook.Entry.choices, read_only=True)
    segment = Text(max_length=80, required=False, allow_null=True)
    rule = Whole(required=False, allow_null=True)
    milestone = Text(max_length=60, required=False, allow_null=True)
    overdue = YesNo(required=False)
    include_existing = YesNo(required=False)
    again = serializers.ChoiceField(Playbook.Again.choices, required=False)
    again_days = Whole(required=False, min_value=0, max_value=3650)
    definition = Tree()
    reason = Text(max_length=255, required=False, allow_blank=True, write_only=True)
    version = serializers.IntegerField(read_only=True)
    error = serializers.CharField(read_only=True)

    def to_representation(self, instance: Playbook) -> dict[str, Any]:
        """The segment and the milestone by their keys, the rule by its id."""
        names = ("id", "key", "name", "description", "active", "entry", "include_existing", "again", "again_days",
                 "definition", "version", "error")  # fmt: skip
        shown = {name: getattr(instance, name) for name in names}
        return shown | {
            "segment": instance.segment.key if instance.segment else None, "rule": instance.rule_id,
            "milestone": instance.milestone.key if instance.milestone else None,
            "overdue": instance.entry == Playbook.Entry.OVERDUE,
        }  # fmt: skip


class EnrolBody(StrictSerializer):
    """Accounts by their external ids."""

    accounts = serializers.ListField(child=Text(max_length=255), min_length=1, max_length=1_000)


class EnrolledSerializer(StrictSerializer):
    """Which of them came in; the others were in it already."""

    enrolled = serializers.ListField(child=serializers.CharField())


class PlaybookViewSet(VersionActions):
    """Playbooks. Administrators and managers write; colleagues bring accounts in."""

    serializer_class = PlaybookSerializer
    orderings: ClassVar[dict[str, str]] = {"name": "name_folded", "id": "id"}
    default_ordering = "name"
    lookup_value_regex = r"\d{1,18}"
    http_method_names = ["get", "head", "options", "post", "patch", "delete"]

    def get_permissions(self) -> Any:
        """Bringing an account in is for every colleague but viewers."""
        return [IsMember(), ColleaguesWrite()] if self.action == "enrol" else super().get_permissions()

    def get_queryset(self) -> QuerySet[Playbook]:
        """All of them."""
        return Playbook.objects.select_related("segment", "milestone")

    def told(self, record: Playbook, numbers: list[int]) -> list[VersionChange]:
        """The versions of these numbers."""
        return versions_of(record, Reader.now(), numbers)

    def restored(self, record: Playbook, number: int) -> Playbook:
        """What brings accounts in stays as it is."""
        return restore_version(record, number, author=self.request.user)

    def refusing(self) -> AbstractContextManager[None]:
        """As every save of a playbook is refused."""
        return explained()

    def create(self, request: Request) -> Response:
        """Make a playbook; accounts as they are come in only if `include_existing` is true."""
        data = self.read_body()
        with explained():
            made = save_playbook(None, author=request.user, **given(data, None))
        return self.answer(self.get_queryset().get(pk=made.pk), 201)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change a playbook. Accounts that are in it go on under the version with which they came in."""
        with transaction.atomic(), explained():
            found = self.matching()
            data = self.read_body(partial=True)
            if data.get("key", found.key) != found.key:
                raise ApiProblem("read-only", "A playbook keeps its key.", 400)
            made = save_playbook(found, author=request.user, **given(data, found))
        return self.answer(self.get_queryset().get(pk=made.pk))

    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a playbook with its history; the tasks that it made stay."""
        with transaction.atomic():
            delete_playbook(self.matching())
        return Response(status=204)

    @extend_schema(request=EnrolBody, responses=EnrolledSerializer)
    @action(detail=True, methods=["post"])
    def enrol(self, request: Request, pk: str) -> Response:
        """Bring accounts in by hand."""
        made = EnrolBody(data=request.data)
        made.is_valid(raise_exception=True)
        wanted = list(dict.fromkeys(made.validated_data["accounts"]))
        seen = {one.external_id: one for one in Account.objects.visible_to(request.user).filter(external_id__in=wanted)}
        for place, one in enumerate(wanted):
            if one not in seen:
                text = f"There is no account “{one[:60]}”, or it is not yours to see."
                raise ApiProblem("validation", text, 400, [Fault(text, "invalid-value", f"/accounts/{place}")])
        with explained():
            ids = set(enrol_by_hand(self.get_object(), list(seen.values()), by=request.user))
        return Response({"enrolled": [one for one in wanted if seen[one].pk in ids]})


def given(data: dict[str, Any], playbook: Playbook | None) -> dict[str, Any]:
    """What to save: what was sent, over what is there."""
    shown = PlaybookSerializer().to_representation(playbook) if playbook else {}
    kept = ("name", "description", "active", "segment", "rule", "milestone", "overdue", "include_existing", "again",
            "again_days", "definition")  # fmt: skip
    whole = {name: shown[name] for name in kept if name in shown} | data
    whole.pop("key", None) if playbook else None
    return whole | {"coming": _coming(whole)}


def _coming(whole: dict[str, Any]) -> Coming:
    """Take what brings accounts in out of the rest. 422 with the place for what does not exist."""
    key, pk, slug = whole.pop("segment", None), whole.pop("rule", None), whole.pop("milestone", None)
    segment = Segment.objects.filter(key=key).first() if key else None
    rule = AlertRule.objects.filter(pk=pk).first() if pk else None
    milestone = Milestone.objects.filter(key=slug).first() if slug else None
    named = ((segment, key, "segment", "segment"), (rule, pk, "rule", "alert rule"),
             (milestone, slug, "milestone", "milestone"))  # fmt: skip
    for found, wanted, name, called in named:
        if wanted and found is None:
            text = f"There is no {called} “{str(wanted)[:60]}”."
            raise ApiProblem(f"unknown-{name}", text, 422, [Fault(text, f"unknown-{name}", f"/{name}")])
    again, days = whole.pop("again", Playbook.Again.NEVER), whole.pop("again_days", 0)
    existing, overdue = whole.pop("include_existing", False), whole.pop("overdue", False)
    return Coming(segment, rule, existing, again, days, milestone, overdue)


class StepRunSerializer(StrictSerializer):
    """A step that was taken."""

    step = serializers.CharField()
    kind = serializers.CharField()
    state = serializers.ChoiceField(StepRun.State.choices)
    key = serializers.UUIDField(help_text="The Idempotency-Key of its messages.")
    begun_at = serializers.DateTimeField()
    done_at = serializers.DateTimeField()
    task = serializers.IntegerField(source="task_id", allow_null=True)
    text = serializers.CharField()
    error = serializers.CharField()


class EnrolmentSerializer(StrictSerializer):
    """An account's way through a playbook."""

    id = serializers.IntegerField()
    playbook = serializers.CharField(source="playbook.key")
    version = serializers.IntegerField(source="version.number")
    account = serializers.CharField(source="account.external_id")
    state = serializers.ChoiceField(Enrolment.State.choices)
    step = serializers.CharField()
    due_at = serializers.DateTimeField(allow_null=True)
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    error = serializers.CharField()


class WholeEnrolmentSerializer(EnrolmentSerializer):
    """With the steps that were taken."""

    runs = StepRunSerializer(many=True)


class EnrolmentFilters(StrictFilterSet):
    """By playbook, account, state."""

    playbook = django_filters.CharFilter(field_name="playbook__key")
    account = django_filters.CharFilter(field_name="account__external_id")
    state = django_filters.ChoiceFilter(choices=Enrolment.State.choices)


class EnrolmentViewSet(ApiViewSet):
    """The accounts in playbooks, and those that were: of the accounts that you may see."""

    permission_classes: Any = [IsMember, ColleaguesWrite]
    serializer_class = EnrolmentSerializer
    filterset_class = EnrolmentFilters
    orderings: ClassVar[dict[str, str]] = {"started": "started_at", "id": "id"}
    default_ordering = "-id"
    lookup_value_regex = r"\d{1,18}"
    http_method_names = ["get", "head", "options", "post"]

    def get_queryset(self) -> QuerySet[Enrolment]:
        """Of the accounts that may be seen."""
        seen = Account.objects.visible_to(self.request.user).order_by()
        return Enrolment.objects.filter(account__in=seen).select_related("playbook", "version", "account")

    @extend_schema(responses=WholeEnrolmentSerializer)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """With the steps that were taken."""
        return Response(WholeEnrolmentSerializer(self.get_object()).data)

    @extend_schema(request=None, responses=WholeEnrolmentSerializer)
    @action(detail=True, methods=["post"])
    def stop(self, request: Request, pk: str) -> Response:
        """Stop it; its open tasks are skipped. One that is over answers 409."""
        if not stop_enrolments([self.get_object()]):
            raise ApiProblem("ended", "It is over already. Nothing was changed.", 409)
        return Response(WholeEnrolmentSerializer(self.get_object()).data)

    @extend_schema(request=None, responses=WholeEnrolmentSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        """Let one that failed or was stopped go on at the step at which it ended. For administrators and managers."""
        if not may_manage(request.user):
            raise PermissionDenied
        with explained():
            go_on(self.get_object())
        return Response(WholeEnrolmentSerializer(self.get_object()).data)
