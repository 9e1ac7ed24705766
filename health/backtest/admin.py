"""Back-tests in the back office, to look at; the pages start and cancel them."""

from __future__ import annotations

from django.contrib import admin

from core.backoffice import ReadOnly
from health.backtest.models import BackTest, BackTestDay


@admin.register(BackTest)
class BackTestAdmin(ReadOnly):
    """Configs replayed over the past: who, when, how far, what became of it."""

    list_display = ("name", "what", "first_day", "last_day", "state", "done", "steps", "author", "created_at", "error")
    list_display_links = ("name",)
    list_select_related = ("author",)
    list_filter = ("state",)
    search_fields = ("name",)
    page_name = "back_test"


@admin.register(BackTestDay)
class BackTestDayAdmin(ReadOnly):
    """Days that a running back-test has done."""

    list_display = ("test", "day")
    list_select_related = ("test",)
    search_fields = ("test__name",)
    page_via = ("test",)
    list_filter = (("test", admin.RelatedOnlyFieldListFilter),)
