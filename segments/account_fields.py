"""Membership as rows that rules may ask about."""

from __future__ import annotations

from accounts.fields import Rows, RowSet, register_rows
from segments.models import AccountMembership

register_rows(RowSet(Rows.MEMBERSHIPS, lambda: AccountMembership.objects.all(), "account", {}))
