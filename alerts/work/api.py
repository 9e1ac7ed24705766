"""Tasks over the API: those of the accounts that you may see, with what can be done about them."""

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
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Account, TeamMember
from alerts.models import Alert, Task
from alerts.work import doing
from core.api.access import ColleaguesWrite, IsMember, may_manage
from core.api.filters import StrictFilterSet
from core.api.problems import ApiProblem, Fault
from core.api.strict import StrictSerializer, Text, Via, Whole
from core.api.views import ApiViewSet
from core.clock import moment
from core.intake import BadValue


class TaskSerializer(StrictSerializer):
    """Something to do for an account by a day; the assignee is a colleague's key."""

    id = serializers.IntegerField(read_only=True)
    account = Via("account.external_id", max_length=255)
    title = Text(max_length=200)
    text = Text(max_length=4_000, required=False, allow_blank=True)
    assignee = Via("assignee.key", max_length=80, required=False, allow_null=True)
    due_on = serializers.DateField(required=False, allow_null=True)
    done_when = serializers.CharField(
        source="done_when.key", read_only=True, allow_null=True, default=None,
        help_text="The milestone with which it is done by itself, named by the step of a playbook.",
    )  # fmt: skip
    alert = Whole(source="alert_id", required=False, allow_null=True, help_text="The alert that asks for it.")
    note = Text(max_length=2_000, required=False, allow_blank=True)
    state = serializers.ChoiceField(Task.State.choices, read_only=True)
    outcome = serializers.ChoiceField(Task.Outcome.choices, read_only=True, allow_blank=True)
    origin = serializers.ChoiceField(Task.Origin.choices, read_only=True)
    created_by = serializers.CharField(source="created_by.username", read_only=True, allow_null=True, default=None)
    created_at = serializers.DateTimeField(read_only=True)
    done_by = serializers.CharField(source="done_by.username", read_only=True, allow_null=True, default=None)
    done_at = serializers.DateTimeField(read_only=True)


class TaskFilters(StrictFilterSet):
    """By when it is due, state, account, assignee, origin, alert."""

    when = django_filters.ChoiceFilter(
        choices=[("today", "Due today"), ("overdue", "Overdue"), ("later", "Later, or without a day")], method="by_day"
    )
    state = django_filters.ChoiceFilter(choices=Task.State.choices)
    account = django_filters.CharFilter(field_name="account__external_id")
    assignee = django_filters.CharFilter(method="by_assignee", help_text="A colleague's key, or `nobody`.")
    origin = django_filters.ChoiceFilter(choices=Task.Origin.choices)
    alert = django_filters.NumberFilter(field_name="alert_id")
    due_before = django_filters.DateFilter(field_name="due_on", lookup_expr="lt")
    due_after = django_filters.DateFilter(field_name="due_on", lookup_expr="gt")

    def by_day(self, rows: Any, name: str, value: str) -> Any:
        """Of the workspace's day; open ones only."""
        today = moment().today
        ways = {"today": rows.due_today, "overdue": rows.overdue, "later": rows.later}
        return ways[value](today)

    def by_assignee(self, rows: Any, name: str, value: str) -> Any:
        """Of a colleague, or those that nobody has."""
        return rows.filter(assignee=None) if value == "nobody" else rows.filter(assignee__key=value)


class FinishBody(StrictSerializer):
    """What came of it."""

    outcome = serializers.ChoiceField(Task.Outcome.choices, required=False, allow_blank=True)
    note = Text(max_length=2_000, required=False, allow_blank=True)


class SkipBody(StrictSerializer):
    """Why it need not be done."""

    note = Text(max_length=2_000, required=False, allow_blank=True)


