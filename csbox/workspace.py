"""What changes with a setting of the workspace that everything else stands on: its currency, its time zone."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from accounts.billing import roll_up_billing
from accounts.facts import change_currency
from accounts.fields import Kind, vocabulary
from accounts.fields.uses import uses_of_field
from core.clock import moment
from core.models import Workspace, validate_time_zone
from usage.store.postgres import mark_every_day


@transaction.atomic
def convert_money(currency: str, rate: Any = None) -> int:
    """Change the workspace's currency with every amount in it, the accounts' billing included; how many subscriptions.

    Segments, health and the rest follow with the next evaluation, which is asked for. Raises BadValue.
    """
    changed = change_currency(currency, rate)
    roll_up_billing(moment())
    return changed


@transaction.atomic
def move_days(time_zone: str) -> int:
    """Let days begin in another time zone; every day of usage is counted anew in the background. Returns how many."""
    workspace = Workspace.get()
    if workspace.time_zone == time_zone:
        return 0
    validate_time_zone(time_zone)
    workspace.time_zone = time_zone
    workspace.save(update_fields=["time_zone"])
    return mark_every_day()


def look_at() -> str:
    """What follows a change of the currency by itself, and what names amounts, which stay the numbers that they are."""
    keys = [field.key for field in vocabulary().values() if field.kind is Kind.MONEY]
    named = sorted({f"{use.kind} “{use.name}”" for key in keys for use in uses_of_field(key)})
    follows = "Segments and health follow within a minute."
    return f"{follows} Amounts in these stay as they are, so look at them: {', '.join(named)}." if named else follows
