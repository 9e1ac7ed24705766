"""Accounts in the back office."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.db.models import Count, Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.admin.recording import FactAdmin, FactForm, archive, source_of
from accounts.facts import ACCOUNT, AssignmentFact, record_accounts, record_assignments
from accounts.models import Account, Assignment, AssignmentRole, Note, Relationship, Subscription, TeamMember
from core.backoffice import FirstRowsInline, list_link
from core.download import csv_response
from core.figures import Figure

MOST_ASSIGNED = 5_000
EXPORTED = (
    "external_id", "name", "domain", "industry", "country", "stage_id", "level_id", "status_id", "plan", "mrr",
    "licences", "renews_on", "customer_since", "churned_on", "archived_at",
)  # fmt: skip


class AccountForm(FactForm):
    """An account as it is typed in."""

    shape = ACCOUNT

    class Meta:
        model = Account
        fields: ClassVar[list[str]] = [
            "external_id", "name", "domain", "industry", "country", "parent", "stage", "level", "status",
            "customer_since", "churned_on", "churn_reason", "stated_mrr", "stated_licences", "attributes",
        ]  # fmt: skip


class AssignmentInline(FirstRowsInline):
    """Who looks after the account, and who did."""

    model = Assignment
    fields = ("role", "member", "started_at", "ended_at")
    ordering = ("ended_at", "role")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Assignment]:
        """With the names that are shown."""
        return super().get_queryset(request).select_related("role", "member", "account").order_by("-ended_at", "role")


class SubscriptionInline(FirstRowsInline):
    """What the account bought."""

    model = Subscription
    fields = ("external_id", "plan", "status", "mrr", "currency", "quantity", "renews_on", "ends_on")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Subscription]:
        """With the names that are shown."""
        return super().get_queryset(request).select_related("status", "account").order_by("-starts_on", "-id")


class RelationshipInline(FirstRowsInline):
    """The account's people."""

    model = Relationship
    fields = ("user", "role", "started_at", "ended_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Relationship]:
        """With the names that are shown; the newest first."""
        return super().get_queryset(request).select_related("user", "account").order_by("-started_at", "-id")


class NoteInline(FirstRowsInline):
    """What was said, the newest first."""

    model = Note
    fields = ("at", "kind", "author", "text")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Note]:
        """With the names that are shown."""
        return super().get_queryset(request).select_related("author", "account")


class ArchivedFilter(admin.SimpleListFilter):
    """Live accounts unless one asks for the others."""

    title = "archived"
    parameter_name = "archived"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Besides the live ones, which are shown without asking."""
        return [("yes", "Archived"), ("all", "Live and archived")]

    def choices(self, changelist: Any) -> Any:
        """Say what no choice means."""
        first, *others = super().choices(changelist)
        return [first | {"display": "Live"}, *others]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrow the list."""
        if self.value() == "yes":
            return queryset.exclude(archived_at=None)
        return queryset if self.value() == "all" else queryset.filter(archived_at=None)


def people_of(accounts: Sequence[int]) -> dict[int, SafeString]:
    """How many people each of some accounts has, leading to them."""
    counted = Relationship.objects.open().filter(account__in=accounts).values_list("account").annotate(Count("id"))
    return {
        pk: list_link(Relationship, f"{number:,}", account__id__exact=pk, ended_at__isempty=1)
        for pk, number in counted.order_by()
    }


class AssignForm(forms.Form):
    """Who takes over which part."""

    role = forms.ModelChoiceField(AssignmentRole.objects.all(), empty_label=None)
    member = forms.ModelChoiceField(TeamMember.objects.all(), label="Team member", empty_label="Nobody", required=False)


