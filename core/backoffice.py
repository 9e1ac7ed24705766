"""What every form of the back office shares: quick lists, folded search, links to the pages."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from operator import attrgetter
from typing import Any, ClassVar, NamedTuple
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.core.paginator import Paginator
from django.db import models, transaction
from django.db.models import Exists, QuerySet
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString

from core.figures import Figure, FiguredList, added_figures
from core.intake import BadValue, fold

DEEPEST = 10_000  # rows a list offers pages for; beyond that one searches or filters
INLINE_ROWS = 50
BACK = "_back"  # in the address of a form: where to go once its record is added


class CappedPaginator(Paginator):
    """Counts at most 10,000 rows, so that neither the count nor the last page walks through a large table."""

    @cached_property
    def count(self) -> int:
        """The number of rows, or the cap."""
        rows: Any = self.object_list
        if not isinstance(rows, QuerySet):
            return len(rows)
        return rows.order_by()[:DEEPEST].count()


def page_link(name: str, text: str, **query: Any) -> SafeString | str:
    """A link to a page of the dashboard; the text alone where that page does not exist."""
    try:
        return format_html('<a href="{}">{}</a>', reverse(name, query=query or None), text)
    except NoReverseMatch:
        return text


def list_link(model: type[models.Model], text: str, **query: Any) -> SafeString:
    """A link to the admin's list of a model, filtered."""
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return format_html('<a href="{}?{}">{}</a>', address, urlencode(query), text)


def page_of(record: models.Model) -> str | None:
    """The address of the dashboard's page about a record: its own, else that of what it belongs to (its account, or its
    user, unless its form says otherwise); None where there is none."""
    office = _office_of(type(record))
    if office is None:
        return None
    if office.page_name:
        try:
            return reverse(office.page_name, args=[attrgetter(office.page_key)(record)])
        except NoReverseMatch:
            return None
    owners = (_part_of(record, name) for name in office.page_via)
    return next((page for owner in owners if owner is not None and (page := page_of(owner))), None)


class Door(NamedTuple):
    """Where something is in the admin, and whether this person may change it there."""

    address: str
    may_change: bool


def door_to(request: HttpRequest, about: models.Model | type[models.Model]) -> Door | None:
    """The admin's form of a record, or its list of a model; None for whoever may not open it."""
    model, record = (about, None) if isinstance(about, type) else (type(about), about)
    office = _office_of(model)
    if office is None or not admin.site.has_permission(request):
        return None
    if not office.has_view_or_change_permission(request, record):
        return None
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    address = reverse(f"{name}_changelist") if record is None else reverse(f"{name}_change", args=[record.pk])
    return Door(address, office.has_change_permission(request, record))


def _office_of(model: type[models.Model]) -> BackOffice | None:
    found = admin.site.get_model_admin(model) if admin.site.is_registered(model) else None
    return found if isinstance(found, BackOffice) else None


def _part_of(record: models.Model, name: str) -> models.Model | None:
    """What a field leads to; None where there is no such field, nothing in it, or what it named is gone."""
    try:
        found = getattr(record, name, None)
    except ObjectDoesNotExist:
        return None
    return found if isinstance(found, models.Model) else None


def table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> SafeString:
    """A plain table for a read-only field."""
    heads = format_html_join("", "<th scope='col'>{}</th>", ((text,) for text in head))
    lines = format_html_join(
        "", "<tr>{}</tr>", ((format_html_join("", "<td>{}</td>", ((cell,) for cell in row)),) for row in rows)
    )
    return format_html("<table class='plain'><thead><tr>{}</tr></thead><tbody>{}</tbody></table>", heads, lines)


