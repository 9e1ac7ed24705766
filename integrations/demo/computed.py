"""The traits and the level rule of the invented company, and one account that a person put into a segment."""

from __future__ import annotations

from typing import Any

from accounts.models import Account, AccountLevel
from integrations.demo import judging
from integrations.demo.company import Customer
from integrations.demo.questions import SILENT, condition, every
from segments.levels.deciding import save_level_rule
from segments.models import Pin, Segment
from segments.pinning import pin_member
from usage.traits.editing import save_trait
from usage.traits.models import Trait

MONTH = {"last": 30, "unit": "day"}
USED = {"event": "Signed In", "op": "at_least", "value": 10, "window": MONTH}
EXPORTED = {"event": "Report Exported", "op": "at_least", "value": 1, "window": "ever"}
CHAMPION = {"users": "any", "where": every(condition("relationship.role", "is", "champion"))}

TRAITS: list[tuple[str, str, str, str, dict[str, Any]]] = [
    ("Reports exported, 30 days", "How often the main feature was used.", "account", "count",
     {"event": "Report Exported", "window": MONTH}),
    ("Usual format", "The format in which most reports were exported.", "account", "most_frequent",
     {"event": "Report Exported", "property": "format", "window": "ever"}),
    ("MRR per licence", "What a licence brings in a month.", "account", "ratio",
     {"left": "account.mrr", "right": "account.licences"}),
    ("Months as a customer", "Whole months since the first contract.", "account", "tenure",
     {"since": "account.customer_since", "unit": "month"}),
    ("Engagement", "Events of 30 days, weighted, against the busiest tenth of all accounts.", "account", "engagement",
     {"weights": [{"event": "Report Exported", "weight": 5}, {"event": "Signed In", "weight": 1}], "days": 30,
      "bands": [{"name": "Low", "from": 1}, {"name": "Medium", "from": 34}, {"name": "High", "from": 67}]}),
    ("Activation", "Signed in ten times, exported a report, has a champion.", "account", "activation",
     {"rule": every(USED, EXPORTED, CHAMPION)}),
    ("Sign-ins, 30 days", "How often this person came.", "user", "count", {"event": "Signed In", "window": MONTH}),
]  # fmt: skip


def compute(author: Any) -> int:
    """Save the traits, each with its values, and the rule of one level; returns how many traits were made."""
    if Trait.objects.exists():
        return 0
    for name, words, subject, method, definition in TRAITS:
        save_trait(
            None, name=name, description=words, subject=subject, method=method, definition=definition, author=author
        )
    judging.configure(author)
    level = AccountLevel.objects.filter(key="at-risk").first()
    if level is not None:
        save_level_rule(level, rule=every(condition("account.stage_type", "is", "live"), SILENT), author=author)
    return len(TRAITS)


def keep_an_eye_on(customers: list[Customer], author: Any) -> None:
    """Pin the largest of the customers with nothing wrong into “At risk”: the rule cannot know what they said."""
    segment = Segment.objects.filter(name="At risk").first()
    content = [customer for customer in customers if customer.habit == "steady"]
    if segment is None or not content or Pin.objects.exists():
        return
    largest = max(content, key=lambda customer: (customer.mrr, customer.id))
    pin_member(
        segment,
        Account.objects.get(external_id=largest.id),
        kind=Pin.Kind.IN,
        reason="Their new director compares us with a rival.",
        author=author,
    )