@admin.register(Account)
class AccountAdmin(FactAdmin):
    """Customer companies: what they are, who looks after them, what they bought, who their people are."""

    form = AccountForm
    record = staticmethod(record_accounts)
    page_name = "account"
    list_display = ("name", "stage", "level", "plan", "mrr", "renews_on", "csm")  # and the figures
    list_display_links = ("name",)
    list_filter = (ArchivedFilter, "stage__kind", "stage", "level", "status")
    list_select_related = ("stage", "level")
    search_fields = ("name_folded", "external_id", "folded__domain")
    search_help_text = "Part of a name, a domain or an id"
    autocomplete_fields = ("parent",)
    inlines = (AssignmentInline, SubscriptionInline, RelationshipInline, NoteInline)
    actions = ("assign", "export", "archive", "bring_back")
    readonly_fields = (
        "mrr", "licences", "plan", "renews_on", "trial_starts_on", "trial_ends_on", "archived_at", "created_at",
        "updated_at", "history_of_values",
    )  # fmt: skip
    figures = (Figure("people", "Users", people_of, "0"),)
    fieldsets = (
        (None, {"fields": ("name", "external_id", "domain", "industry", "country", "parent")}),
        ("Lifecycle", {"fields": ("stage", "level", "status", "customer_since", "churned_on", "churn_reason")}),
        ("Custom attributes", {"fields": ("attributes",)}),
        (
            "Contract",
            {
                "description": "From the subscriptions; what is stated counts where there is none.",
                "fields": ("mrr", "licences", "plan", "renews_on", "trial_starts_on", "trial_ends_on", "stated_mrr",
                           "stated_licences"),
            },
        ),
        ("Everything about this account", {"fields": (
            "history_of_values", "archived_at", "created_at", "updated_at",
        )}),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        """With the present CSM, in one query for the page."""
        held = Assignment.objects.filter(role="csm", ended_at=None).select_related("member")
        return super().get_queryset(request).prefetch_related(Prefetch("assignments", held, to_attr="present_csm"))

    @admin.display(description="CSM")
    def csm(self, account: Account) -> str:
        """The colleague who looks after it."""
        held = getattr(account, "present_csm", [])
        return held[0].member.name if held else "-"

    @admin.action(description="Assign CSM or another part", permissions=["change"])
    def assign(self, request: HttpRequest, queryset: QuerySet[Account]) -> HttpResponse | None:
        """Ask whom, then record it for every selected account."""
        chosen = _named(queryset)[: MOST_ASSIGNED + 1]
        ids = [account.external_id for account in chosen]
        if len(ids) > MOST_ASSIGNED:
            self.message_user(request, f"At most {MOST_ASSIGNED:,} accounts are assigned at once.", messages.ERROR)
            return None
        form = AssignForm(request.POST if "assign_now" in request.POST else None, initial={"role": "csm"})
        if not form.is_bound or not form.is_valid():
            context = self.admin_site.each_context(request) | {
                "title": f"Assign {len(ids)} account{'s' if len(ids) != 1 else ''}",
                "form": form,
                "opts": self.opts,
                "chosen": request.POST.getlist(helpers.ACTION_CHECKBOX_NAME),
                "across": request.POST.get("select_across", "0"),
                "checkbox": helpers.ACTION_CHECKBOX_NAME,
            }
            return TemplateResponse(request, "admin/accounts/assign.html", context)
        member, role, now = form.cleaned_data["member"], form.cleaned_data["role"], timezone.now()
        facts = [AssignmentFact(external_id, role.key, member.key if member else None, now) for external_id in ids]
        outcome = record_assignments(facts)
        who = member.name if member else "nobody"
        noun = "account" if len(ids) == 1 else "accounts"
        changed = len(outcome.created) if member else len(outcome.updated)
        self.log_deed(request, chosen, f"Assigned to {who} as {role.name}.")
        self.message_user(request, f"Assigned {len(ids)} {noun} to {who} as {role.name}; {changed} changed.")
        return None

    @admin.action(description="Export as CSV", permissions=["view"])
    def export(self, request: HttpRequest, queryset: QuerySet[Account]) -> StreamingHttpResponse:
        """Download the selected accounts, a row at a time."""
        rows = queryset.order_by("name_folded", "pk").values_list(*EXPORTED).iterator(chunk_size=2_000)
        head = [name.removesuffix("_id") if name != "external_id" else name for name in EXPORTED]
        return csv_response("accounts", head, map(list, rows))

    @admin.action(description="Archive", permissions=["change"])
    def archive(self, request: HttpRequest, queryset: QuerySet[Account]) -> None:
        """Take accounts out of every list and segment; their history stays."""
        live = queryset.filter(archived_at=None)
        chosen = list(_named(live))
        done = archive(live, source=source_of(request), at=timezone.now())
        self.log_deed(request, chosen, "Archived.")
        self.message_user(request, f"Archived {done} account{'s' if done != 1 else ''}.")

    @admin.action(description="Bring back from the archive", permissions=["change"])
    def bring_back(self, request: HttpRequest, queryset: QuerySet[Account]) -> None:
        """Make archived accounts live again."""
        archived = queryset.exclude(archived_at=None)
        chosen = list(_named(archived))
        done = archive(archived, source=source_of(request), at=None)
        self.log_deed(request, chosen, "Brought back from the archive.")
        self.message_user(request, f"Brought back {done} account{'s' if done != 1 else ''}.")


def _named(accounts: QuerySet[Account]) -> QuerySet[Account]:
    """Only what their history needs of them."""
    return accounts.order_by("pk").prefetch_related(None).select_related(None).only("external_id", "name")
