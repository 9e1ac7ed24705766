"""Segments in the back office: their list with what became of them, and what can be done with several at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import DecimalField, F, QuerySet, Value
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.fields import Subject
from core.backoffice import BackOffice, FirstRowsInline, page_link
from core.download import csv_response
from segments.admin.form import SegmentForm
from segments.admin.pins import PinInline
from segments.editing import SegmentInUse, clone_segment, delete_segment, move_segment, set_active, set_visible
from segments.models import RefreshRun, Segment, SegmentVersion
from segments.questions import Reader
from segments.refresh import request_refresh
from segments.rules.tree import RuleError
from segments.subjects import ABOUT, subject_of
from segments.trends import joined_left
from segments.uses import uses_of


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
        "position", "name", "subject", "members", "value_a_year", "movement", "state", "shown", "active",
        "refreshed_at",
    )  # fmt: skip
    list_display_links = ("name",)
    list_filter = ("subject", "visible", "active", ("error", admin.EmptyFieldListFilter))
    search_fields = ("name_folded", "key")
    ordering = ("position", "id")
    inlines = (PinInline, VersionInline)
    actions = (
        "refresh_now", "clone", "activate", "deactivate", "show", "hide", "move_up", "move_down", "export_members",
    )  # fmt: skip
    readonly_fields = ("state", "members", "in_words", "used_by", "key", "created_by", "created_at", "updated_at")
    fieldsets = (
        (None, {"fields": ("name", "description", "subject", "visible", "active")}),
        ("Condition", {"fields": ("rule", "reason", "from_version"), "classes": ("condition",)}),
        ("Result", {"fields": readonly_fields}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Segment]:
        """With the 7-day movement of all, in one query."""
        request.movement = joined_left() if not hasattr(request, "movement") else request.movement  # type: ignore[attr-defined]
        self.movement_now = request.movement  # type: ignore[attr-defined]
        return super().get_queryset(request)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What a segment is about is chosen once."""
        return (*self.readonly_fields, *(("subject",) if obj else ()))

    @admin.display(description="Members", ordering="member_count")
    def members(self, segment: Segment) -> SafeString | str:
        """The stored count, leading to Accounts 360 or to the users."""
        text = f"{segment.member_count:,}"
        return page_link(subject_of(segment).many, text, segment=segment.key)

    @admin.display(description="Contract value a year", ordering="contract_value")
    def value_a_year(self, segment: Segment) -> str:
        """Twelve months of MRR; users have none."""
        if segment.subject == Segment.Subject.USER:
            return "–"
        return f"{segment.contract_value:,.0f}"

    @admin.display(description="7 days")
    def movement(self, segment: Segment) -> SafeString:
        """How many members joined and left."""
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
        if segment.held:
            return format_html("<strong>Held</strong> {}", segment.held)
        if segment.due:
            return "Refresh under way"
        return "Up to date" if segment.active else "Off"

    @admin.display(description="In words")
    def in_words(self, segment: Segment) -> str:
        """The rule in plain English."""
        try:
            return Reader.now().read(segment.rule, subject=segment.subject).words
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
        members = sum(about.memberships.objects.filter(segment__in=chosen).count() for about in ABOUT.values())
        blocked = [f"{one.name} is used by the {use.kind} “{use.name}”" for one in chosen for use in uses_of(one)]
        return [one.name for one in chosen], {"segments": len(chosen), "memberships": members}, set(), blocked

    @admin.action(description="Refresh now", permissions=["change"])
    def refresh_now(self, request: HttpRequest, queryset: QuerySet[Segment]) -> None:
        """Ask for the selected segments and what depends on them."""
        with transaction.atomic():
            request_refresh(queryset, RefreshRun.Trigger.HAND)
        self.message_user(request, f"{queryset.count()} segments will be refreshed within seconds.")

    @admin.action(description="Clone", permissions=["add"])
    def clone(self, request: HttpRequest, queryset: QuerySet[Segment]) -> HttpResponse | None:
        """A hidden copy under each; a single one opens for editing. Says of each that cannot be copied why."""
        made = []
        for segment in queryset:
            try:
                made.append(clone_segment(segment, author=request.user))
            except RuleError as error:
                self.message_user(request, f"{segment.name} cannot be cloned: {error.first}", messages.ERROR)
            else:
                self.log_deed(request, made[-1:], f"Cloned from {segment.name}.")
        if len(made) == 1:
            return HttpResponseRedirect(reverse("admin:segments_segment_change", args=[made[0].pk]))
        if made:
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
        done = []
        for segment in queryset:
            try:
                set_active(segment, active)
                done.append(segment)
            except SegmentInUse as error:
                self.message_user(request, str(error), messages.ERROR)
        self.log_deed(request, done, f"Switched {'on' if active else 'off'}.")
        self.message_user(request, f"Switched {len(done)} segments {'on' if active else 'off'}.")

    @admin.action(description="Show on Accounts 360", permissions=["change"])
    def show(self, request: HttpRequest, queryset: QuerySet[Segment]) -> None:
        """As a tab."""
        self.message_user(request, f"{self._show(request, queryset, True)} segments are tabs on Accounts 360.")

    @admin.action(description="Hide from Accounts 360", permissions=["change"])
    def hide(self, request: HttpRequest, queryset: QuerySet[Segment]) -> None:
        """Only used elsewhere."""
        self.message_user(request, f"{self._show(request, queryset, False)} segments are hidden from Accounts 360.")

    def _show(self, request: HttpRequest, queryset: QuerySet[Segment], visible: bool) -> int:
        done = list(queryset)
        for segment in done:
            set_visible(segment, visible)
        self.log_deed(request, done, "Shown on Accounts 360." if visible else "Hidden from Accounts 360.")
        return len(done)

    @admin.action(description="Move up", permissions=["change"])
    def move_up(self, request: HttpRequest, queryset: QuerySet[Segment]) -> None:
        """Each by one place, keeping their order."""
        self._move(request, queryset.order_by("position", "id"), -1)

    @admin.action(description="Move down", permissions=["change"])
    def move_down(self, request: HttpRequest, queryset: QuerySet[Segment]) -> None:
        """Each by one place, keeping their order."""
        self._move(request, queryset.order_by("-position", "-id"), 1)

    def _move(self, request: HttpRequest, queryset: QuerySet[Segment], by: int) -> None:
        done = list(queryset)
        for segment in done:
            move_segment(segment, by)
        self.log_deed(request, done, "Moved up." if by < 0 else "Moved down.")

    @admin.action(description="Export members as CSV", permissions=["view"])
    def export_members(self, request: HttpRequest, queryset: QuerySet[Segment]) -> StreamingHttpResponse:
        """The present members of the selected segments, a row for each."""
        head = ["segment", "external_id", "name", "mrr", "since"]
        return csv_response("segment-members", head, _present_members(request, queryset))


def _present_members(request: HttpRequest, segments: QuerySet[Segment]) -> Iterator[list[Any]]:
    """Accounts with their MRR, then users."""
    for about in ABOUT.values():
        member, seen = about.column, about.ids(about.seen_by(request.user))
        rows = about.memberships.objects.filter(segment__in=segments, left_at=None, **{f"{member}__in": seen})
        mrr = F("account__mrr") if about.subject is Subject.ACCOUNT else Value(None, DecimalField())
        columns = ("segment__name", f"{member}__external_id", f"{member}__name", "shown_mrr", "entered_at")
        rows = rows.annotate(shown_mrr=mrr).order_by("segment__position", f"{member}__name_folded")
        yield from map(list, rows.values_list(*columns).iterator(chunk_size=2_000))
