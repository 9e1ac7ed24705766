"""The customers' people, their relationships and subscriptions, and notes, in the back office."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.db.models import Count, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.admin.recording import FactAdmin, FactForm, source_of
from accounts.facts import (
    RELATIONSHIP,
    SUBSCRIPTION,
    USER,
    RelationshipFact,
    record_relationships,
    record_subscriptions,
    record_users,
)
from accounts.models import EndUser, Note, Relationship, Subscription
from accounts.notes import remove_notes, save_note
from core.backoffice import BackOffice, FirstRowsInline, PresentFilter, list_link
from core.figures import Figure


class UserForm(FactForm):
    """A person as typed in."""

    shape = USER

    class Meta:
        model = EndUser
        fields: ClassVar[list[str]] = ["external_id", "name", "email", "title", "first_seen_at", "attributes"]


class AccountsOfUserInline(FirstRowsInline):
    """The accounts that the person belongs to."""

    model = Relationship
    fields = ("account", "role", "started_at", "ended_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Relationship]:
        """With the names that are shown."""
        return super().get_queryset(request).select_related("account", "user").order_by("-started_at", "-id")


class InAccountFilter(PresentFilter):
    """Whether the person belongs to an account at present."""

    title = "in an account"
    parameter_name = "in_account"

    def rows(self) -> QuerySet[Relationship]:
        """Open relationships."""
        return Relationship.objects.open().filter(user=OuterRef("pk"))


def accounts_of(users: Sequence[int]) -> dict[int, SafeString]:
    """In how many accounts each of some people is, leading to them."""
    counted = Relationship.objects.open().filter(user__in=users).values_list("user").annotate(Count("id"))
    return {
        pk: list_link(Relationship, f"{number:,}", user__id__exact=pk, ended_at__isempty=1)
        for pk, number in counted.order_by()
    }


@admin.register(EndUser)
class EndUserAdmin(FactAdmin):
    """People who use the product."""

    form = UserForm
    record = staticmethod(record_users)
    page_name = "user"
    list_display = ("__str__", "external_id", "email", "title", "first_seen_at")
    search_fields = ("name_folded", "external_id", "folded__email")
    search_help_text = "Part of a name, an e-mail address or an id"
    list_filter = (InAccountFilter, "first_seen_at")
    figures = (Figure("accounts", "Accounts", accounts_of, "0"),)
    inlines = (AccountsOfUserInline,)


class RelationshipForm(FactForm):
    """A relationship as typed in."""

    shape = RELATIONSHIP

    class Meta:
        model = Relationship
        fields: ClassVar[list[str]] = ["account", "user", "role", "started_at", "ended_at", "attributes"]


@admin.register(Relationship)
class RelationshipAdmin(FactAdmin):
    """Who belongs to which account. What has ended is history; a return is a new relationship."""

    form = RelationshipForm
    list_display = ("user", "account", "role", "started_at", "ended_at")
    list_filter = (("ended_at", admin.EmptyFieldListFilter),)
    list_select_related = ("user", "account")
    search_fields = ("user__name_folded", "account__name_folded")
    autocomplete_fields = ("account", "user")
    actions = ("end",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Whose relationship it is, and since when, never changes."""
        fixed = ("account", "user", "started_at") if obj else ()
        return (*self.readonly_fields, *fixed)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """An ended one is looked at only."""
        return super().has_change_permission(request, obj) and (obj is None or obj.ended_at is None)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Record the relationship as it is from now on."""
        fact = RelationshipFact(
            obj.user.external_id, obj.account.external_id, timezone.now(), form.values(),
            None if change else obj.started_at, obj.ended_at,
        )  # fmt: skip
        outcome = record_relationships([fact], source=source_of(request))
        for reject in outcome.rejected:
            self.message_user(request, f"{reject.key}: {reject.reason}", messages.ERROR)
        rows = Relationship.objects.filter(user=obj.user, account=obj.account)
        stored = rows.filter(pk=obj.pk).first() or rows.order_by("-started_at", "-pk").first()
        if stored is not None:
            obj.pk = stored.pk
            obj.refresh_from_db()

    @admin.action(description="End now", permissions=["change"])
    def end(self, request: HttpRequest, queryset: QuerySet[Relationship]) -> None:
        """End the selected relationships that are open."""
        now = timezone.now()
        ending = list(queryset.filter(ended_at=None))
        facts = [RelationshipFact(one.user.external_id, one.account.external_id, now, ended_at=now) for one in ending]
        outcome = record_relationships(facts, source=source_of(request))
        self.log_deed(request, ending, "Ended.")
        self.message_user(request, f"Ended {len(outcome.updated)} relationships.")


class SubscriptionForm(FactForm):
    """A contract as typed in."""

    shape = SUBSCRIPTION

    class Meta:
        model = Subscription
        fields: ClassVar[list[str]] = [
            "external_id", "account", "plan", "status", "mrr", "currency", "quantity", "billing_period", "starts_on",
            "ends_on", "trial_starts_on", "trial_ends_on", "renews_on", "auto_renew", "attributes",
        ]  # fmt: skip


@admin.register(Subscription)
class SubscriptionAdmin(FactAdmin):
    """Contracts. The account's MRR, plan and renewal follow at once."""

    form = SubscriptionForm
    record = staticmethod(record_subscriptions)
    list_display = ("external_id", "account", "plan", "status", "mrr", "currency", "quantity", "renews_on", "ends_on")
    list_filter = ("status__kind", "status", "billing_period", "auto_renew")
    list_select_related = ("account", "status")
    search_fields = ("external_id", "folded__plan", "account__name_folded")
    autocomplete_fields = ("account",)
    readonly_fields = ("mrr_base", "created_at", "updated_at", "history_of_values")


@admin.register(Note)
class NoteAdmin(BackOffice):
    """Notes and touchpoints."""

    list_display = ("at", "kind", "account", "author", "beginning")
    list_filter = ("kind", "author")
    list_select_related = ("account", "author")
    search_fields = ("text", "account__name_folded")
    autocomplete_fields = ("account", "user", "author")
    date_hierarchy = None
    formfield_overrides: ClassVar[Any] = {models.TextField: {"widget": forms.Textarea(attrs={"rows": 5})}}

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Written by whoever opened the form."""
        found: dict[str, Any] = dict(super().get_changeform_initial_data(request))
        member = getattr(request.user, "member", None)
        return found | ({"author": member.pk} if member else {})

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """With the evaluation that follows."""
        save_note(obj)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """One of them."""
        remove_notes(Note.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Note]) -> None:
        """All that were chosen."""
        remove_notes(queryset)

    @admin.display(description="Text")
    def beginning(self, note: Note) -> str:
        """The first words."""
        return note.text[:80]