class TaskViewSet(ApiViewSet):
    """Tasks of the accounts that you may see. Colleagues write them; what playbooks made is skipped, not deleted."""

    permission_classes: Any = [IsMember, ColleaguesWrite]
    serializer_class = TaskSerializer
    filterset_class = TaskFilters
    orderings: ClassVar[dict[str, str]] = {"due": "due_on", "id": "id"}
    default_ordering = "id"
    lookup_value_regex = r"[0-9]{1,18}"
    http_method_names = ["get", "head", "options", "post", "patch", "delete"]

    def get_queryset(self) -> QuerySet[Task]:
        """Of the accounts that may be seen."""
        seen = Account.objects.visible_to(self.request.user).order_by()
        return Task.objects.filter(account__in=seen).select_related(
            "account", "assignee", "done_when", "created_by", "done_by"
        )

    def create(self, request: Request) -> Response:
        """Write a task down."""
        data = self.read_body()
        if "note" in data:
            raise _refused("note", "A note says what came of a task. Send it when the task is done.")
        account = Account.objects.visible_to(request.user).filter(external_id=data["account"]).first()
        if account is None:
            raise _refused("account", f"There is no account “{data['account'][:60]}”, or it is not yours to see.")
        with said():
            made = doing.add_task(
                account, data["title"], text=data.get("text", ""), assignee=_colleague(data.get("assignee")),
                due_on=data.get("due_on"), alert=_alert(data.get("alert_id"), account), by=request.user,
            )  # fmt: skip
        return self.answer(self.get_queryset().get(pk=made.pk), 201)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what it says, whose it is, when it is due. Its account and its alert stay."""
        with transaction.atomic(), said():
            found: Task = self.matching()
            data = self.read_body(partial=True)
            if data.get("account", found.account.external_id) != found.account.external_id:
                raise _refused("account", "A task stays with its account.")
            if data.get("alert_id", found.alert_id) != found.alert_id:
                raise _refused("alert", "A task stays with its alert.")
            changes: dict[str, Any] = {name: data[name] for name in ("title", "text", "note", "due_on") if name in data}
            if "assignee" in data:
                changes["assignee"] = _colleague(data["assignee"])
            doing.edit_task(found, **changes, by=request.user)
        return self.answer(self.get_queryset().get(pk=found.pk))

    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a task that was made by hand: one's own, or anybody's as a manager."""
        with transaction.atomic():
            found: Task = self.matching()
            if not may_manage(request.user) and found.created_by_id != request.user.pk:
                raise PermissionDenied
            if found.origin == Task.Origin.PLAYBOOK:
                raise ApiProblem("conflict", "A playbook made it. Skip it instead.", 409)
            doing.remove([found])
        return Response(status=204)

    @extend_schema(request=FinishBody, responses=TaskSerializer)
    @action(detail=True, methods=["post"])
    def finish(self, request: Request, pk: str) -> Response:
        """Tick it off. One that is over answers 409."""
        return self._done(doing.finish, FinishBody, by=request.user)

    @extend_schema(request=SkipBody, responses=TaskSerializer)
    @action(detail=True, methods=["post"])
    def skip(self, request: Request, pk: str) -> Response:
        """Close it, because it need not be done. One that is over answers 409."""
        return self._done(doing.skip, SkipBody, by=request.user)

    @extend_schema(request=None, responses=TaskSerializer)
    @action(detail=True, methods=["post"])
    def reopen(self, request: Request, pk: str) -> Response:
        """Open it again. One that is open answers 409."""
        return self._done(doing.reopen, None)

    def _done(self, work: Any, body: type[StrictSerializer] | None, **more: Any) -> Response:
        found = self.get_object()
        if body is not None:
            made = body(data=self.request.data)
            made.is_valid(raise_exception=True)
            more |= made.validated_data
        with said():
            done = work([found], **more)
        if not done.values:
            state = "open" if found.state == Task.State.OPEN else "over"
            raise ApiProblem("conflict", f"The task is {state} already. Nothing was changed.", 409)
        return self.answer(self.get_queryset().get(pk=found.pk))


@contextmanager
def said() -> Iterator[None]:
    """Turn what tasks refuse into a problem."""
    try:
        yield
    except BadValue as error:
        raise ApiProblem("validation", str(error), 400) from error


def _refused(place: str, text: str) -> ApiProblem:
    return ApiProblem("validation", text, 400, [Fault(text, "invalid-value", f"/{place}")])


def _colleague(key: str | None) -> TeamMember | None:
    if not key:
        return None
    found = TeamMember.objects.filter(user__is_active=True, key=key).first()
    if found is None:
        raise _refused("assignee", f"There is no colleague “{key[:60]}”.")
    return found


def _alert(pk: int | None, account: Account) -> Alert | None:
    if pk is None:
        return None
    found = Alert.objects.filter(pk=pk, account=account).first() if 0 < pk < 2**63 else None
    if found is None:
        raise _refused("alert", f"There is no alert {pk} about this account.")
    return found
