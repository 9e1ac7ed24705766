"""Our own side in the back office: colleagues and what they may do, teams, assignments; and the company's own lists."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.access import apply_access
from accounts.admin.counts import accounts_having, having, owners_of, playing, rules_reading
from accounts.facts import AssignmentFact, ensure_base_rate, record_assignments, set_rate
from accounts.in_rules import NamedInRules, check_attribute, check_team_name, uses_in_rules
from accounts.models import (
    AccountLevel,
    AccountStatus,
    Assignment,
    AssignmentRole,
    AttributeChange,
    AttributeDefinition,
    ExchangeRate,
    LifecycleStage,
    MrrDay,
    Subscription,
    SubscriptionStatus,
    Team,
    TeamMember,
)
from core.backoffice import BackOffice, PresentFilter, ReadOnly
from core.figures import Figure
from core.intake import BadValue


class HasMembersFilter(PresentFilter):
    """Whether anybody is in the team."""

    title = "with members"
    parameter_name = "with_members"

    def rows(self) -> QuerySet[TeamMember]:
        """Its members."""
        return TeamMember.objects.filter(team=OuterRef("pk"))


class NamedInRulesAdmin(BackOffice):
    """What rules may name: it is deleted only where none does."""

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What the confirmation lists; rules that name one of them stand in its way."""
        gone, counts, missing, protected = super().get_deleted_objects(objs, request)
        uses = dict.fromkeys(use for one in objs for use in uses_in_rules(one))
        return gone, counts, missing, [*protected, *(f"The rule of the {use.kind} “{use.name}”" for use in uses)]


class TeamForm(forms.ModelForm):
    """A team; while rules name it, its name stays."""

    def clean_name(self) -> str:
        """Rules name teams by their names."""
        name = str(self.cleaned_data["name"])
        if self.instance.pk:
            try:
                check_team_name(Team.objects.get(pk=self.instance.pk), name)
            except NamedInRules as error:
                raise forms.ValidationError(f"{error} Or make another team, and name that.") from error
        return name


class AttributeForm(forms.ModelForm):
    """A custom attribute; while rules read it, it stays on, with the choices that they name."""

    def clean(self) -> dict[str, Any]:
        """Rules would be left without what they read."""
        data: dict[str, Any] = super().clean() or {}
        before = AttributeDefinition.objects.filter(pk=self.instance.pk).first() if self.instance.pk else None
        if before is not None:
            choices = data.get("choices", before.choices) or []
            try:
                check_attribute(before, active=bool(data.get("active", before.active)), choices=map(str, choices))
            except NamedInRules as error:
                raise forms.ValidationError(str(error)) from error
        return data


@admin.register(Team)
class TeamAdmin(NamedInRulesAdmin):
    """Groups of colleagues."""

    form = TeamForm
    list_display = ("name", "members")
    list_filter = (HasMembersFilter,)
    search_fields = ("name_folded",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Team]:
        """With the number of members."""
        return super().get_queryset(request).annotate(how_many=Count("members"))

    @admin.display(ordering="how_many")
    def members(self, team: Any) -> int:
        """How many colleagues are in it."""
        return int(team.how_many)


@admin.register(TeamMember)
class TeamMemberAdmin(NamedInRulesAdmin):
    """Colleagues. Access decides what they may do, here and in the dashboard."""

    list_display = ("name", "user", "team", "access", "accounts")
    list_filter = ("access", "team")
    list_select_related = ("user", "team")
    search_fields = ("name", "key", "user__username", "user__email")
    autocomplete_fields = ("user", "team")
    prepopulated_fields = {"key": ("name",)}

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Only for a new member: a key that is used in rules stays."""
        return {} if obj else self.prepopulated_fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The key and the log-in stay."""
        return ("key", "user") if obj else ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[TeamMember]:
        """With the number of present assignments."""
        held = Count("assignments", filter=Q(assignments__ended_at=None), distinct=True)
        return super().get_queryset(request).annotate(how_many=held)

    @admin.display(ordering="how_many")
    def accounts(self, member: Any) -> int:
        """How many parts they play at present."""
        return int(member.how_many)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save, and let them into the back office or out of it."""
        super().save_model(request, obj, form, change)
        apply_access(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who has looked after an account stays in its history."""
        return super().has_delete_permission(request, obj) and (obj is None or not obj.assignments.exists())


