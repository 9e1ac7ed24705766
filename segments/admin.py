"""Segments in the back office, edited with the same rule builder as in the dashboard; and the runs that refreshed them."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.fields import vocabulary
from accounts.models import Account
from core.backoffice import BackOffice, FirstRowsInline, ReadOnly, list_link, page_link
from core.download import csv_response
from core.intake import BadValue
from segments.editing import (
    NameTaken,
    SegmentInUse,
    StaleSegment,
    clone_segment,
    delete_segment,
    move_segment,
    save_segment,
    set_active,
    set_visible,
)
from segments.models import AccountMembership, RefreshRun, Segment, SegmentRefresh, SegmentVersion
from segments.questions import Reader
from segments.refresh import request_refresh
from segments.rule_form import read_form, take_step
from segments.rule_widget import RuleField, RuleWidget
from segments.rules.tree import RuleError
from segments.trends import joined_left
from segments.uses import uses_of


class SteppingWidget(RuleWidget):
    """The builder where scripts are off: a step (add, remove, move) posts the form and comes back, nothing saved."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        """The tree after the step that was asked for, if any."""
        step = data.get("do", "")
        if not step:
            return super().value_from_datadict(data, files, name)
        words = vocabulary()
        tree, places = read_form(data, words, name)
        take_step(tree, places, step, words)
        return tree


class SegmentForm(forms.ModelForm):
    """A segment as it is edited; `from_version` is the one that the editor started from."""

    rule = RuleField(required=False)
    reason = forms.CharField(max_length=255, required=False, help_text="Why it changes; kept with the version.")
    from_version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = Segment
        fields: ClassVar[list[str]] = ["name", "description", "visible", "active", "rule"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["rule"].widget = SteppingWidget()
        if self.instance.pk:
            self.fields["from_version"].initial = self.instance.version
            self.initial["from_version"] = self.instance.version

    def clean(self) -> dict[str, Any]:
        """Try the whole save and take it back, so that what editing refuses is said in the form."""
        cleaned = super().clean() or self.cleaned_data
        if self.data.get("do"):
            self.add_error(None, "The condition is changed below. Nothing is saved yet.")
        if not self.errors:
            try:
                with transaction.atomic():
                    self.store(author=None)
                    transaction.set_rollback(True)
            except (RuleError, NameTaken, BadValue, SegmentInUse, StaleSegment) as error:
                self.add_error(*_place_of(error))
        return cleaned

    def store(self, *, author: Any) -> Segment:
        """Save through the one way in which segments change."""
        data = self.cleaned_data
        return save_segment(
            Segment.everything.get(pk=self.instance.pk) if self.instance.pk else None,
            name=data["name"],
            rule=data["rule"],
            description=data["description"],
            visible=data["visible"],
            active=data["active"],
            reason=data.get("reason", ""),
            author=author,
            expected_version=data.get("from_version") if self.instance.pk else None,
        )

    def validate_constraints(self) -> None:
        """Names are compared by `segments.editing`, which says so at the field."""


def _place_of(error: Exception) -> tuple[str | None, ValidationError]:
    if isinstance(error, RuleError):
        return "rule", ValidationError([problem.message for problem in error.problems[:5]])
    if isinstance(error, SegmentInUse):
        return "active", ValidationError(str(error))
    if isinstance(error, StaleSegment):
        text = f"{error} Open the form again to see it; what you typed is still below."
        return None, ValidationError(text)
    return "name", ValidationError(str(error))


class VersionInline(FirstRowsInline):
    """The definitions as they were saved, the newest first."""

    model = SegmentVersion
    fields = ("number", "words", "author", "reason", "created_at")
    verbose_name_plural = "versions of the definition"
    show_change_link = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[SegmentVersion]:
        """With their authors."""
        return super().get_queryset(request).select_related("author", "segment").order_by("-number")


@admin.register(Segment)
class SegmentAdmin(BackOffice):
    """Segments in the company's order, which is that of the tabs."""

    form = SegmentForm
    page_name = "segment_edit"
    list_display = (
        "position", "name", "members", "value_a_year", "movement", "state", "shown", "active", "refreshed_at",
    )  # fmt: skip
    list_display_links = ("name",)
    list_filter = ("visible", "active", ("error", admin.EmptyFieldListFilter))
    search_fields = ("name_folded", "key")
    ordering = ("position", "id")
    inlines = (VersionInline,)
    actions = ("refresh_now", "clone", "activate", "deactivate", "show", "hide", "move_up", "move_down", "export_members")
    readonly_fields = ("key", "state", "members", "in_words", "used_by", "created_by", "created_at", "updated_at")
    fieldsets = (
        (None, {"fields": ("name", "description", "visible", "active")}),
        ("Condition", {"fields": ("rule", "reason", "from_version"), "classes": ("condition",)}),
        ("Result", {"fields": ("state", "members", "in_words", "used_by", "key", "created_by", "created_at", "updated_at")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Segment]:
        """With the 7-day movement of all, in one query."""
        request.movement = joined_left() if not hasattr(request, "movement") else request.movement  # type: ignore[attr-defined]
        self.movement_now = request.movement  # type: ignore[attr-defined]
        return super().get_queryset(request)

    @admin.display(description="Accounts", ordering="member_count")
    def members(self, segment: Segment) -> SafeString | str:
        """The stored count, leading to Accounts 360."""
        text = f"{segment.member_count:,}"
        address = page_link("accounts", text)
        return format_html('<a href="{}?segment={}">{}</a>', reverse("accounts"), segment.key, text) if address != text else text

    @admin.display(description="Contract value a year", ordering="contract_value")
    def value_a_year(self, segment: Segment) -> str:
        """Twelve months of MRR."""
        return f"{segment.contract_value:,.0f}"

    @admin.display(description="7 days")
    def movement(self, segment: Segment) -> SafeString:
        """How many accounts joined and left."""
        joined, left = self.movement_now.get(segment.pk, (0, 0))
        return format_html('<span title="{} joined, {} left in 7 days">▲ {} ▼ {}</span>', joined, left, joined, left)

    @admin.display(description="Shown", boolean=True, ordering="visible")
    def shown(self, segment: Segment) -> bool:
        """True if it is a tab on Accounts 360."""
        return segment.visible

    @admin.display(description="State")
    def state(self, segment: Segment) -> SafeString | str:
        """Frozen with the reason, being refreshed, off, or up to date."""
        if segment.error:
            return format_html('<strong class="state-frozen">Frozen</strong> {}', segment.error)
        if segment.due:
            return "Refresh under way"
        return "Up to date" if segment.active else "Off"

    @admin.display(description="In words")
    def in_words(self, segment: Segment) -> str:
        """The rule in plain English."""
        try:
            return Reader.now().read(segment.rule).words
        except RuleError as error:
            return str(error)

    @admin.display(description="Used by")
    def used_by(self, segment: Segment) -> str:
        """What would have to change before it could be deleted."""
        uses = uses_of(segment) if segment.pk else []
        return ", ".join(f"{use.kind} “{use.name}”" for use in uses) or "Nothing"

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save through `segments.editing`; the refresh is asked for as well."""
        saved = form.store(author=request.user)
        obj.pk = saved.pk
        obj.refresh_from_db()

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete; the confirmation has refused one that is used."""
        delete_segment(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete those that nothing uses; say which stayed and why."""
        for segment in queryset:
            try:
                delete_segment(segment)
            except SegmentInUse as error:
                self.message_user(request, str(error), messages.ERROR)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Name what goes and what is in the way, without loading a hundred thousand memberships."""
        chosen = list(objs)
        members = AccountMembership.objects.filter(segment__in=chosen).count()
        blocked = [f"{one.name} is used by the {use.kind} “{use.name}”" for one in chosen for use in uses_of(one)]
        return [one.name for one in chosen], {"segments": len(chosen), "memberships": members}, set(), blocked

    @admin.action(description="Refresh now", permissions=["change"])
    def refresh_now(self, request: HttpRequest, queryset: QuerySet[Segment]) -> None:
        """Ask for the selected segments and what depends on them."""
        with transaction.atomic():
            request_refresh(queryset)
        self.message_user(request, f"{queryset.count()} segments will be refreshed within seconds.")

    @admin.action(description="Clone", permissions=["add"])
    def clone(self, request: HttpRequest, queryset: QuerySet[Segment]) -> HttpResponse | None:
        """A hidden copy under each; a single one opens for editing."""
        made = [clone_segment(segment, author=request.user) for segment in queryset]
        if len(made) == 1:
            return HttpResponseRedirect(reverse("admin:segments_segment_change", args=[made[0].pk]))
        self.message_user(request, f"Made {len(made)} copies, hidden, each under its original.")
        return None

    @admin.action(description="Switch on", permissions=["change"])
    def activate(self, request: HttpRequest, queryset: QuerySet[Segment]) -> None:
        """Members are found by the refresh that follows."""
        self._switch(request, queryset, active=True)

    @admin.action(description="Switch off", permissions=["change"])
    def deactivate(self, request: HttpRequest, queryset: QuerySet[Segment]) -> None:
        """A segment that is off keeps its rule and has no members."""
        self._switch(request, queryset, active=False)

    def _switch(self, request: HttpRequest, queryset: QuerySet[Segment], *, active: bool) -> None:
        done = 0
        for segment in queryset:
            try:
                set_active(segment, active)
                done += 1
            except SegmentInUse as error:
                self.message_user(request, str(error), messages.ERROR)
        self.message_user(request, f"Switched {done} segments {'on' if active else 'off'}.")

    @admin.action(description="Show on Accounts 360", permissions=["change"])
    def show(self, request: HttpRequest, queryset: QuerySet[Segment]) -> None:
        """As a tab."""
        for segment in queryset:
            set_visible(segment, True)
        self.message_user(request, f"{queryset.count()} segments are tabs on Accounts 360.")

    @admin.action(description="Hide from Accounts 360", permissions=["change"])
    def hide(self, request: HttpRequest, queryset: QuerySet[Segment]) -> None:
        """Only used elsewhere."""
        for segment in queryset:
            set_visible(segment, False)
        self.message_user(request, f"{queryset.count()} segments are hidden from Accounts 360.")

    @admin.action(description="Move up", permissions=["change"])
    def move_up(self, request: HttpRequest, queryset: QuerySet[Segment]) -> None:
        """Each by one place, keeping their order."""
        for segment in queryset.order_by("position", "id"):
            move_segment(segment, -1)

    @admin.action(description="Move down", permissions=["change"])
    def move_down(self, request: HttpRequest, queryset: QuerySet[Segment]) -> None:
        """Each by one place, keeping their order."""
        for segment in queryset.order_by("-position", "-id"):
            move_segment(segment, 1)

    @admin.action(description="Export members as CSV", permissions=["view"])
    def export_members(self, request: HttpRequest, queryset: QuerySet[Segment]) -> HttpResponse:
        """The present members of the selected segments, a row for each."""
        seen = Account.objects.visible_to(request.user).order_by().values("pk")
        rows = AccountMembership.objects.filter(segment__in=queryset, left_at=None, account__in=seen)
        columns = ("segment__name", "account__external_id", "account__name", "account__mrr", "entered_at")
        found = rows.order_by("segment__position", "account__name_folded").values_list(*columns).iterator(chunk_size=2_000)
        return csv_response("segment-members", ["segment", "external_id", "name", "mrr", "since"], map(list, found))


@admin.register(SegmentVersion)
class SegmentVersionAdmin(ReadOnly):
    """Definitions as somebody saved them."""

    list_display = ("segment", "number", "words", "author", "reason", "created_at")
    list_filter = ("segment",)
    list_select_related = ("segment", "author")


@admin.register(SegmentRefresh)
class SegmentRefreshAdmin(ReadOnly):
    """What each run did to each segment."""

    list_display = ("at", "segment", "members", "joined", "left", "milliseconds", "new_definition", "error", "run")
    list_filter = (("error", admin.EmptyFieldListFilter), "new_definition", "segment")
    list_select_related = ("segment", "run")

    @admin.display(description="ms", ordering="duration_ms")
    def milliseconds(self, refresh: SegmentRefresh) -> str:
        """How long it took."""
        return f"{refresh.duration_ms:,.0f}"


class RefreshesInline(FirstRowsInline):
    """The segments of a run, those with errors first."""

    model = SegmentRefresh
    fields = ("segment", "members", "joined", "left", "duration_ms", "error")

    def get_queryset(self, request: HttpRequest) -> QuerySet[SegmentRefresh]:
        """With the names that are shown."""
        return super().get_queryset(request).select_related("segment", "run").order_by("-error", "id")


@admin.register(RefreshRun)
class RefreshRunAdmin(ReadOnly):
    """Pieces of refreshing: why, when, how far, and what went wrong."""

    list_display = ("now", "trigger", "state", "progress", "joined", "left", "seconds", "errors")
    list_filter = ("state", "trigger")
    inlines = (RefreshesInline,)

    @admin.display(description="Segments")
    def progress(self, run: RefreshRun) -> str:
        """How many are done, of how many."""
        return f"{run.done} of {run.total}"

    @admin.display(description="Seconds")
    def seconds(self, run: RefreshRun) -> str:
        """From start to end; empty while it runs."""
        return f"{(run.finished_at - run.started_at).total_seconds():.1f}" if run.finished_at else ""

    @admin.display(description="Errors")
    def errors(self, run: RefreshRun) -> SafeString | str:
        """A link to what failed."""
        failed = run.state == RefreshRun.State.FAILED
        return list_link(SegmentRefresh, "Look", run__id__exact=run.pk, error__isempty=0) if failed else ""


