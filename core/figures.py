"""Columns of the back office's lists that are read for the rows of a page at once, however long the table is.

An app adds one to its own list, or with `add_figure` to the list of a model of an app below it, which does not know it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.views.main import ChangeList
from django.db import models
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString


@dataclass(frozen=True)
class Figure:
    """A column; `read` gives the values of rows by their primary keys in one query; `nothing` stands for those that it
    leaves out."""

    key: str
    title: str
    read: Callable[[Sequence[Any]], Mapping[Any, Any]]
    nothing: str = "-"

    def column(self) -> Callable[[Any], Any]:
        """What Django's list shows: the value that was read for the page."""

        def shown(row: Any) -> Any:
            return row.page_figures.get(self.key, self.nothing)

        shown.__name__ = self.key
        shown.short_description = self.title  # type: ignore[attr-defined]
        return shown


_added: dict[type[models.Model], list[Figure]] = {}


def add_figure(model: type[models.Model], figure: Figure) -> None:
    """Show a column in the back office's list of a model of an app below."""
    _added.setdefault(model, []).append(figure)


def added_figures(model: type[models.Model]) -> tuple[Figure, ...]:
    """What apps above have added, in the order of their titles."""
    return tuple(sorted(_added.get(model, ()), key=lambda figure: figure.title))


class FiguredList(ChangeList):
    """A list that reads its figures once its page is known."""

    def get_results(self, request: HttpRequest) -> None:
        """The rows of the page with their figures."""
        super().get_results(request)
        office: Any = self.model_admin
        figures: tuple[Figure, ...] = office.all_figures()
        if not figures:
            return
        rows = list(self.result_list)  # kept by the queryset, so that the page shows these very rows
        for row in rows:
            row.page_figures = {}
        for figure in figures:
            found = figure.read([row.pk for row in rows]) if rows else {}
            for row in rows:
                if row.pk in found:
                    row.page_figures[figure.key] = found[row.pk]


def change_since(now: Any, before: Any, since: str) -> SafeString | str:
    """▲ 3 or ▼ 3 with words for it; nothing where there is nothing to compare or no change."""
    if now is None or before is None or now == before:
        return ""
    by = f"{abs(now - before):,.0f}"
    if by == "0":
        return ""
    arrow, word = ("▲", "more") if now > before else ("▼", "less")
    return format_html('<span class="nowrap" title="{} {} than {}">{} {}</span>', by, word, since, arrow, by)