@admin.register(Assignment)
class AssignmentAdmin(BackOffice):
    """Who looks after which account, now and in the past. Giving a part to somebody ends the one who had it."""

    list_display = ("account", "role", "member", "started_at", "ended_at")
    list_filter = ("role", ("ended_at", admin.EmptyFieldListFilter), "member")
    list_select_related = ("account", "role", "member")
    search_fields = ("account__name_folded", "member__name")
    autocomplete_fields = ("account", "member")
    fields = ("account", "role", "member")
    actions = ("end",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """An assignment is ended and another one made."""
        return super().has_change_permission(request, obj) and obj is None

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """It is history."""
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Record who has the part from now on."""
        fact = AssignmentFact(obj.account.external_id, obj.role_id, obj.member.key, timezone.now())
        outcome = record_assignments([fact])
        for reject in outcome.rejected:
            self.message_user(request, f"{reject.key}: {reject.reason}", messages.ERROR)
        held = Assignment.objects.get(account=obj.account, role=obj.role, ended_at=None)
        obj.pk = held.pk
        obj.refresh_from_db()

    @admin.action(description="End now", permissions=["add"])
    def end(self, request: HttpRequest, queryset: QuerySet[Assignment]) -> None:
        """End the selected ones that are open."""
        now = timezone.now()
        held = list(queryset.filter(ended_at=None))
        outcome = record_assignments([AssignmentFact(one.account.external_id, one.role_id, None, now) for one in held])
        self.log_deed(request, held, "Ended.")
        self.message_user(request, f"Ended {len(outcome.updated)} assignments.")


class TermAdmin(NamedInRulesAdmin):
    """A list that the company keeps itself."""

    list_display: Any = ("name", "key", "position")
    list_editable = ("position",)
    search_fields = ("name", "key")
    prepopulated_fields = {"key": ("name",)}

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Only for a new one."""
        return {} if obj else self.prepopulated_fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A key is named in rules, files and the API."""
        return ("key",) if obj else ()


class KindAdmin(TermAdmin):
    """A list whose entries mean one of a few kinds to the application."""

    list_display = ("name", "key", "kind", "position")
    list_filter = ("kind",)


@admin.register(AccountLevel)
class LevelAdmin(TermAdmin):
    """Levels, with the accounts at each."""

    figures = (accounts_having("level"),)


@admin.register(AccountStatus)
class StatusAdmin(TermAdmin):
    """Statuses, with the accounts of each."""

    figures = (accounts_having("status"),)


@admin.register(AssignmentRole)
class RoleAdmin(TermAdmin):
    """Roles, with the accounts for which somebody plays each."""

    figures = (playing(),)


@admin.register(LifecycleStage)
class StageAdmin(KindAdmin):
    """Stages, with the accounts in each."""

    figures = (accounts_having("stage"),)


@admin.register(SubscriptionStatus)
class SubscriptionStatusAdmin(KindAdmin):
    """Statuses of subscriptions, with how many have each."""

    figures = (having("status", "Subscriptions", Subscription.objects.all()),)


@admin.register(ExchangeRate)
class ExchangeRateAdmin(BackOffice):
    """What other currencies are worth; subscriptions are priced anew when a rate changes."""

    list_display = ("currency", "rate", "updated_at")
    search_fields = ("currency",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The currency is the row's name."""
        return ("currency",) if obj else ()

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Set the rate and price what is in this currency."""
        try:
            priced = set_rate(obj.currency, obj.rate)
            self.message_user(request, f"{priced} subscriptions have a new value in {ensure_base_rate()}.")
        except BadValue as error:
            self.message_user(request, str(error), messages.ERROR)
        obj.currency = obj.currency.upper()


@admin.register(AttributeDefinition)
class AttributeDefinitionAdmin(BackOffice):
    """Custom attributes: their key and kind never change; one that is not active is no field any more."""

    form = AttributeForm
    list_display = ("name", "subject", "key", "kind", "active")
    list_filter = ("subject", "kind", "active")
    figures = (Figure("used_by", "Used by", rules_reading, "Nothing"),)
    search_fields = ("name", "key")
    prepopulated_fields = {"key": ("name",)}

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Only for a new one."""
        return {} if obj else self.prepopulated_fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What values are stored by stays."""
        return ("subject", "key", "kind") if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Values and rules may name it; switch it off instead."""
        return False


@admin.register(AttributeChange)
class AttributeChangeAdmin(ReadOnly):
    """The history of values."""

    list_display = ("at", "subject", "key", "old", "new", "source")
    figures = (Figure("owner", "Whose", owners_of),)
    list_filter = ("subject",)
    search_fields = ("key", "source")
    list_display_links = None


@admin.register(MrrDay)
class MrrDayAdmin(ReadOnly):
    """What accounts were worth by day."""

    list_display = ("account", "day", "mrr", "recalled")
    list_select_related = ("account",)
    list_filter = ("recalled",)
    search_fields = ("account__name_folded",)
