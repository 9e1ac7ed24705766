"""Tasks and calendar feeds in the back office; tasks are changed through `alerts.work.doing`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

from alerts.models import Task, TaskCalendar
from alerts.work import doing
from core.backoffice import BackOffice, ReadOnly
from core.intake import BadValue


class TaskForm(forms.ModelForm):
    """What a task says; its state is changed by the actions of the list."""

    class Meta:
        model = Task
        fields: ClassVar[list[str]] = ["account", "title", "text", "assignee", "due_on", "note"]

    def clean_title(self) -> str:
        """One line."""
        return self._taken(doing.clean_title, "title")

    def clean_due_on(self) -> Any:
        """A day not too far away; the one that it has may stay."""
        day = self.cleaned_data["due_on"]
        return day if day == self.instance.due_on else self._taken(doing.clean_day, "due_on")

    def _taken(self, check: Callable[[Any], Any], name: str) -> Any:
        try:
            return check(self.cleaned_data[name])
        except BadValue as error:
            raise ValidationError(str(error)) from error


@admin.register(Task)
class TaskAdmin(BackOffice):
    """What is to be done, and what was."""

    form = TaskForm
    list_display = ("title", "account", "assignee", "due_on", "state", "outcome", "origin", "done_at")
    list_select_related = ("account", "assignee")
    list_filter = ("state", "origin", "outcome", ("due_on", admin.DateFieldListFilter))
    search_fields = ("account__name_folded", "title")
    autocomplete_fields = ("account", "assignee")
    actions = ("finish", "skip", "open_again")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A task stays with its account, and with the milestone that does it."""
        return ("account", "done_when") if obj else ()

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Through the one way in which tasks change."""
        given = {name: form.cleaned_data[name] for name in ("title", "text", "assignee", "due_on")}
        if change:
            doing.edit_task(Task.objects.get(pk=obj.pk), **given, note=form.cleaned_data["note"], by=request.user)
        else:
            obj.pk = doing.add_task(form.cleaned_data["account"], **given, by=request.user).pk
        obj.refresh_from_db()

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """With its account evaluated again."""
        doing.remove([obj])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        """Likewise."""
        doing.remove(queryset)

    @admin.action(description="Tick off", permissions=["change"])
    def finish(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        """Without an outcome."""
        self._say(request, len(doing.finish(queryset, by=request.user).values), "done")

    @admin.action(description="Skip", permissions=["change"])
    def skip(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        """They need not be done."""
        self._say(request, len(doing.skip(queryset, by=request.user).values), "skipped")

    @admin.action(description="Open again", permissions=["change"])
    def open_again(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        """They are to do."""
        self._say(request, len(doing.reopen(queryset).values), "open again")

    def _say(self, request: HttpRequest, number: int, what: str) -> None:
        self.message_user(request, f"{number:,} task{'' if number == 1 else 's'} {what}.")


@admin.register(TaskCalendar)
class TaskCalendarAdmin(ReadOnly):
    """Whose calendar reads their tasks, and when it did last. Deleting a row ends the address."""

    list_display = ("member", "hint", "created_at", "read_at")
    list_select_related = ("member",)
    list_filter = (("read_at", admin.EmptyFieldListFilter),)
    search_fields = ("member__name",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As of any record."""
        return admin.ModelAdmin.has_delete_permission(self, request, obj)
