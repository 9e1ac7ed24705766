"""Comparisons in the back office, to look at; the pages start and cancel them."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin

from alerts.models import ComparedAccount, Comparison
from core.backoffice import ReadOnly


@admin.register(Comparison)
class ComparisonAdmin(ReadOnly):
    """Who came into what beside whom: who asked, how far, what became of it."""

    list_display = ("id", "playbook", "segment", "first_day", "last_day", "state", "done", "author", "created_at",
                    "error")  # fmt: skip
    list_select_related = ("playbook", "segment", "author")
    list_filter: ClassVar[tuple[str, ...]] = ("state",)
    search_fields = ("playbook__name_folded", "segment__name")
    page_via = ("playbook", "segment")


@admin.register(ComparedAccount)
class ComparedAccountAdmin(ReadOnly):
    """The accounts of both sides while a comparison runs."""

    list_display = ("account", "comparison", "day", "came_in")
    list_select_related = ("account", "comparison__playbook", "comparison__segment")
    list_filter = (("comparison", admin.RelatedOnlyFieldListFilter),)
    search_fields = ("account__name_folded",)
    page_via = ("comparison",)

    @admin.display(boolean=True, description="came in")
    def came_in(self, row: ComparedAccount) -> bool:
        """Whether it is on the side of those who came in."""
        return row.came_in
