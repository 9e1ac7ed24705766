"""Ready-made configs: what a customer-success team starts from, for everybody, and for each stage and tier.

They are fixed in advance and general: how lately, how broadly, how steadily and by how many people of those who pay the
product is used, whether money is late or a renewal near, and what the people who know the customer feel. None is
fitted to a data set.
"""

from __future__ import annotations

from typing import Any

Rule = dict[str, Any]
SEATS = "account.licences"


def _number(key: str, name: str, field: str, good: Any, poor: Any, weight: int = 1) -> Rule:
    return {"key": key, "name": name, "weight": weight, "field": field, "good": good, "poor": poor}


def _share(percent: int, of: str = SEATS) -> Rule:
    return {"percent": percent, "of": of}


def _dimension(key: str, name: str, weight: int, *measures: Rule) -> Rule:
    return {"key": key, "name": name, "weight": weight, "measures": list(measures)}


LICENCES = _number("licences", "Licences in use", "account.active_users_30d", _share(70), _share(10), 3)
RECENCY = _number("last-seen", "Last seen", "account.last_seen_at", 3, 30, 3)
STEADY = _number("steady", "Active days, 30 days", "account.active_days_30d", 15, 1, 2)
QUARTER = "account.active_users_90d"
KEPT = _number(
    "kept", "Users of 90 days still active", "account.active_users_30d", _share(80, QUARTER), _share(30, QUARTER), 2
)
BREADTH = _number("breadth", "Active users, 30 days", "account.active_users_30d", 5, 1, 1)
RENEWAL = _number("renewal", "Renewal date", "account.renews_on", -120, -14)
TOUCHED = _number("touchpoint", "Last touchpoint", "account.last_touchpoint_at", 30, 90)
PULSE = _number("pulse", "CSM pulse", "account.pulse", 5, 1, 2)

ADOPTION = _dimension("adoption", "Product adoption", 60, LICENCES, RECENCY, STEADY, KEPT, BREADTH)
FINANCIAL = _dimension("financial", "Financial", 20, RENEWAL)
RELATIONSHIP = _dimension("relationship", "Relationship", 20, TOUCHED, PULSE)


def _with(*dimensions: Rule) -> Rule:
    return {"dimensions": list(dimensions), "bands": {"good": 70, "poor": 40}, "least_coverage": 50}


DEFAULT = _with(ADOPTION, FINANCIAL, RELATIONSHIP)
# New customers have no renewal and few days behind them: what counts is that they begin, and are spoken with.
ONBOARDING = _with(
    _dimension("adoption", "Product adoption", 60, LICENCES, RECENCY, BREADTH),
    _dimension(
        "relationship",
        "Relationship",
        40,
        _number("touchpoint", "Last touchpoint", "account.last_touchpoint_at", 7, 30, 2),
        PULSE,
    ),
)
# For the largest customers silence is noticed sooner, and the people who know them weigh more.
STRATEGIC = _with(
    _dimension("adoption", "Product adoption", 50, LICENCES, RECENCY | {"good": 1, "poor": 14}, STEADY, KEPT),
    _dimension("financial", "Financial", 20, RENEWAL | {"good": -180, "poor": -30}),
    _dimension("relationship", "Relationship", 30, TOUCHED | {"good": 14, "poor": 60}, PULSE),
)
