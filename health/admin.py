"""Health in the back office: configs are edited through `health.editing`, scores and changes are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.models import Account
from core.backoffice import BackOffice, ReadOnly, VersionsAdmin
from core.clock import moment
from core.figures import Figure, add_figure, change_since
from core.intake import BadValue
from health.backtest.admin import BackTestAdmin, BackTestDayAdmin
from health.definition import DefinitionError
from health.editing import (
    OverrideRefused,
    default_last_day,
    delete_config,
    end_override,
    override_health,
    reorder_configs,
    save_config,
    take_pulse,
)
from health.models import (
    AccountHealth,
    BandChange,
    HealthConfig,
    HealthConfigVersion,
    HealthDay,
    HealthMix,
    HealthOverride,
    Pulse,
    ScoringRequest,
)
from health.overrides import OUTCOMES, VERDICTS, compared
from health.requesting import request_scoring
from health.uses import ConfigInUse, uses_of_config

__all__ = ["BackTestAdmin", "BackTestDayAdmin"]


class ConfigForm(forms.ModelForm):
    """A config; what saving refuses is said in the form, each with its place."""

    reason = forms.CharField(max_length=255, required=False, help_text="One line for the history of the config.")

    class Meta:
        model = HealthConfig
        fields: ClassVar[list[str]] = ["name", "segment", "active", "definition"]

    def clean(self) -> dict[str, Any]:
        """Try the whole of it and take it back."""
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                with transaction.atomic():
                    save_config(self.instance if self.instance.pk else None, **cleaned)
                    transaction.set_rollback(True)
            except DefinitionError as error:
                raise ValidationError([f"{one.pointer}: {one.message}" for one in error.problems]) from error
        return cleaned

    def validate_constraints(self) -> None:
        """Saving says it better."""


@admin.register(HealthConfig)
class HealthConfigAdmin(BackOffice):
    """How the accounts of a segment are scored, in the order in which configs are asked; the default comes last."""

    form = ConfigForm
    list_display = ("name", "segment", "active", "position", "version", "scored_at", "state")
    list_select_related = ("segment",)
    list_filter = ("active",)
    search_fields = ("name", "segment__name_folded")
    autocomplete_fields = ("segment",)
    readonly_fields = ("position", "version", "problems", "scored_at", "author")
    actions = ("score_now", "move_first")
    page_name = "config_edit"

    @admin.display(description="state")
    def state(self, config: HealthConfig) -> str:
        """Whether all of its measures could be scored."""
        number = len(config.problems)
        return f"{number} measure{'' if number == 1 else 's'} not scored" if number else "Fine"

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save through the one way in which configs change."""
        made = save_config(obj if change else None, author=request.user, **form.cleaned_data)
        obj.pk = made.pk
        obj.refresh_from_db()

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete, and have its accounts scored by the next config."""
        delete_config(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[HealthConfig]) -> None:
        """Delete those that nothing uses; say which stayed and why."""
        for config in queryset:
            try:
                delete_config(config)
            except ConfigInUse as error:
                self.message_user(request, str(error), messages.ERROR)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Name what goes and what is in the way."""
        chosen = list(objs)
        blocked = [
            f"{one.name} is used by the {use.kind} “{use.name}”" for one in chosen for use in uses_of_config(one)
        ]
        return [one.name for one in chosen], {"health configs": len(chosen)}, set(), blocked

    @admin.action(description="Score now", permissions=["change"])
    def score_now(self, request: HttpRequest, queryset: QuerySet[HealthConfig]) -> None:
        """Ask for everybody to be scored, because the order of all configs decides."""
        request_scoring()
        self.message_user(request, "Every account is scored in the background.")

    @admin.action(description="Ask first", permissions=["change"])
    def move_first(self, request: HttpRequest, queryset: QuerySet[HealthConfig]) -> None:
        """Put the selected configs before all others."""
        chosen = list(queryset)
        reorder_configs([config.pk for config in chosen])
        self.log_deed(request, chosen, "Moved to the top.")
        self.message_user(request, "Moved to the top.")


@admin.register(HealthConfigVersion)
class HealthConfigVersionAdmin(VersionsAdmin):
    """Definitions as they were saved."""

    of = "config"
    page_name = "config_versions"
    page_key = "config_id"


def health_of(accounts: Sequence[int]) -> dict[int, SafeString]:
    """Band and score of some accounts, with the change of the score in 30 days."""
    found = AccountHealth.objects.filter(account__in=accounts).only("band", "score", "score_30d")
    return {
        one.pk: format_html(
            "{} {} {}",
            one.get_band_display(), "" if one.score is None else f"{one.score:.0f}",
            change_since(one.score, one.score_30d, "30 days ago"),
        )
        for one in found
    }  # fmt: skip


