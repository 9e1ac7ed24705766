"""Playbooks in the back office: definitions as JSON, changed through `alerts.playbooks.editing`; runs to look at."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest

from alerts.models import Enrolment, Playbook, PlaybookVersion, StepRun
from alerts.playbooks.editing import Coming, delete_playbook, save_playbook, set_playbook_active
from alerts.playbooks.stopping import stop_enrolments
from alerts.playbooks.versions import restore_version
from core.backoffice import BackOffice, ReadOnly, TriedForm, VersionsAdmin
from core.intake import BadValue
from core.versions import Stale
from health.definition import DefinitionError


class PlaybookForm(TriedForm):
    """A playbook; what saving refuses is said in the form, each with its place."""

    refuses = (DefinitionError, BadValue)
    overdue = forms.BooleanField(required=False, help_text="It comes in when it is overdue with the milestone instead.")
    reason = forms.CharField(max_length=255, required=False, help_text="One line for the history of the playbook.")

    class Meta:
        model = Playbook
        fields: ClassVar[list[str]] = [
            "name", "description", "active", "segment", "rule", "milestone", "overdue", "include_existing", "again",
            "again_days", "definition",
        ]  # fmt: skip
        help_texts: ClassVar[dict[str, str]] = {
            "segment": "An account that joins it comes in. Without any of the three people bring accounts in.",
            "rule": "An account about which it opens an alert comes in.",
            "milestone": "An account that reaches it comes in.",
            "definition": "Steps, goal and exit rule; the manual’s page on playbooks says the grammar.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["overdue"] = self.instance.entry == Playbook.Entry.OVERDUE

    def saved(self, author: Any = None) -> Playbook:
        """Save through the one way in which playbooks change."""
        given = dict(self.cleaned_data)
        coming = Coming(
            given.pop("segment"), given.pop("rule"), given.pop("include_existing"), given.pop("again"),
            given.pop("again_days"), given.pop("milestone"), given.pop("overdue"),
        )  # fmt: skip
        return save_playbook(self.instance if self.instance.pk else None, coming=coming, author=author, **given)


@admin.register(Playbook)
class PlaybookAdmin(BackOffice):
    """Playbooks with how many accounts are in them."""

    form = PlaybookForm
    page_name = "playbook"
    list_display = ("name", "key", "active", "entry", "inside", "version", "error")
    list_filter = ("active", "entry", ("error", admin.EmptyFieldListFilter))
    search_fields = ("name_folded",)
    autocomplete_fields = ("segment", "rule", "milestone")
    actions = ("switch_on", "switch_off")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the number of running enrolments."""
        return (
            super().get_queryset(request).annotate(running=Count("enrolments", filter=Q(enrolments__state="running")))
        )

    @admin.display(description="in it", ordering="running")
    def inside(self, playbook: Any) -> int:
        """How many accounts are in it."""
        return int(playbook.running)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save with its version."""
        obj.pk = form.saved(request.user).pk
        obj.refresh_from_db()

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """With its history."""
        delete_playbook(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Playbook]) -> None:
        """One by one."""
        for playbook in queryset:
            delete_playbook(playbook)

    @admin.action(description="Switch on", permissions=["change"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[Playbook]) -> None:
        """Accounts come in from now on, and who is in it goes on."""
        self._switch(request, queryset, True)

    @admin.action(description="Switch off", permissions=["change"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[Playbook]) -> None:
        """Nobody comes in, and who is in it stands still."""
        self._switch(request, queryset, False)

    def _switch(self, request: HttpRequest, queryset: QuerySet[Playbook], active: bool) -> None:
        done = list(queryset)
        for playbook in done:
            set_playbook_active(playbook, active)
        self.log_deed(request, done, f"Switched {'on' if active else 'off'}.")


@admin.register(PlaybookVersion)
class PlaybookVersionAdmin(VersionsAdmin):
    """Definitions as they were saved."""

    of = "playbook"
    page_name = "playbook_versions"
    page_key = "playbook_id"
    actions = ("restore",)

    @admin.action(description="Restore as the newest version", permissions=["view"])
    def restore(self, request: HttpRequest, queryset: QuerySet[PlaybookVersion]) -> None:
        """One at a time, by whoever may change playbooks."""
        if not request.user.has_perm("alerts.change_playbook"):
            raise PermissionDenied
        chosen = list(queryset.select_related("playbook")[:2])
        if len(chosen) != 1:
            self.message_user(request, "Choose one version. Nothing was changed.", messages.WARNING)
            return
        playbook, number = chosen[0].playbook, chosen[0].number
        try:
            saved = restore_version(playbook, number, author=request.user)
        except (DefinitionError, Stale) as error:
            self.message_user(request, f"Version {number} cannot be restored: {error}", messages.ERROR)
        else:
            self.message_user(request, f"Version {number} of {playbook} restored as version {saved.version}.")


@admin.register(Enrolment)
class EnrolmentAdmin(ReadOnly):
    """The accounts in playbooks, the newest entry first."""

    list_display = ("account", "playbook", "state", "step", "due_at", "started_at", "ended_at", "error")
    list_select_related = ("account", "playbook")
    list_filter = ("state", "playbook")
    search_fields = ("account__name_folded",)
    actions = ("stop",)

    @admin.action(description="Stop", permissions=["view"])
    def stop(self, request: HttpRequest, queryset: QuerySet[Enrolment]) -> None:
        """Those that are running."""
        number = len(stop_enrolments(queryset))
        self.message_user(request, f"Stopped {number:,} enrolment{'' if number == 1 else 's'}.")


@admin.register(StepRun)
class StepRunAdmin(ReadOnly):
    """The steps that were taken, the newest first."""

    list_display = ("enrolment", "step", "kind", "state", "begun_at", "done_at", "attempts", "text", "error")
    list_select_related = ("enrolment__account", "enrolment__playbook")
    page_via = ("enrolment",)
    list_filter = ("kind", "state")
    search_fields = ("enrolment__account__name_folded",)
    ordering = ("-id",)
