"""Notifications in the back office: channels and whom a rule tells are edited, what was told and sent is looked at."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from alerts.channels.editing import save_channel
from alerts.models import (
    Delivery,
    MilestoneNotices,
    Notice,
    NoticeChannel,
    NoticeSettings,
    RuleChoice,
    RuleNotices,
)
from alerts.notifying.telling import TASK
from core.backoffice import BackOffice, ReadOnly, TriedForm
from core.jobs import enqueue


class NoticeChannelForm(TriedForm):
    """A channel; its address is entered and never shown."""

    posted_to = forms.CharField(
        label="Address",
        required=False, max_length=500, widget=forms.URLInput(attrs={"autocomplete": "off"}),
        help_text="Slack’s incoming webhook, or your own. Leave it empty to keep the present one.",
    )  # fmt: skip

    class Meta:
        model = NoticeChannel
        fields: ClassVar[list[str]] = ["kind", "name", "member", "active", "cap"]

    def saved(self) -> tuple[NoticeChannel, str]:
        """Save through the one way in which channels change."""
        values = self.cleaned_data
        found = NoticeChannel.objects.get(pk=self.instance.pk) if self.instance.pk else None
        return save_channel(
            found, name=values["name"], kind=values.get("kind") or "", address=values["posted_to"],
            member=values.get("member"), active=values["active"], cap=values["cap"],
        )  # fmt: skip


@admin.register(NoticeChannel)
class NoticeChannelAdmin(BackOffice):
    """Where notifications are posted to."""

    form = NoticeChannelForm
    list_display = ("name", "kind", "hint", "member", "active", "cap", "failures", "error")
    list_select_related = ("member",)
    list_filter = ("kind", "active")
    search_fields = ("name_folded",)
    autocomplete_fields = ("member",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What it is and whose stays."""
        return ("kind", "member") if obj else ()

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save, and show the secret of a new webhook this once."""
        made, secret = form.saved()
        obj.pk = made.pk
        obj.refresh_from_db()
        if secret:
            self.message_user(request, f"It signs with {secret}. Copy it now, it is not shown again.", messages.WARNING)


class ListeningAdmin(BackOffice):
    """Who hears of what something does besides those whom it concerns."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With whom they name."""
        return super().get_queryset(request).prefetch_related("channels", "members")

    @admin.display(description="told to")
    def told(self, row: Any) -> str:
        """Channels and colleagues by name."""
        return ", ".join(str(one) for one in [*row.channels.all(), *row.members.all()]) or "–"


@admin.register(RuleNotices)
class RuleNoticesAdmin(ListeningAdmin):
    """Whom the alerts of a rule are told to besides their assignee."""

    list_display = ("rule", "told")
    list_select_related = ("rule",)
    list_filter = ("rule__active",)
    page_via = ("rule",)
    search_fields = ("rule__name_folded",)
    autocomplete_fields = ("rule", "channels", "members")


@admin.register(MilestoneNotices)
class MilestoneNoticesAdmin(ListeningAdmin):
    """Whom the changes of a milestone are told to besides those who look after the account."""

    list_display = ("milestone", "told")
    list_select_related = ("milestone",)
    list_filter = ("milestone__active",)
    page_via = ("milestone",)
    search_fields = ("milestone__name_folded",)
    autocomplete_fields = ("milestone", "channels", "members")


@admin.register(NoticeSettings)
class NoticeSettingsAdmin(ReadOnly):
    """How colleagues want to be told; each changes their own."""

    list_display = ("member", "by_email", "digest", "digest_at", "weekly", "quiet_from", "quiet_to", "cap", "time_zone")
    list_select_related = ("member",)
    list_filter = ("by_email", "digest", "weekly")
    search_fields = ("member__name",)


@admin.register(RuleChoice)
class RuleChoiceAdmin(ReadOnly):
    """What colleagues chose for single rules."""

    list_display = ("member", "rule", "way")
    page_via = ("rule",)
    list_select_related = ("member", "rule")
    search_fields = ("member__name", "rule__name_folded")
    list_filter = ("way", "rule")


@admin.register(Notice)
class NoticeAdmin(ReadOnly):
    """Who was told what."""

    list_display = ("title", "kind", "member", "channel", "account", "at", "read_at", "waits")
    list_select_related = ("member", "channel", "account")
    list_filter = ("kind", "waits", ("read_at", admin.EmptyFieldListFilter))
    search_fields = ("account__name_folded",)


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly):
    """What was sent, what waits, what failed and why."""

    list_display = ("notice", "via", "channel", "state", "attempts", "due_at", "sent_at", "error", "key")
    list_select_related = ("notice", "channel")
    list_filter = ("state", "via")
    search_fields = ("notice__account__name_folded", "notice__title", "error")
    actions = ("again",)
    page_via = ("notice",)

    @admin.action(description="Send again what failed", permissions=["view"])
    def again(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        """With the same key."""
        failed = queryset.filter(state=Delivery.State.FAILED)
        number = failed.update(state=Delivery.State.WAITING, attempts=0, due_at=timezone.now())
        enqueue(TASK)
        self.message_user(request, f"{number:,} put back to be sent.")
