"""What people say of health by hand, before a scoring has stored it: an override counts from the moment it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.clock import Moment
from health.models import AccountHealth, HealthOverride


def say_by_hand(health: Mapping[int, AccountHealth], accounts: Sequence[int], now: Moment) -> dict[int, HealthOverride]:
    """The overrides in force of these accounts (primary keys). The rows of `health` are changed in memory to say what
    they will say after the next scoring; they are for reading, not to be saved."""
    found = HealthOverride.objects.in_force(now.today).filter(account__in=accounts).select_related("author")
    hands = {hand.account_id: hand for hand in found}
    for account, row in health.items():
        hand = hands.get(account)
        band = hand.band if hand else row.computed_band
        if band != row.band:
            row.band_since = hand.created_at if hand else now.now
        row.band, row.overridden = band, hand is not None
    return hands
