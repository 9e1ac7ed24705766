"""Ready-made segments: questions that most companies ask, as plain rules. Taking one makes an ordinary segment.

Standard and suggested ones are the same for everybody; tiers, verticals, geography and roles follow from the levels
that the company keeps, from the industries and countries of its accounts and from the roles of its users.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Max, QuerySet
from django.utils.text import slugify

from accounts.fields import Subject
from accounts.models import Account, AccountLevel, Relationship
from core.names import free_name
from segments.editing import save_segment
from segments.models import Segment
from segments.questions import Reader
from segments.rules.tree import to_json
from segments.written import Rule, days, every, is_, number_now, share

MOST_VALUES = 6  # industries and countries that are offered, the most common first


@dataclass(frozen=True)
class Preset:
    """A rule that is offered under a name; `key` names it in links and over the API, `subject` is what it is about."""

    key: str
    name: str
    group: str
    description: str
    rule: Rule
    subject: Subject = Subject.ACCOUNT


@dataclass(frozen=True)
class Offer:
    """A preset as it is shown: its words, how many accounts or users match now (None: counting took too long), and the
    segment that has this very rule already."""

    preset: Preset
    words: str
    count: int | None
    taken: Segment | None


STANDARD, SUGGESTED, TIERS, VERTICALS, GEOGRAPHY = "Standard", "Suggested", "Tiers", "Verticals", "Geography"
USERS, ROLES = "Users", "Users by role"
_PAYING = is_("account.stage_type", "any_of", ["onboarding", "live"])
_NOW, _QUARTER = "account.active_users_30d", "account.active_users_90d"

FIXED: tuple[Preset, ...] = (
    Preset("all-accounts", "All accounts", STANDARD, "Every account that is not archived.", every()),
    Preset(
        "active-accounts", "Active accounts", STANDARD, "Customers who are being onboarded or live.", every(_PAYING)
    ),
    Preset(
        "new-customers",
        "New customers",
        STANDARD,
        "Customers since at most 90 days.",
        every(_PAYING, is_("account.customer_since", "within_last", days(90))),
    ),
    Preset(
        "in-trial", "In trial", STANDARD, "Trying the product now.", every(is_("account.stage_type", "is", "trial"))
    ),
    Preset(
        "renewal-soon",
        "Renewal soon",
        STANDARD,
        "Contracts that renew within 90 days.",
        every(_PAYING, is_("account.renews_on", "within_next", days(90))),
    ),
    Preset(
        "high-engagement",
        "High engagement",
        SUGGESTED,
        "At least 70% of the licences were used in 30 days.",
        every(_PAYING, is_(_NOW, "at_least", share(70, "account.licences"))),
    ),
    Preset(
        "low-engagement",
        "Low engagement",
        SUGGESTED,
        "Somebody uses it, but less than 30% of the licences in 30 days.",
        every(_PAYING, is_(_NOW, "at_least", 1), is_(_NOW, "less_than", share(30, "account.licences"))),
    ),
    Preset(
        "usage-rising",
        "Usage rising",
        SUGGESTED,
        "Nearly everybody who was active in 90 days was active in the last 30, and most of them this week.",
        every(
            _PAYING,
            is_(_NOW, "at_least", 2),
            is_(_NOW, "at_least", share(90, _QUARTER)),
            is_("account.active_users_7d", "at_least", share(70, _NOW)),
        ),
    ),
    Preset(
        "usage-falling",
        "Usage falling",
        SUGGESTED,
        "At most half of those who were active in 90 days were active in the last 30.",
        every(_PAYING, is_(_NOW, "at_least", 1), is_(_NOW, "at_most", share(50, _QUARTER))),
    ),
    Preset(
        "silent",
        "Silent",
        SUGGESTED,
        "Nobody was seen for two weeks.",
        every(_PAYING, is_("account.last_seen_at", "more_than_ago", days(14))),
    ),
    Preset(
        "sole-user-risk",
        "Sole-user risk",
        SUGGESTED,
        "Several licences, and one person who used the product in 30 days.",
        every(_PAYING, is_(_NOW, "equals", 1), is_("account.licences", "more_than", 1)),
    ),
)

_SEEN = "user.last_seen_at"
_SEEN_LATELY = is_(_SEEN, "within_last", days(30))


def _users(key: str, name: str, description: str, *rules: Rule) -> Preset:
    return Preset(key, name, USERS, description, every(*rules), Subject.USER)


OF_USERS: tuple[Preset, ...] = (
    _users("all-users", "All users", "Everybody, in whatever account."),
    _users("active-users", "Active users", "Seen in one of their accounts in 30 days.", _SEEN_LATELY),
    _users(
        "new-users",
        "New users",
        "Seen for the first time in the last 30 days.",
        is_("user.first_seen_at", "within_last", days(30)),
    ),
    _users(
        "silent-users",
        "Silent users",
        "In the account of a customer, and not seen there for 30 days.",
        _PAYING,
        is_(_SEEN, "more_than_ago", days(30)),
    ),
    _users(
        "unseen-users",
        "Users never seen",
        "In the account of a customer, and never seen there.",
        _PAYING,
        is_(_SEEN, "is_not_set"),
    ),
    _users(
        "renewal-users",
        "Users before a renewal",
        "Active people of customers whose contract renews within 90 days.",
        _PAYING,
        is_("account.renews_on", "within_next", days(90)),
        _SEEN_LATELY,
    ),
)


def presets() -> list[Preset]:
    """Everything that is on offer, group by group, those about users last."""
    live = Account.objects.live()
    found = [*FIXED, *_tiers(), *_common(live, "industry", VERTICALS), *_common(live, "country", GEOGRAPHY)]
    here = Relationship.objects.open().filter(account__archived_at__isnull=True)
    return [*found, *OF_USERS, *_common(here, "role", ROLES, Subject.USER)]


def _tiers() -> list[Preset]:
    found = [
        Preset(
            f"tier-{level.key}"[:80],
            str(level.name),
            TIERS,
            f"Accounts of the level {level.name}.",
            every(is_("account.level", "is", level.key)),
        )
        for level in AccountLevel.objects.all()
    ]
    none = every(_PAYING, is_("account.level", "is_not_set"))
    return [*found, Preset("tier-none", "No level yet", TIERS, "Customers that nobody has given a level.", none)]


def _common(rows: QuerySet[Any], column: str, group: str, subject: Subject = Subject.ACCOUNT) -> list[Preset]:
    """One preset for each of the most common values of a text, spellings that differ in case taken together."""
    known = rows.exclude(**{column: ""}).order_by().values(f"folded__{column}")
    by_size = known.annotate(n=Count("pk"), written=Max(column)).order_by("-n", "written")
    owner = "account" if subject is Subject.ACCOUNT else "relationship"
    return [
        Preset(
            f"{slugify(group)}-{slugify(row['written']) or number}"[:80],
            row["written"] if subject is Subject.ACCOUNT else f"{column.capitalize()}: {row['written']}",
            group,
            f"{subject.many.capitalize()} whose {column} is {row['written']}.",
            every(is_(f"{owner}.{column}", "is", row["written"])),
            subject,
        )
        for number, row in enumerate(by_size[:MOST_VALUES])
    ]


def offers(viewer: Any = None, only: str = "") -> list[Offer]:
    """What is on offer, counted among what a colleague may see (None: all); with `only`, that preset alone."""
    reader = Reader.now()
    taken = {(segment.subject, _written(segment.rule)): segment for segment in Segment.objects.all()}
    found = []
    for preset in presets():
        if only and preset.key != only:
            continue
        question = reader.read(preset.rule, subject=preset.subject)
        same = taken.get((preset.subject.value, _written(to_json(question.rule))))
        found.append(Offer(preset, question.words, number_now(question, viewer), same))
    return found


def _written(rule: Rule) -> str:
    """The same text for the same rule, in whatever order its keys were stored."""
    return json.dumps(rule, sort_keys=True)


def take_preset(key: str, *, author: Any = None) -> Segment:
    """Make an ordinary segment of a preset, under its name or the first free one. Raises LookupError for no preset."""
    preset = next((found for found in presets() if found.key == key), None)
    if preset is None:
        raise LookupError(key)
    return save_segment(
        None,
        name=free_name(preset.name, Segment.objects.all()),
        rule=preset.rule,
        subject=preset.subject,
        description=preset.description,
        author=author,
        reason="Taken from the gallery",
    )
