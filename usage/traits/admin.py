"""Traits in the back office."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from core.backoffice import BackOffice
from usage.traits.computing import compute_for_all
from usage.traits.definitions import METHODS
from usage.traits.editing import TraitInUse, delete_trait, save_trait
from usage.traits.models import Trait
from usage.traits.reading import TraitError, TraitFailed


class TraitForm(forms.ModelForm):
    """A trait, checked and stored as everywhere else; `author` is who fills the form in."""

    author: Any = None

    class Meta:
        model = Trait
        fields: ClassVar[list[str]] = ["subject", "name", "description", "method", "definition", "active"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["method"] = forms.ChoiceField(choices=[(item.key, item.label) for item in METHODS.values()])

    def clean(self) -> dict[str, Any]:
        """Try the whole save and take it back, so that what editing refuses is said in the form."""
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                with transaction.atomic():
                    self.store(author=self.author, compute_now=False)
                    transaction.set_rollback(True)
            except TraitError as error:
                for problem in error.problems:
                    self.add_error("name" if problem.pointer == "/name" else "definition", problem.message)
            except (TraitInUse, TraitFailed) as error:
                self.add_error(None, str(error))
        return cleaned

    def store(self, *, author: Any, compute_now: bool = True) -> Trait:
        """Save through the one way in which traits change."""
        data = self.cleaned_data
        known = Trait.objects.filter(pk=self.instance.pk).first()
        names = ("name", "description", "method", "definition", "active")
        subject = data.get("subject") or Trait.Subject.ACCOUNT
        values = {name: data[name] for name in names}
        return save_trait(known, subject=subject, author=author, compute_now=compute_now, **values)

    def validate_constraints(self) -> None:
        """Names are compared by `usage.traits.editing`, which says so at the field."""


@admin.register(Trait)
class TraitAdmin(BackOffice):
    """Computed fields; the page of the dashboard has a form for each method."""

    form = TraitForm
    list_display = ("name", "subject", "method", "kind", "values_count", "active", "computed_at", "error")
    list_filter = ("subject", "method", "active", ("error", admin.EmptyFieldListFilter))
    search_fields = ("name_folded", "key")
    page_name = "trait_edit"
    actions = ("compute_now",)
    readonly_fields = ("field_key", "kind", "values_count", "computed_at", "error", "author")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The subject never changes."""
        return (*self.readonly_fields, "subject") if obj else self.readonly_fields

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """The form, which knows who fills it in."""
        made: Any = super().get_form(request, obj, change, **kwargs)
        made.author = request.user
        return made

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save through the one way in which traits change."""
        obj.pk = form.store(author=request.user).pk

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete with its values; a used trait stays, with the reason."""
        try:
            delete_trait(obj)
        except TraitInUse as error:
            messages.error(request, str(error))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Trait]) -> None:
        """One by one, so that those in use stay."""
        for trait in queryset:
            self.delete_model(request, trait)

    @admin.action(description="Compute now")
    def compute_now(self, request: HttpRequest, queryset: QuerySet[Trait]) -> None:
        """Compute the selected traits; what fails is said."""
        for trait in queryset.filter(active=True):
            compute_for_all(trait, redefined=False)
            if trait.error:
                messages.error(request, f"{trait}: {trait.error}")
