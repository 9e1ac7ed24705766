"""Values that stand in a row of their own, found through the row in hand."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, Q, Subquery


class OnlyRow(Subquery):
    """A column of the one row, at most, that belongs to the row in hand.

    Because there is no second row, "the value is between" is the same as "there is a row whose value is between", which
    PostgreSQL can join for; the value itself would be fetched row by row.
    """

    def between(self, first: Any, last: Any, at_end: str) -> Exists:
        """That the row is there with its value from `first` up to `last` (None for an open end)."""
        query = self.query.chain()
        query.clear_limits()
        (name,) = query.values_select
        ends = {f"{name}__isnull": False}
        ends |= {} if first is None else {f"{name}__gte": first}
        ends |= {} if last is None else {f"{name}__{'lte' if at_end == '<=' else 'lt'}": last}
        query.add_q(Q(**ends))
        return Exists(query)