add_figure(Account, Figure("health", "Health", health_of))


@admin.register(AccountHealth)
class AccountHealthAdmin(ReadOnly):
    """The newest score of every account."""

    list_display = ("account", "band", "score", "coverage", "config", "overridden", "band_since")
    list_select_related = ("account", "config")
    list_filter = ("band", "overridden", "config")
    search_fields = ("account__name_folded",)


@admin.register(HealthDay)
class HealthDayAdmin(ReadOnly):
    """Scores by the day."""

    list_display = ("account", "day", "band", "score", "config", "version")
    list_select_related = ("account", "config")
    list_filter = ("band",)
    search_fields = ("account__name_folded",)


@admin.register(BandChange)
class BandChangeAdmin(ReadOnly):
    """Changes of the band, the newest first, with their cause."""

    list_display = ("account", "at", "before", "after", "score_before", "score_after", "cause", "config")
    list_select_related = ("account", "config")
    list_filter = ("after", "cause")
    search_fields = ("account__name_folded",)


class OverrideForm(forms.ModelForm):
    """A band by hand."""

    class Meta:
        model = HealthOverride
        fields: ClassVar[list[str]] = ["account", "band", "reason", "until"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "until" in self.fields:  # not where it is only looked at
            self.fields["until"].required = True
            self.fields["until"].initial = default_last_day(moment().today)

    def clean(self) -> dict[str, Any]:
        """Try it and take it back."""
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                with transaction.atomic():
                    override_health(**cleaned)
                    transaction.set_rollback(True)
            except OverrideRefused as error:
                raise ValidationError({error.place: str(error)}) from error
            except BadValue as error:
                raise ValidationError(str(error)) from error
        return cleaned

    def validate_constraints(self) -> None:
        """An override that is there is replaced."""


@admin.register(HealthOverride)
class HealthOverrideAdmin(BackOffice):
    """Bands that people gave, with what the score said then."""

    form = OverrideForm
    list_display = (
        "account", "band", "computed_band", "reason", "author", "until", "created_at", "ended_at", "outcome", "verdict",
    )  # fmt: skip
    list_select_related = ("account", "author")
    list_filter = ("band", ("ended_at", admin.EmptyFieldListFilter))
    search_fields = ("account__name_folded",)
    autocomplete_fields = ("account",)
    actions = ("end",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[HealthOverride]:
        """Compared with what happened."""
        return compared(super().get_queryset(request), moment())

    @admin.display(description="what happened in 90 days")
    def outcome(self, override: Any) -> str:
        """As it is known today."""
        return OUTCOMES[override.outcome]

    @admin.display(description="who was nearer")
    def verdict(self, override: Any) -> str:
        """The person or the score."""
        return VERDICTS[override.verdict]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """An override is replaced, not changed, so that its history stays."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """An override ends, and stays as history."""
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Override, and score."""
        obj.pk = override_health(**form.cleaned_data, author=request.user).pk
        obj.refresh_from_db()

    @admin.action(description="End", permissions=["add"])
    def end(self, request: HttpRequest, queryset: QuerySet[HealthOverride]) -> None:
        """Leave the accounts to their scores again."""
        present = list(queryset.filter(ended_at=None).select_related("account"))
        done = sum(end_override(one.account) for one in present)
        self.log_deed(request, present, "Ended.")
        self.message_user(request, f"Ended {done} override{'' if done == 1 else 's'}.")


@admin.register(Pulse)
class PulseAdmin(BackOffice):
    """How colleagues felt about accounts."""

    list_display = ("account", "value", "note", "author", "at")
    list_select_related = ("account", "author")
    list_filter = ("value",)
    search_fields = ("account__name_folded",)
    autocomplete_fields = ("account",)
    fields = ("account", "value", "note")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A pulse is noted anew, not changed."""
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Note it, and score."""
        made = take_pulse(obj.account, obj.value, note=obj.note, author=request.user)
        obj.pk = made.pk
        obj.refresh_from_db()


@admin.register(ScoringRequest)
class ScoringRequestAdmin(ReadOnly):
    """Scorings of every account that were asked for and have not happened yet."""

    list_display = ("at",)


@admin.register(HealthMix)
class HealthMixAdmin(ReadOnly):
    """How many accounts were in which band on past days."""

    list_display = ("day", "segment", "config", "good", "average", "poor", "none", "scored", "score")
    list_select_related = ("segment", "config")
    list_filter = (("segment", admin.RelatedOnlyFieldListFilter), ("config", admin.RelatedOnlyFieldListFilter))
    search_fields = ("segment__name_folded", "config__name")
    page_via = ("segment", "config")
    date_hierarchy = "day"
