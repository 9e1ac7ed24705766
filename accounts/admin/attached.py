"""What hangs on notes: files and mentions, to look at; a file can be taken away."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.attaching import remove_files
from accounts.models import Mention, NoteFile
from core.backoffice import ReadOnly


@admin.register(NoteFile)
class NoteFileAdmin(ReadOnly):
    """Files on notes; they are had on the account page."""

    list_display = ("name", "type", "size", "note", "created_at")
    list_select_related = ("note",)
    list_filter = ("type",)
    search_fields = ("name", "note__account__name_folded")
    actions = ("remove",)
    page_via = ("note",)

    @admin.action(description="Delete with their content", permissions=["view"])
    def remove(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """The notes stay."""
        number = remove_files(queryset)
        self.message_user(request, f"Deleted {number:,} file{'' if number == 1 else 's'}.")


@admin.register(Mention)
class MentionAdmin(ReadOnly):
    """Whom notes name, and when they were told."""

    list_display = ("member", "note", "told_at")
    list_select_related = ("member", "note")
    list_filter = ("member",)
    search_fields = ("member__name", "note__text")
    page_via = ("note",)