class BackOffice(admin.ModelAdmin):
    """A list of 50 rows a page, counted up to a cap, searched by folds.

    `page_name` is the dashboard's page about a record and `page_key` what stands in its address; without a page of its
    own a record leads to that of the first of `page_via` that it belongs to.
    """

    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 200
    page_name = ""
    page_key = "pk"
    page_via: tuple[str, ...] = ("account", "user")
    figures: ClassVar[tuple[Figure, ...]] = ()

    def all_figures(self) -> tuple[Figure, ...]:
        """The columns that are read for a page at once: the list's own, and those that apps above have added."""
        return (*self.figures, *added_figures(self.model))

    def get_list_display(self, request: HttpRequest) -> Any:
        """The figures come last."""
        return (*super().get_list_display(request), *(figure.column() for figure in self.all_figures()))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[FiguredList]:
        """The list that reads them."""
        return FiguredList

    def response_post_save_add(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect:
        """Back to the record that the form was opened from, if it was."""
        back = request.GET.get(BACK, "")
        if back and url_has_allowed_host_and_scheme(back, {request.get_host()}, request.is_secure()):
            return HttpResponseRedirect(back)
        return super().response_post_save_add(request, obj)

    def log_deed(self, request: HttpRequest, rows: Any, words: str) -> None:
        """Put into the history of each of these records what an action did to it; one statement for all of them."""
        LogEntry.objects.log_actions(request.user.pk or 0, rows, CHANGE, words)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> tuple[Any, bool]:
        """Search what is folded with a fold."""
        if "\x00" in search_term:
            return queryset.none(), False
        return super().get_search_results(request, queryset, fold(search_term) if self.search_fields else search_term)

    def get_view_on_site_url(self, obj: Any = None) -> str | None:
        """The dashboard's page about this record."""
        return page_of(obj) if obj is not None else None


class TriedForm(forms.ModelForm):
    """A form that tries the whole of its save and takes it back, so that what saving refuses is said in the form.

    `refuses` are the errors that mean a refusal; those with `problems` are said each with its place.
    """

    refuses: ClassVar[tuple[type[Exception], ...]] = (BadValue,)

    def saved(self) -> Any:
        """Save through the one way in which such records change."""
        raise NotImplementedError

    def clean(self) -> dict[str, Any]:
        """Try it."""
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                with transaction.atomic():
                    self.saved()
                    transaction.set_rollback(True)
            except self.refuses as error:
                problems = [f"{one.pointer}: {one.message}" for one in getattr(error, "problems", ())]
                raise ValidationError(problems or str(error)) from error
        return cleaned

    def validate_constraints(self) -> None:
        """Saving says it better."""


class PresentFilter(admin.SimpleListFilter):
    """Records with or without rows of another kind, which `rows` gives for an outer record; none is shown twice."""

    def rows(self) -> QuerySet[Any]:
        """The rows of `OuterRef("pk")`."""
        raise NotImplementedError

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Both."""
        return [("yes", "Yes"), ("no", "No")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrow the list."""
        if self.value() == "yes":
            return queryset.filter(Exists(self.rows()))
        return queryset.exclude(Exists(self.rows())) if self.value() == "no" else queryset


class ReadOnly(BackOffice):
    """Records that the application writes; people look at them."""

    actions: Any = []

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False


class FirstRows(BaseInlineFormSet):
    """The first rows of a parent only, because there may be ten thousand."""

    def get_queryset(self) -> Any:
        """Sliced after the parent's filter was set."""
        if not hasattr(self, "_queryset"):
            self._queryset = super().get_queryset()[:INLINE_ROWS]
        return self._queryset


class VersionsAdmin(ReadOnly):
    """Definitions as they were saved; a list names in `of` the field that leads to what was defined."""

    of: ClassVar[str]
    list_display_links = ("number",)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        usual = {
            "list_display": (cls.of, "number", "author", "reason", "created_at"),
            "list_select_related": (cls.of, "author"),
            "list_filter": (cls.of,),
            "search_fields": (f"{cls.of}__name", "reason"),
            "page_via": (cls.of,),
        }
        for name, value in usual.items():
            if name not in vars(cls):
                setattr(cls, name, value)


class FirstRowsInline(admin.TabularInline):
    """A parent's first rows to look at; each opens its own form, which keeps its history. Below them stand the ways to
    all of them and to a new one, for those who may go there."""

    template = "admin/first_rows.html"
    ways: tuple[tuple[str, str], ...] = ()
    formset = FirstRows
    extra = 0
    max_num = 0
    can_delete = False
    show_change_link = True

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """The rows, and the ways from here for this person."""
        made: Any = super().get_formset(request, obj, **kwargs)
        if obj is not None:
            self.ways = tuple(self._ways(request, obj, made.fk.name))
        return made

    def _ways(self, request: HttpRequest, parent: Any, key: str) -> Iterable[tuple[str, str]]:
        office = _office_of(self.model)
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}"
        if office is None:
            return
        if office.has_view_or_change_permission(request):
            only = {f"{key}__id__exact": parent.pk}
            yield f"All {self.opts.verbose_name_plural}", reverse(f"{name}_changelist", query=only)
        if office.has_add_permission(request):
            filled = {key: parent.pk, BACK: request.get_full_path()}
            yield f"Add {self.opts.verbose_name}", reverse(f"{name}_add", query=filled)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """All of them."""
        return self.fields or ()

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """New rows are made in their own form."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows are changed in their own form."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows go in their own way."""
        return False
