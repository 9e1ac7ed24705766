"""Membership as rows that rules may ask about, and the segments whose rules name a field."""

from __future__ import annotations

from accounts.fields import Rows, RowSet, register_rows
from accounts.fields.uses import FieldUse, find_field_uses_with, texts_in
from segments.activation import Activation
from segments.models import AccountMembership, Segment, UserMembership

TRAITS = (Activation,)  # importing it registers the trait's method
register_rows(
    RowSet(Rows.MEMBERSHIPS, lambda: AccountMembership.objects.all(), "account", {}),
    RowSet(Rows.USER_MEMBERSHIPS, lambda: UserMembership.objects.all(), "user", {}),
)


@find_field_uses_with
def segments_that_read() -> list[tuple[FieldUse, set[str]]]:
    """Segments with the texts of their rule, in the company's order."""
    found = Segment.everything.in_tab_order()
    return [(FieldUse("segment", item.name, item.pk), texts_in(item.rule)) for item in found]
