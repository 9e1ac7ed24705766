"""The segments that the invented company looks at every day, in the order of its tabs."""

from __future__ import annotations

from typing import Any

from segments.editing import save_segment
from segments.models import Segment

Rule = dict[str, Any]


def condition(field: str, op: str, value: Any = None) -> Rule:
    """One comparison."""
    return {"field": field, "op": op} | ({} if value is None else {"value": value})


def every(*rules: Rule) -> Rule:
    """All of these."""
    return {"match": "all", "rules": list(rules)}


def either(*rules: Rule) -> Rule:
    """Any one of these."""
    return {"match": "any", "rules": list(rules)}


LIVE = condition("account.stage_type", "is", "live")
PAYING = condition("account.stage_type", "any_of", ["onboarding", "live"])
SILENT = condition("account.last_seen_at", "more_than_ago", {"n": 14, "unit": "day"})
FEW_ACTIVE = condition("account.active_users_30d", "less_than", {"percent": 30, "of": "account.licences"})
UNHAPPY = condition("account.custom.nps", "at_most", 6)
NO_CHAMPION = {"users": "none", "where": every(condition("relationship.role", "is", "champion"))}

SEGMENTS: list[tuple[str, str, Rule, bool]] = [
    ("Onboarding", "New customers who are not live yet.",
     every(condition("account.stage_type", "is", "onboarding")), True),
    ("Renewal next 90 days", "Contracts to talk about now.",
     every(PAYING, condition("account.renews_on", "within_next", {"n": 90, "unit": "day"})), True),
    ("At risk", "Live customers with a sign of trouble.", every(LIVE, either(SILENT, FEW_ACTIVE, UNHAPPY)), True),
    ("Silent 14 days", "Nobody was seen for two weeks.", every(PAYING, SILENT), True),
    ("Strategic customers", "The accounts that the board asks about.",
     every(condition("account.level", "is", "strategic")), True),
    ("Enterprise", "On the Enterprise plan.", every(condition("account.plan", "is", "Enterprise")), True),
    ("Mid-market", "From 200 to 999 employees.",
     every(condition("account.custom.employees", "between", [200, 999])), True),
    ("SMB", "Fewer than 200 employees.", every(condition("account.custom.employees", "less_than", 200)), True),
    ("Trial", "Trying the product now.", every(condition("account.stage_type", "is", "trial")), True),
    ("EMEA", "Customers in Europe, the Middle East and Africa.",
     every(condition("account.custom.region", "is", "EMEA")), True),
    ("Low licence use", "Less than 30 % of the licences were used in 30 days.", every(LIVE, FEW_ACTIVE), True),
    ("No champion", "Paying customers without anybody in the role champion.", every(PAYING, NO_CHAMPION), False),
]  # fmt: skip

OF_USERS: list[tuple[str, str, Rule, bool]] = [
    ("Champions who went silent", "Champions of live customers whom nobody has seen for two weeks.",
     every(LIVE, condition("relationship.role", "is", "champion"),
           condition("user.last_seen_at", "more_than_ago", {"n": 14, "unit": "day"})), True),
]  # fmt: skip


def ask(author: Any) -> list[Segment]:
    """Save the segments, of accounts and of users; their members come with the next refresh."""
    return [
        save_segment(None, name=name, description=words, rule=rule, visible=visible, author=author, subject=subject)
        for subject, asked in ((Segment.Subject.ACCOUNT, SEGMENTS), (Segment.Subject.USER, OF_USERS))
        for name, words, rule, visible in asked
    ]
