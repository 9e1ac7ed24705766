"""What every form of the back office shares: quick lists, folded search, links to the pages."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db import models
from django.db.models import QuerySet
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from core.intake import fold

DEEPEST = 10_000  # rows a list offers pages for; beyond that one searches or filters
INLINE_ROWS = 50


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
    asked = "&".join(f"{key}={value}" for key, value in query.items())
    return format_html('<a href="{}?{}">{}</a>', address, asked, text)


def table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> SafeString:
    """A plain table for a read-only field."""
    heads = format_html_join("", "<th scope='col'>{}</th>", ((text,) for text in head))
    lines = format_html_join(
        "", "<tr>{}</tr>", ((format_html_join("", "<td>{}</td>", ((cell,) for cell in row)),) for row in rows)
    )
    return format_html("<table class='plain'><thead><tr>{}</tr></thead><tbody>{}</tbody></table>", heads, lines)


class BackOffice(admin.ModelAdmin):
    """A list of 50 rows a page, counted up to a cap, searched by folds; `page_name` leads to the dashboard's page."""

    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 200
    page_name = ""

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> tuple[Any, bool]:
        """Search what is folded with a fold."""
        if "\x00" in search_term:
            return queryset.none(), False
        return super().get_search_results(request, queryset, fold(search_term) if self.search_fields else search_term)

    def get_view_on_site_url(self, obj: Any = None) -> str | None:
        """The dashboard's page about this record."""
        if obj is None or not self.page_name:
            return None
        try:
            return reverse(self.page_name, args=[obj.pk])
        except NoReverseMatch:
            return None


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


class FirstRowsInline(admin.TabularInline):
    """A parent's first rows to look at; each opens its own form, which keeps its history."""

    formset = FirstRows
    extra = 0
    max_num = 0
    can_delete = False
    show_change_link = True

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
