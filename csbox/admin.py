"""The back office: the one row of settings, whose changes concern every app; of the queue only its failures."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from accounts.facts import rate_between
from core import jobs
from core.backoffice import BackOffice
from core.intake import BadValue, clean_currency
from core.models import Workspace
from csbox.workspace import convert_money, look_at, move_days

jobs.close_admin()


class WorkspaceForm(forms.ModelForm):  # type: ignore[type-arg]
    """The settings, and the rate that a change of the currency needs."""

    rate = forms.DecimalField(
        required=False,
        label="Exchange rate",
        help_text="Only to change the currency: what 1 of the present currency is worth in the new one, for example "
        "0.92 from USD to EUR. Empty: the known exchange rate.",
    )

    class Meta:
        help_texts = {"time_zone": "Decides where a day begins. After a change all days of usage are counted anew."}

    def clean_currency(self) -> str:
        """As it is stored, in capital letters."""
        try:
            return clean_currency(self.cleaned_data["currency"])
        except BadValue as error:
            raise ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:
        """A new currency says how amounts are to be converted."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if "currency" in data and data["currency"] != self.initial["currency"] and "rate" in data:
            try:
                rate_between(data["currency"], data["rate"])
            except BadValue as error:
                self.add_error("rate", str(error))
        return data


@admin.register(Workspace)
class WorkspaceAdmin(BackOffice):
    """One company, one row: it is changed, never added or deleted."""

    form = WorkspaceForm
    fields = ("name", "currency", "rate", "time_zone", "refresh_at", "work_days", "csm_reach")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """It exists."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """It stays."""
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Go to the row at once."""
        return HttpResponseRedirect(reverse("admin:core_workspace_change", args=[Workspace.get().pk]))

    def save_model(self, request: HttpRequest, obj: Workspace, form: Any, change: bool) -> None:
        """Save, convert the amounts into a new currency, and count the days of a new time zone."""
        currency, time_zone = obj.currency, obj.time_zone
        obj.currency, obj.time_zone = form.initial["currency"], form.initial["time_zone"]
        obj.save()
        if currency != obj.currency:
            changed = convert_money(currency, form.cleaned_data["rate"])
            self.message_user(request, f"{changed:,} subscriptions have a new value in {currency}. {look_at()}")
        if days := move_days(time_zone):
            text = f"{days:,} days of usage are counted anew in the background, as days of {time_zone}."
            self.message_user(request, text, messages.INFO)
        obj.currency, obj.time_zone = currency, time_zone
