"""Milestones in the back office: definitions are edited through `alerts.milestones.editing`, progress is read."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest

from alerts.milestones.editing import (
    Expected,
    MilestoneInUse,
    delete_milestone,
    save_milestone,
    set_milestone_active,
)  # fmt: skip
from alerts.models import AccountMilestone, Milestone, MilestoneChange, MilestoneVersion
from core.backoffice import BackOffice, ReadOnly, TriedForm, VersionsAdmin
from core.intake import BadValue, NameTaken
from segments.rule_widget import RuleField
from segments.rules.tree import RuleError


class MilestoneForm(TriedForm):
    """A milestone; what saving refuses is said in the form, each with its place."""

    refuses = (RuleError, BadValue, NameTaken)
    condition = RuleField()
    reason = forms.CharField(max_length=255, required=False, help_text="One line for the history of the milestone.")

    class Meta:
        model = Milestone
        fields: ClassVar[list[str]] = [
            "name", "description", "segments", "condition", "expected_days", "start", "start_field", "sticky", "active",
        ]  # fmt: skip

    def saved(self, author: Any = None) -> Milestone:
        """Save through the one way in which milestones change."""
        values = dict(self.cleaned_data)
        expected = Expected(values.pop("expected_days"), values.pop("start"), values.pop("start_field"))
        return save_milestone(self.instance if self.instance.pk else None, expected=expected, author=author, **values)


@admin.register(Milestone)
class MilestoneAdmin(BackOffice):
    """What accounts are to reach, with how many have."""

    form = MilestoneForm
    page_name = "milestone_edit"
    page_key = "key"
    fieldsets = (
        (None, {"fields": ("name", "description", "segments", "sticky", "active")}),
        ("Condition", {"fields": ("condition",), "classes": ("condition",)}),
        ("Expected", {"fields": ("expected_days", "start", "start_field", "reason")}),
    )
    list_display = ("name", "key", "position", "reached", "overdue", "expected_days", "sticky", "active", "version")
    list_filter = ("active", "sticky")
    search_fields = ("name_folded", "key")
    autocomplete_fields = ("segments",)
    actions = ("switch_on", "switch_off")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With how many have reached it and how many are late."""
        numbers = {f"n_{state}": Count("progress", filter=Q(progress__state=state)) for state in ("reached", "overdue")}
        return super().get_queryset(request).annotate(**numbers)

    @admin.display(description="reached", ordering="n_reached")
    def reached(self, milestone: Any) -> int:
        """How many accounts have reached it."""
        return int(milestone.n_reached)

    @admin.display(description="overdue", ordering="n_overdue")
    def overdue(self, milestone: Any) -> int:
        """How many accounts are late."""
        return int(milestone.n_overdue)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save with everything that belongs to it."""
        obj.pk = form.saved(request.user).pk
        obj.refresh_from_db()

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """What is many to many was saved with the rest."""

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """With its question; one that a rule reads stays."""
        try:
            delete_milestone(obj)
        except MilestoneInUse as error:
            self.message_user(request, str(error), level="error")

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Milestone]) -> None:
        """One by one."""
        for milestone in queryset:
            self.delete_model(request, milestone)

    @admin.action(description="Switch on", permissions=["change"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[Milestone]) -> None:
        """Look at accounts from now on."""
        self._switch(request, queryset, True)

    @admin.action(description="Switch off", permissions=["change"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[Milestone]) -> None:
        """Leave accounts as they are."""
        self._switch(request, queryset, False)

    def _switch(self, request: HttpRequest, queryset: QuerySet[Milestone], active: bool) -> None:
        done = list(queryset)
        for milestone in done:
            set_milestone_active(milestone, active)
        self.log_deed(request, done, f"Switched {'on' if active else 'off'}.")


@admin.register(MilestoneVersion)
class MilestoneVersionAdmin(VersionsAdmin):
    """Definitions as they were saved."""

    of = "milestone"


@admin.register(AccountMilestone)
class AccountMilestoneAdmin(ReadOnly):
    """How far accounts have come."""

    list_display = ("account", "milestone", "state", "since", "due_on", "reached_at", "by_hand")
    list_select_related = ("account", "milestone")
    list_filter = ("state", "milestone", "by_hand", "dated")
    search_fields = ("account__name_folded",)
    ordering = ("-id",)


@admin.register(MilestoneChange)
class MilestoneChangeAdmin(ReadOnly):
    """What happened to the progress of accounts, the newest first."""

    list_display = ("account", "milestone", "kind", "at", "origin", "by", "reason")
    list_select_related = ("account", "milestone", "by")
    list_filter = ("kind", "origin", "milestone")
    search_fields = ("account__name_folded",)
    ordering = ("-id",)
