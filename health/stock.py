"""Ready-made configs: what a customer-success team starts from, for everybody, and for each stage and tier.

They were fixed in advance, from what holds for any product, and are not fitted to anybody's history (docs/foresight.md
says how well they would have foreseen). Why each limit is what it is:

* **Last seen**, 7 and 90 days. People work by the week, so a week of silence says nothing. After a quarter nobody
  counts on a product any more, whatever its use. In between each day counts alike.
* **Silence against the usual rhythm**, 1 and 5 times the mean distance of two active days. What a week means depends on
  the customer: nothing for one who comes twice a month, much for one who comes daily. If visits came by chance at an
  even rate, a silence of 5 times the mean would happen less than once in a hundred (e to the power of -5).
* **Active days in 90**, 13 and 1, and **in 180**, 26 and 2. Once a week is a habit; a single day in a quarter is a
  visit. A habit of half a year outlasts a holiday; the quarter shows that it ends.
* **Active users in 90 days**, 5 and 1. One person leaves, is ill or changes jobs; a team does not do so at once.
* **Share of the busiest user**, 50 and 90 %. Up to half of all use, as much is left when that person leaves; at nine
  tenths the customer is one person.
* **Kinds of events in 90 days**, 5 and 1. Who uses a product for one thing finds another that does it.
* **Licences in use**, 70 and 10 %: CustomerSuccessBox's own example. What is paid for and not used is not renewed.
* **Users of the year still active**, 75 and 25 %. Some people always come and go; three of four gone is an exodus.
* **Change of active days**, a quarter and a month against the one before, 0 and -50 %. Steady is good, growth is not
  asked for, half is an alarm. An account is measured by its own past, so size and season of a product play no part.
* **MRR on the quarter before**, 0 and -20 %, of strategic customers and of those in danger: who gives up a fifth of the
  contract has begun to leave. Whether small customers pay a little more or less says too little of the rest.
* **Renewal**, 120 and 14 days ahead: how long there is to do anything. **Last touchpoint**, a month and a quarter.
* **NPS answer**, 9 and 6 of 10: where promoters begin and detractors end. **CSAT**, 4 and 3 of 5: satisfied, and not.
  **Open tickets**, 1 and 5: one is work in hand, five are a queue.

Service knows nothing by itself: what a help desk or a survey says comes as the custom attributes `nps`, `csat` and
`open_tickets` (`SERVICE`). A ready-made config takes a fifth of the whole for it; a company that has none of the three
gets the config without it, which weighs the other dimensions among each other as with it.

A measure without data is left out, so one company may know nothing of licences or renewals and is scored by the rest:
usage alone is 56 % of the whole (70 % without Service), and 30 % are enough for a score. How much the product is used
weighs more than where that is heading, because changes of small numbers are mostly chance. Within adoption the steady
days weigh most, because they mean use by whomever; within momentum silence weighs as much as all changes together,
because it is what churn looks like.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Rule = dict[str, Any]
SEATS = "account.licences"
GAP = "account.usual_gap"


def _number(key: str, name: str, field: str, good: Any, poor: Any, weight: int = 1) -> Rule:
    return {"key": key, "name": name, "weight": weight, "field": field, "good": good, "poor": poor}


def _share(percent: int, of: str = SEATS) -> Rule:
    return {"percent": percent, "of": of}


def _dimension(key: str, name: str, weight: int, *measures: Rule) -> Rule:
    return {"key": key, "name": name, "weight": weight, "measures": list(measures)}


LICENCES = _number("licences", "Licences in use", "account.active_users_30d", _share(70), _share(10), 3)
STEADY = _number("steady", "Active days, 90 days", "account.active_days_90d", 13, 1, 2)
HABIT = _number("habit", "Active days, 180 days", "account.active_days_180d", 26, 2, 2)
DEPTH = _number("depth", "Kinds of events, 90 days", "account.event_kinds_90d", 5, 1)
BREADTH = _number("breadth", "Active users, 90 days", "account.active_users_90d", 5, 1, 2)
SPREAD = _number("spread", "Share of the busiest user", "account.busiest_user_90d", 50, 90)
RECENCY = _number("last-seen", "Last seen", "account.last_seen_at", 7, 90, 4)
RHYTHM = _number(
    "rhythm", "Silence against the usual rhythm", "account.last_seen_at", _share(100, GAP), _share(500, GAP)
)
KEPT = _number("kept", "Users of the year still active", "account.users_kept_90d", 75, 25)
QUARTER = _number("quarter", "Active days, on the quarter before", "account.active_days_change_90d", 0, -50)
MONTH = _number("month", "Active days, on the month before", "account.active_days_change_30d", 0, -50)
RENEWAL = _number("renewal", "Renewal date", "account.renews_on", -120, -14)
WORTH = _number("mrr-change", "MRR, on the quarter before", "account.mrr_change_90d", 0, -20)
TOUCHED = _number("touchpoint", "Last touchpoint", "account.last_touchpoint_at", 30, 90)
PULSE = _number("pulse", "CSM pulse", "account.pulse", 5, 1, 2)
TRIAL_END = _number("trial-end", "Trial end", "account.trial_ends_on", -14, 0)

ADOPTION = _dimension("adoption", "Product adoption", 45, LICENCES, STEADY, HABIT, BREADTH, DEPTH, SPREAD)
MOMENTUM = _dimension("momentum", "Momentum", 25, RECENCY, RHYTHM, KEPT, QUARTER, MONTH)
SERVICE = _dimension(
    "service",
    "Service",
    20,
    _number("nps", "NPS answer", "account.custom.nps", 9, 6),
    _number("csat", "CSAT", "account.custom.csat", 4, 3),
    _number("open-tickets", "Open tickets", "account.custom.open_tickets", 1, 5),
)
FINANCIAL = _dimension("financial", "Financial", 15, RENEWAL)
RELATIONSHIP = _dimension("relationship", "Relationship", 15, TOUCHED, PULSE)


def _with(*dimensions: Rule) -> Rule:
    return {"dimensions": list(dimensions), "bands": {"good": 70, "poor": 40}, "least_coverage": 30}


def served(definition: Rule) -> Rule:
    """The same with Service before Relationship, or last; the others keep their proportions."""
    left = 100 - SERVICE["weight"]
    rows = [row | {"weight": row["weight"] * left // 100} for row in definition["dimensions"]]
    place = next((i for i, row in enumerate(rows) if row["key"] == "relationship"), len(rows))
    return definition | {"dimensions": [*rows[:place], SERVICE, *rows[place:]]}


DEFAULT = _with(ADOPTION, MOMENTUM, FINANCIAL, RELATIONSHIP)
# A trial lasts weeks: whether they try it at all, several of them, and how much time is left. Nothing is paid yet, so
# there is no financial side.
TRIAL = _with(
    _dimension(
        "adoption",
        "Product adoption",
        60,
        _number("begun", "Active days, 30 days", "account.active_days_30d", 5, 0, 2),
        _number("tried-by", "Active users, 30 days", "account.active_users_30d", 3, 0, 2),
        _number("tried", "Kinds of events, 30 days", "account.event_kinds_30d", 5, 1),
    ),
    _dimension("momentum", "Momentum", 25, RECENCY | {"good": 2, "poor": 10}, TRIAL_END),
    _dimension("relationship", "Relationship", 15, TOUCHED | {"good": 7, "poor": 21}, PULSE),
)
# New customers have no renewal and no quarter behind them, so no financial side either: what counts is that they begin,
# more of them each week, and that somebody speaks with them.
ONBOARDING = _with(
    _dimension(
        "adoption",
        "Product adoption",
        45,
        LICENCES | {"good": _share(50)},
        _number("steady", "Active days, 30 days", "account.active_days_30d", 8, 0, 2),
        _number("breadth", "Active users, 30 days", "account.active_users_30d", 5, 0, 2),
    ),
    _dimension("momentum", "Momentum", 20, RECENCY | {"good": 3, "poor": 21}),
    _dimension("relationship", "Relationship", 35, TOUCHED | {"good": 7, "poor": 30, "weight": 2}, PULSE),
)
# For the largest customers silence is noticed sooner, renewals begin earlier, one busy person is more of a danger, and
# those who know them weigh more.
STRATEGIC = _with(
    _dimension(
        "adoption",
        "Product adoption",
        35,
        LICENCES,
        STEADY,
        HABIT,
        BREADTH | {"good": 10, "poor": 2},
        DEPTH,
        SPREAD | {"weight": 2},
    ),
    _dimension("momentum", "Momentum", 25, RECENCY | {"good": 3, "poor": 30}, RHYTHM, KEPT, QUARTER, MONTH),
    _dimension("financial", "Financial", 15, RENEWAL | {"good": -180, "poor": -30}, WORTH),
    _dimension("relationship", "Relationship", 25, TOUCHED | {"good": 14, "poor": 60}, PULSE),
)
# Many small customers and few talks: the product speaks for most of them. Where somebody does speak with one, a few
# times a year is enough; of the others nothing is known there, and the product decides alone.
TARGET = _with(
    _dimension("adoption", "Product adoption", 45, LICENCES, STEADY, HABIT, BREADTH | {"good": 3}, DEPTH, SPREAD),
    _dimension("momentum", "Momentum", 30, RECENCY, RHYTHM, KEPT, QUARTER, MONTH),
    _dimension("financial", "Financial", 15, RENEWAL),
    _dimension("relationship", "Relationship", 10, TOUCHED | {"good": 90, "poor": 365}, PULSE),
)
# Customers that are known to be in danger: only what happened lately says whether it turns.
AT_RISK = _with(
    _dimension("adoption", "Product adoption", 25, LICENCES, STEADY, BREADTH, SPREAD),
    _dimension("momentum", "Momentum", 40, RECENCY | {"good": 3, "poor": 30}, RHYTHM, QUARTER, MONTH | {"weight": 3}),
    _dimension("financial", "Financial", 10, RENEWAL, WORTH),
    _dimension("relationship", "Relationship", 25, TOUCHED | {"good": 7, "poor": 30}, PULSE),
)


@dataclass(frozen=True)
class ReadyMade:
    """A config to begin with. `rule` finds the accounts that it is meant for, None for everybody: the default one.

    `definition` has a Service dimension, whose attributes must be there to save it; `bare` is the same without it.
    """

    key: str
    name: str
    description: str
    bare: Rule
    rule: Rule | None = None

    @property
    def definition(self) -> Rule:
        """With Service."""
        return served(self.bare)


def _of(field: str, value: str) -> Rule:
    return {"match": "all", "rules": [{"field": field, "op": "is", "value": value}]}


def ready_made() -> list[ReadyMade]:
    """All of them: the default first, then those of the lifecycle stages, then those of the tiers.

    Stages go by their type and tiers by their key, as a new installation has them. Cancelled customers have none.
    """
    stage, level = "account.stage_type", "account.level"
    return [
        ReadyMade("default", "Default", "How steadily, by how many and how lately the product is used.", DEFAULT),
        ReadyMade(
            "trial", "Trial", "Whether they try it, how many of them, and the days left.", TRIAL, _of(stage, "trial"),
        ),
        ReadyMade(
            "onboarding", "Onboarding", "A good start: people come, and somebody speaks with them.", ONBOARDING,
            _of(stage, "onboarding"),
        ),
        ReadyMade(
            "live", "Live", "Adoption, momentum, renewal and relationship of running customers.", DEFAULT,
            _of(stage, "live"),
        ),
        ReadyMade(
            "strategic", "Strategic", "Silence is noticed sooner, and those who know them weigh more.", STRATEGIC,
            _of(level, "strategic"),
        ),
        ReadyMade(
            "qualified", "Qualified", "The usual balance of product, renewal and relationship.", DEFAULT,
            _of(level, "qualified"),
        ),
        ReadyMade("target", "Target", "Mostly by the product, for many with few talks.", TARGET, _of(level, "target")),
        ReadyMade("at-risk", "At risk", "What the last weeks say about a turn.", AT_RISK, _of(level, "at-risk")),
    ]  # fmt: skip
