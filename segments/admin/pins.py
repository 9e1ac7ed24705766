"""Pins in the back office: made and taken out through `segments.pinning`, kept as history."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from core.backoffice import BackOffice, FirstRowsInline
from core.intake import BadValue
from segments.models import Pin
from segments.pinning import pin_member, unpin_member


class PinInline(FirstRowsInline):
    """The pins of a segment that nobody has taken out, the newest first."""

    model = Pin
    fields = ("account", "user", "kind", "reason", "author", "until", "created_at")
    verbose_name_plural = "pins"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Pin]:
        """With the names that are shown."""
        found = super().get_queryset(request).filter(ended_at=None)
        return found.select_related("account", "user", "author", "segment").order_by("-id")


class PinForm(forms.ModelForm):
    """A new pin; what pinning refuses is said in the form."""

    class Meta:
        model = Pin
        fields: ClassVar[list[str]] = ["segment", "account", "user", "kind", "reason", "until"]

    def clean(self) -> dict[str, Any]:
        """Try the whole of it and take it back."""
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            if bool(cleaned.get("account")) == bool(cleaned.get("user")):
                raise ValidationError("Choose one account, or one user for a segment of users.")
            try:
                with transaction.atomic():
                    pin_member(**pinned(cleaned))
                    transaction.set_rollback(True)
            except BadValue as error:
                raise ValidationError(str(error)) from error
        return cleaned

    def validate_constraints(self) -> None:
        """A pin that is there is replaced, so a second one is no mistake."""


def pinned(cleaned: dict[str, Any]) -> dict[str, Any]:
    """What `pin_member` takes, from the form."""
    given = dict(cleaned)
    account, user = given.pop("account", None), given.pop("user", None)
    return given | {"member": account or user}


@admin.register(Pin)
class PinAdmin(BackOffice):
    """Accounts and users that were put into a segment, or kept out of it, by hand."""

    form = PinForm
    list_display = ("segment", "member", "kind", "reason", "author", "until", "created_at", "ended_at")
    list_display_links = ("member",)
    list_filter = ("kind", ("ended_at", admin.EmptyFieldListFilter), "segment")
    list_select_related = ("segment", "account", "user", "author")
    search_fields = ("account__name_folded", "user__name_folded", "reason")
    autocomplete_fields = ("segment", "account", "user")
    actions = ("unpin",)
    page_name = "segment_pins"
    page_key = "segment_id"

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A pin is replaced, not changed, so that its history stays."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A pin is taken out, and stays as history."""
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Pin, and ask for the refresh that shows it."""
        made = pin_member(**pinned(form.cleaned_data), author=request.user)
        obj.pk = made.pk
        obj.refresh_from_db()

    @admin.action(description="Unpin", permissions=["add"])
    def unpin(self, request: HttpRequest, queryset: QuerySet[Pin]) -> None:
        """Leave the members of the selected pins to the rule again."""
        open_pins = list(queryset.filter(ended_at=None).select_related("segment", "account", "user"))
        done = sum(unpin_member(pin.segment, pin.member) for pin in open_pins)
        self.log_deed(request, open_pins, "Unpinned.")
        self.message_user(request, f"Unpinned {done} member{'' if done == 1 else 's'}.")
