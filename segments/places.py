"""In which of their accounts the members of a segment of users match, asked of its rule as data are now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from django.db.models import QuerySet

from accounts.models import Account
from segments.models import Segment
from segments.questions import Reader
from segments.rules.tree import RuleError


def accounts_matched(
    segment: Segment, users: Collection[int], rows: QuerySet[Any], reader: Reader
) -> dict[int, list[Account]]:
    """Per user, the accounts in which they match, by name, among the rows (users in accounts) that may be seen.

    A user who was pinned in, or who has no account, is not in it; nobody is while the rule cannot be read.
    """
    try:
        question = reader.read(segment.rule, personal=True, subject=segment.subject)
    except RuleError:
        return {}
    found: dict[int, list[Account]] = defaultdict(list)
    matching = question.matching(rows.filter(user__in=users, account__isnull=False)).select_related("account")
    for row in matching.order_by("account__name_folded", "account_id"):
        found[row.user_id].append(row.account)
    return dict(found)
