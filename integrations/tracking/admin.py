"""Sources, their keys and their messages in the back office."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from core.backoffice import BackOffice, ReadOnly
from core.intake import BadValue, clean_text, fold
from integrations.models import Identity, Message, PendingEvent, Source, SourceTally, UserMerge, VisitorLink, WriteKey
from integrations.tracking.keys import create_source, rotate_key, set_disabled

OVERLAP = dt.timedelta(hours=24)
SHOWN = "The write key of {name} is {key}. It is shown this once."


class SourceForm(forms.ModelForm):
    """A source's name and what it may do."""

    class Meta:
        model = Source
        fields = ("name", "new_attributes", "group_type")

    def clean_name(self) -> str:
        """A name of its own."""
        try:
            name = clean_text(self.cleaned_data["name"], 120)
        except BadValue as error:
            raise forms.ValidationError(str(error)) from error
        if Source.objects.filter(name_folded=fold(name)).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError("There is a source of this name already.")
        return name


@admin.register(Source)
class SourceAdmin(BackOffice):
    """Systems that send messages. A new one gets its key at once; “Replace the key” makes another."""

    form = SourceForm
    list_display = ("name", "key", "disabled_at", "created_by", "created_at")
    list_filter = (("disabled_at", admin.EmptyFieldListFilter),)
    list_select_related = ("created_by",)
    search_fields = ("name_folded", "key")
    readonly_fields = ("key", "disabled_at", "created_by", "created_at")
    actions = ("replace_key", "disable", "enable")
    page_name = "source"

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Values and events name their source for good; it is disabled instead."""
        return False

    def save_model(self, request: HttpRequest, obj: Source, form: Any, change: bool) -> None:
        """A new source is made with its key, which is shown."""
        if change:
            super().save_model(request, obj, form, change)
            return
        made, key = create_source(obj.name, by=request.user)
        obj.pk, obj.key, obj.created_by, obj.created_at = made.pk, made.key, made.created_by, made.created_at
        obj.save()
        self.message_user(request, SHOWN.format(name=obj.name, key=key), messages.WARNING)

    @admin.action(description="Replace the key (the old one stays good for a day)", permissions=["change"])
    def replace_key(self, request: HttpRequest, queryset: QuerySet[Source]) -> None:
        """A new key for each chosen source."""
        for source in queryset:
            key = rotate_key(source, overlap=OVERLAP)
            self.message_user(request, SHOWN.format(name=source.name, key=key), messages.WARNING)
            self.log_deed(request, [source], "Key replaced.")

    @admin.action(description="Disable", permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Source]) -> None:
        """Refuse their messages."""
        self._disable(request, queryset, True)

    @admin.action(description="Enable", permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Source]) -> None:
        """Take their messages again."""
        self._disable(request, queryset, False)

    def _disable(self, request: HttpRequest, queryset: QuerySet[Source], disabled: bool) -> None:
        done = list(queryset)
        for source in done:
            set_disabled(source, disabled)
        self.log_deed(request, done, "Disabled." if disabled else "Enabled.")


@admin.register(WriteKey)
class WriteKeyAdmin(ReadOnly):
    """Which keys open which source, and until when. The keys themselves are not kept."""

    list_display = ("source", "hint", "created_at", "valid_until")
    list_select_related = ("source",)
    page_via = ("source",)
    list_filter = ("source",)
    search_fields = ("source__name_folded", "hint")


@admin.register(Message)
class MessageAdmin(ReadOnly):
    """The messages of the last days, the newest first."""

    list_display = ("received_at", "source", "kind", "name", "user_ref", "account_ref", "inferred", "outcome", "reason")
    list_select_related = ("source",)
    page_via = ("source",)
    list_filter = ("outcome", "inferred", "kind", "source")
    search_fields = ("message_id", "user_ref", "account_ref")


@admin.register(SourceTally)
class SourceTallyAdmin(ReadOnly):
    """How many messages came, by the hour (and by request within the present one)."""

    list_display = ("at", "source", "stored", "no_account", "duplicate", "dropped", "failed")
    list_select_related = ("source",)
    page_via = ("source",)
    list_filter = ("source",)
    search_fields = ("source__name_folded",)


@admin.register(Identity)
class IdentityAdmin(ReadOnly):
    """Anonymous and former ids, and whom they mean."""

    list_display = ("name", "user", "former", "linked_at")
    list_select_related = ("user",)
    list_filter = ("former", ("user", admin.EmptyFieldListFilter))
    search_fields = ("name", "user__external_id")


@admin.register(PendingEvent)
class PendingEventAdmin(ReadOnly):
    """Events of visitors, which wait for their user."""

    list_display = ("at", "identity", "source", "message_id")
    list_filter = ("at", "source")
    search_fields = ("identity__name", "message_id")
    list_select_related = ("identity",)


@admin.register(UserMerge)
class UserMergeAdmin(ReadOnly):
    """Users who are becoming one; each goes from here once its events have been moved."""

    list_display = ("old", "into", "source")
    list_filter = ("source",)
    search_fields = ("old__external_id", "into__external_id")
    list_select_related = ("old", "into")


@admin.register(VisitorLink)
class VisitorLinkAdmin(ReadOnly):
    """Since when visitors who were several users were each of them."""

    list_display = ("identity", "user", "at")
    list_filter = ("at",)
    search_fields = ("identity__name", "user__external_id")
    list_select_related = ("identity", "user")
