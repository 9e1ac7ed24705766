"""The one write side for facts about customers: idempotent, safe out of order, safe when several write at once.

A fact says that some values of one row were true at an instant. Per value the fact with the greatest (instant, source,
value) stays, whatever the order of arrival, so a repetition changes nothing and a late message never overwrites a newer
one. Rows are locked in one order, so that writers wait for each other and never deadlock.
"""

from accounts.facts.attributes import define_attribute, guess_kind
from accounts.facts.base import CLEARED, Fact, Outcome, Reject
from accounts.facts.currency import change_currency, has_money, rate_between
from accounts.facts.money import ensure_base_rate, set_rate
from accounts.facts.people import Departure, RelationshipFact, record_relationships
from accounts.facts.rows import record_accounts, record_subscriptions, record_users
from accounts.facts.shapes import ACCOUNT, RELATIONSHIP, SHAPES, SUBSCRIPTION, USER
from accounts.facts.team import AssignmentFact, record_assignments

__all__ = [
    "ACCOUNT",
    "CLEARED",
    "RELATIONSHIP",
    "SHAPES",
    "SUBSCRIPTION",
    "USER",
    "AssignmentFact",
    "Departure",
    "Fact",
    "Outcome",
    "Reject",
    "RelationshipFact",
    "change_currency",
    "define_attribute",
    "ensure_base_rate",
    "guess_kind",
    "has_money",
    "rate_between",
    "record_accounts",
    "record_assignments",
    "record_relationships",
    "record_subscriptions",
    "record_users",
    "set_rate",
]
