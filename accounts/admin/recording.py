"""Forms whose changes are facts: stamps, history and derived figures follow as from every other source."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.billing import roll_up_billing
from accounts.facts import Fact, Outcome, record_accounts
from accounts.facts.shapes import CUSTOM, Shape
from accounts.facts.values import Reader
from accounts.models import Account, AttributeChange
from core.backoffice import BackOffice, table
from core.clock import moment
from core.intake import BadValue, short

NEWEST = 30


def source_of(request: HttpRequest) -> str:
    """Where a value that was written in a form comes from."""
    return f"admin:{request.user.get_username()}"[:80]  # type: ignore[union-attr]


def as_fact_value(value: Any) -> Any:
    """A form's value as facts name it: a row by its key or external id, everything else as it is."""
    if isinstance(value, models.Model):
        return getattr(value, "external_id", value.pk)
    return value


class FactForm(forms.ModelForm):
    """Checks each changed value the way the write side will read it, and says what is wrong at the field."""

    shape: ClassVar[Shape]

    def clean(self) -> dict[str, Any]:
        """Read every changed value once, without writing."""
        cleaned = super().clean() or self.cleaned_data
        accounts = {item.external_id: item.pk for item in cleaned.values() if isinstance(item, Account)}
        reader = Reader(self.shape, accounts)
        for key, value in self.values().items():
            try:
                reader.read(key, value)
            except BadValue as error:
                self.add_error("attributes" if key.startswith(CUSTOM) else key, str(error))
        return cleaned

    def values(self) -> dict[str, Any]:
        """What was changed, as facts name it; an attribute that was taken out is cleared."""
        found = {
            name: as_fact_value(self.cleaned_data[name])
            for name in self.changed_data
            if name in self.shape.columns and name in self.cleaned_data
        }
        if "attributes" in self.changed_data and isinstance(self.cleaned_data.get("attributes"), dict):
            old = self.initial.get("attributes") or {}
            new = self.cleaned_data["attributes"]
            for key in old.keys() | new.keys():
                if old.get(key) != new.get(key):
                    found[CUSTOM + str(key)] = new.get(key)
        return found


class FactAdmin(BackOffice):
    """A form whose changes are recorded by `accounts.facts`; rows are archived or ended, never deleted here."""

    form = FactForm
    record: ClassVar[Callable[..., Outcome]]
    formfield_overrides: ClassVar[Any] = {
        models.JSONField: {"widget": forms.Textarea(attrs={"rows": 8, "class": "code"})}
    }
    readonly_fields: ClassVar[Any] = ("created_at", "updated_at", "history_of_values")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What a customer did stays known; archive an account, end a relationship, cancel a subscription."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The external id is the row's name and never changes."""
        fixed = ("external_id",) if obj is not None else ()
        return (*super().get_readonly_fields(request, obj), *fixed)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Record what was changed as one fact of now."""
        fact = Fact(obj.external_id, form.values(), timezone.now())
        self._took(request, obj, type(self).record([fact], source=source_of(request)))

    def _took(self, request: HttpRequest, obj: Any, outcome: Outcome) -> None:
        for reject in outcome.rejected:
            self.message_user(request, f"{reject.key}: {reject.reason}", messages.ERROR)
        stored = type(obj)._default_manager.filter(external_id=obj.external_id).first()
        if stored is not None:
            obj.pk = stored.pk
            obj.refresh_from_db()
            touched = [obj.pk] if isinstance(obj, Account) else [obj.account_id] if hasattr(obj, "account_id") else []
            if touched:
                roll_up_billing(moment(), touched)

    @property
    def subject(self) -> str:
        """What the history of values calls this kind of row."""
        return str(self.form.shape.subject.value)  # type: ignore[attr-defined]

    def history_of_values(self, obj: Any) -> SafeString | str:
        """The newest changes of any value, with their source."""
        if obj.pk is None:
            return "Nothing yet."
        changes = AttributeChange.objects.filter(subject=self.subject, object_id=obj.pk)[:NEWEST]
        rows = [(_when(one.at), one.key, short(one.old, 60), short(one.new, 60), one.source) for one in changes]
        return table(("When", "Value", "Was", "Became", "Source"), rows) if rows else "Nothing yet."

    history_of_values.short_description = "Newest changes of values"  # type: ignore[attr-defined]


def _when(at: dt.datetime) -> str:
    return f"{timezone.localtime(at):%d %b %Y %H:%M}"


def archive(queryset: QuerySet[Account], *, source: str, at: dt.datetime | None) -> int:
    """Archive accounts, or bring them back (None); how many changed."""
    now = timezone.now()
    ids = queryset.values_list("external_id", flat=True)
    facts = [Fact(external_id, {"archived_at": at}, now) for external_id in ids]
    return len(record_accounts(facts, source=source).updated)
