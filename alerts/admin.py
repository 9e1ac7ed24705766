"""Alerts in the back office: rules are edited through `alerts.editing`, alerts through `alerts.handling`."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest

from accounts.models import TeamMember
from alerts import handling
from alerts.comparing.admin import ComparedAccountAdmin, ComparisonAdmin
from alerts.consequences import (
    TASK_DAYS,
    Consequences,
    NewTask,
    consequences_of,
    free_playbooks,
    save_consequences,
    shared_channels,
)  # fmt: skip
from alerts.definition import LONGEST
from alerts.editing import Assigning, delete_alert_rule, save_alert_rule, set_rule_active
from alerts.milestones import admin as milestones  # noqa: F401  # registers its forms
from alerts.models import Alert, AlertEntry, AlertRule, AlertRuleVersion, NoticeChannel, Playbook
from alerts.notices_admin import NoticeAdmin
from alerts.playbooks.admin import EnrolmentAdmin, PlaybookAdmin, PlaybookVersionAdmin, StepRunAdmin
from alerts.raising import raise_alerts
from alerts.replay_admin import AlertReplayAdmin, AlertReplayDayAdmin
from alerts.work.admin import TaskAdmin, TaskCalendarAdmin
from core.backoffice import BackOffice, ReadOnly, TriedForm, VersionsAdmin
from core.intake import BadValue, NameTaken
from segments.rule_widget import RuleField
from segments.rules.tree import RuleError

__all__ = [  # importing these modules registers their forms
    "AlertReplayAdmin", "AlertReplayDayAdmin", "ComparedAccountAdmin", "ComparisonAdmin", "EnrolmentAdmin",
    "PlaybookAdmin", "PlaybookVersionAdmin", "StepRunAdmin", "TaskAdmin", "TaskCalendarAdmin",
]  # fmt: skip


class OptionalRuleField(RuleField):
    """A rule that may be left empty."""

    def clean(self, value: Any) -> Any:
        """The tree, or None without a condition."""
        return super().clean(value) if (value or {}).get("rules") else None


class Boxes(forms.ModelMultipleChoiceField):
    """Some of some rows, each with a box to tick; none is fine."""

    widget = forms.CheckboxSelectMultiple

    def __init__(self, queryset: QuerySet[Any], **kwargs: Any) -> None:
        super().__init__(queryset, required=False, **kwargs)


class AlertRuleForm(TriedForm):
    """A rule; what saving refuses is said in the form, each with its place."""

    refuses = (RuleError, BadValue, NameTaken)
    condition = RuleField()
    clear = OptionalRuleField(required=False, help_text="Ends an alert, besides the condition no longer holding.")
    told = Boxes(TeamMember.objects.none(), label="colleagues", help_text="Besides the assignee.")
    channels = Boxes(NoticeChannel.objects.none())
    playbooks = Boxes(Playbook.objects.none(), help_text="The account comes into them with every alert.")
    task = forms.CharField(
        max_length=150, required=False, label="a task with every alert",
        help_text="Its title, such as Call {{ account.name }}. Makes a playbook of one step.",
    )  # fmt: skip
    task_days = forms.IntegerField(
        min_value=0, max_value=LONGEST, initial=TASK_DAYS, required=False, label="due in working days"
    )
    reason = forms.CharField(max_length=255, required=False, help_text="One line for the history of the rule.")

    class Meta:
        model = AlertRule
        fields: ClassVar[list[str]] = [
            "name", "type", "severity", "active", "message", "segments", "condition", "clear", "hold_days",
            "cooldown_days", "refire", "include_existing", "role", "round_robin", "fallback",
        ]  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rule = self.instance if self.instance.pk else None
        rows = {
            "told": TeamMember.objects.filter(user__is_active=True).order_by("name"), "channels": shared_channels(),
            "playbooks": free_playbooks(rule),
        }  # fmt: skip
        now = consequences_of(rule) if rule is not None else Consequences()
        for name, chosen in (("told", now.members), ("channels", now.channels), ("playbooks", now.playbooks)):
            self.fields[name].queryset = rows[name]  # type: ignore[attr-defined]
            self.initial.setdefault(name, [one.pk for one in chosen])

    def clean_task_days(self) -> int:
        """The usual ones if nothing is said."""
        days = self.cleaned_data["task_days"]
        return TASK_DAYS if days is None else int(days)

    def saved(self, author: Any = None) -> AlertRule:
        """Save through the one way in which rules change, and what follows from their alerts."""
        values = dict(self.cleaned_data)
        assigning = Assigning(values.pop("role"), tuple(values.pop("round_robin")), values.pop("fallback"))
        follow = Consequences(*(tuple(values.pop(name)) for name in ("told", "channels", "playbooks")))
        title, days = values.pop("task"), values.pop("task_days")
        with transaction.atomic():
            rule = self.instance if self.instance.pk else None
            made = save_alert_rule(rule, assigning=assigning, author=author, **values)
            task = NewTask(title, days) if title else None
            save_consequences(made, follow, task=task, author=author)
        return made


@admin.register(AlertRule)
class AlertRuleAdmin(BackOffice):
    """What raises alerts, with how many are open."""

    form = AlertRuleForm
    page_name = "alert_rule"
    fieldsets = (
        (None, {"fields": ("name", "type", "severity", "active", "message", "segments")}),
        ("Condition", {"fields": ("condition",), "classes": ("condition",)}),
        ("Clear condition", {"fields": ("clear",), "classes": ("condition",)}),
        (
            "When and whose",
            {
                "fields": (
                    "hold_days", "cooldown_days", "refire", "include_existing", "role", "round_robin", "fallback",
                )
            },
        ),
        ("Whom it tells besides", {"fields": ("told", "channels")}),
        ("What it starts", {"fields": ("playbooks", "task", "task_days")}),
        ("Why it is changed", {"fields": ("reason",)}),
    )  # fmt: skip
    list_display = ("name", "type", "severity", "active", "open_alerts", "hold_days", "cooldown_days", "version")
    list_filter = ("active", "type", "severity")
    search_fields = ("name_folded",)
    autocomplete_fields = ("segments", "round_robin", "fallback")
    actions = ("switch_on", "switch_off", "raise_now")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the number of open alerts."""
        return super().get_queryset(request).annotate(opened=Count("alerts", filter=Q(alerts__ended_at=None)))

    @admin.display(description="open", ordering="opened")
    def open_alerts(self, rule: Any) -> int:
        """How many alerts of it are open."""
        return int(rule.opened)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save with everything that belongs to it."""
        obj.pk = form.saved(request.user).pk
        obj.refresh_from_db()

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """What is many to many was saved with the rest."""

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """With its questions; its alerts are kept."""
        delete_alert_rule(obj, author=request.user)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[AlertRule]) -> None:
        """One by one."""
        for rule in queryset:
            delete_alert_rule(rule, author=request.user)

    @admin.action(description="Switch on", permissions=["change"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[AlertRule]) -> None:
        """Watch from now on."""
        self._switch(request, queryset, True)

    @admin.action(description="Switch off", permissions=["change"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[AlertRule]) -> None:
        """Open none any more, and end those that are open."""
        self._switch(request, queryset, False)

    def _switch(self, request: HttpRequest, queryset: QuerySet[AlertRule], active: bool) -> None:
        done = list(queryset)
        for rule in done:
            set_rule_active(rule, active, author=request.user)
        self.log_deed(request, done, f"Switched {'on' if active else 'off'}.")

    @admin.action(description="Raise alerts now (all rules)", permissions=["change"])
    def raise_now(self, request: HttpRequest, queryset: QuerySet[AlertRule]) -> None:
        """By the members as they are stored."""
        done = raise_alerts()
        self.message_user(request, f"Opened {done.opened:,} and ended {done.ended:,} alerts.")


@admin.register(AlertRuleVersion)
class AlertRuleVersionAdmin(VersionsAdmin):
    """Definitions as they were saved."""

    of = "rule"
    page_name = "alert_rule_versions"
    page_key = "rule_id"


@admin.register(Alert)
class AlertAdmin(ReadOnly):
    """Every alert, open and ended."""

    list_display = (
        "account",
        "rule",
        "severity",
        "opened_at",
        "assignee",
        "snoozed_until",
        "ended_at",
        "ending",
        "outcome",
    )
    list_select_related = ("account", "rule", "assignee")
    list_filter = ("severity", ("ended_at", admin.EmptyFieldListFilter), "ending", "outcome", "rule")
    search_fields = ("account__name_folded",)
    actions = ("close",)

    @admin.action(description="Close", permissions=["view"])
    def close(self, request: HttpRequest, queryset: QuerySet[Alert]) -> None:
        """Without an outcome."""
        number = len(handling.close(queryset, by=request.user).values)
        self.message_user(request, f"Closed {number:,} alert{'' if number == 1 else 's'}.")


@admin.register(AlertEntry)
class AlertEntryAdmin(ReadOnly):
    """What happened to alerts, the newest first."""

    list_display = ("alert", "kind", "at", "by", "text")
    list_select_related = ("alert__rule", "alert__account", "by")
    list_filter = ("kind",)
    search_fields = ("alert__account__name_folded", "alert__rule__name_folded", "text")
    page_via = ("alert",)
    ordering = ("-id",)


__all__ = ["AlertRuleAdmin", "NoticeAdmin"]
