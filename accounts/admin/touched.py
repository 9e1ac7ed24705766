"""What waits for its next evaluation, to look at."""

from __future__ import annotations

from django.contrib import admin

from accounts.models import TouchedAccount
from core.backoffice import ReadOnly


@admin.register(TouchedAccount)
class TouchedAccountAdmin(ReadOnly):
    """Accounts about which something new came in; the list empties itself."""

    list_display = ("at", "account")
    list_select_related = ("account",)
    list_filter = ("at",)
    search_fields = ("account__name_folded",)
    list_display_links = None
