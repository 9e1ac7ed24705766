"""Ready-made alert rules: what most customer-success teams want to be told. Taking one makes an ordinary rule.

They were fixed in advance and are not fitted to anybody's history (`make alert-quality` measures how they did on two).
Why each is what it is:

* **Renewal near, health Poor**: a quarter is how long there is to do anything. It clears when the account is Good, or
  has renewed: an account that climbs to Average is still worth the talk.
* **Silent account**, two weeks: longer than a week of holiday, short enough to call. One visit is no return, so it
  clears after three active days within a month.
* **Usage halved**: half the active days of the month before, for three days so that a long weekend raises none, and
  only where there was use to lose. It clears at a fifth below, so that noise around the half does not flap.
* **Sole user**: with that person goes all use. A week of hold, because a second one may just be away.
* **Onboarding overdue**: 45 days are half of the first quarter. Once for an account: it is onboarded once.
* **Licences nearly used up**: at nine of ten the next colleague finds no licence. It clears at three quarters.
* **Trial about to end**: a week is time for one more talk.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from accounts.models import AssignmentRole
from alerts.editing import Assigning, free_rule_name, save_alert_rule
from alerts.models import AlertRule
from alerts.models.alert import Severity
from segments.questions import PREVIEW_LIMIT_MS, PreviewTooSlow, Reader, bounded

Rule = dict[str, Any]
ROLE = "csm"
REASON = "Taken from the gallery"


@dataclass(frozen=True)
class StockRule:
    """A rule that is offered under a name; `times` are those of an alert rule, `key` names it in links."""

    key: str
    name: str
    type: str
    severity: str
    description: str
    message: str
    condition: Rule
    clear: Rule | None = None
    times: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RuleOffer:
    """A stock rule as it is shown: its words, for how many accounts it holds now (None: not counted in time), and the
    rule that has this very condition already."""

    stock: StockRule
    words: str
    count: int | None
    taken: AlertRule | None


def _is(field: str, op: str, value: Any = None) -> Rule:
    return {"field": field, "op": op} | ({} if value is None else {"value": value})


def _every(*rules: Rule) -> Rule:
    return {"match": "all", "rules": list(rules)}


def _any(*rules: Rule) -> Rule:
    return {"match": "any", "rules": list(rules)}


def _days(number: int) -> Rule:
    return {"n": number, "unit": "day"}


def _share(percent: int, of: str = "account.licences") -> Rule:
    return {"percent": percent, "of": of}


_LIVE = _is("account.stage_type", "is", "live")
_ACTIVE, _CHANGE = "account.active_users_30d", "account.active_days_change_30d"

STOCK: tuple[StockRule, ...] = (
    StockRule(
        "renewal-poor", "Renewal near, health Poor", "Renewal", Severity.CRITICAL,
        "Renews within 90 days, and its health is Poor.",
        "Renews on {{ account.renews_on }} with a health score of {{ health.score }}",
        _every(_LIVE, _is("account.renews_on", "within_next", _days(90)), _is("health.band", "is", "poor")),
        _any(_is("health.band", "is", "good"), _is("account.renews_on", "more_than_ahead", _days(90))),
        {"hold_days": 1, "cooldown_days": 14},
    ),
    StockRule(
        "silent", "Silent account", "Risk", Severity.HIGH, "A live customer that nobody used for two weeks.",
        "Nobody was seen since {{ account.last_seen_at }}",
        _every(_LIVE, _is("account.last_seen_at", "more_than_ago", _days(14))),
        _every(_is("account.active_days_30d", "at_least", 3)),
        {"cooldown_days": 7},
    ),
    StockRule(
        "usage-halved", "Usage halved", "Risk", Severity.HIGH,
        "At most half the active days of the month before, where there was use to lose.",
        "Active days changed by {{ account.active_days_change_30d }} in a month",
        _every(_LIVE, _is(_CHANGE, "at_most", -50), _is("account.active_days_90d", "at_least", 8)),
        _every(_is(_CHANGE, "at_least", -20)),
        {"hold_days": 3, "cooldown_days": 14},
    ),
    StockRule(
        "sole-user", "Sole user", "Risk", Severity.MEDIUM,
        "Several licences, and for a week only one person who used the product in 30 days.",
        "One active user of {{ account.licences }} licences",
        _every(_LIVE, _is(_ACTIVE, "equals", 1), _is("account.licences", "more_than", 1)),
        _every(_is(_ACTIVE, "at_least", 3)),
        {"hold_days": 7, "cooldown_days": 30},
    ),
    StockRule(
        "onboarding-overdue", "Onboarding overdue", "Onboarding", Severity.HIGH,
        "A customer for more than 45 days, and still being onboarded.",
        "Customer since {{ account.customer_since }} and not live yet",
        _every(
            _is("account.stage_type", "is", "onboarding"),
            _is("account.customer_since", "more_than_ago", _days(45)),
        ),
        None,
        {"refire": AlertRule.Refire.NEVER},
    ),
    StockRule(
        "licences-full", "Licences nearly used up", "Upselling", Severity.LOW,
        "At least 90% of the licences were used in 30 days.",
        "{{ account.active_users_30d }} active users of {{ account.licences }} licences",
        _every(_LIVE, _is(_ACTIVE, "at_least", _share(90)), _is("account.licences", "at_least", 5)),
        _every(_is(_ACTIVE, "at_most", _share(75))),
        {"hold_days": 3, "cooldown_days": 30},
    ),
    StockRule(
        "trial-ending", "Trial about to end", "Onboarding", Severity.MEDIUM, "A trial that ends within a week.",
        "The trial ends on {{ account.trial_ends_on }}, with {{ account.active_users_7d }} active users this week",
        _every(
            _is("account.stage_type", "is", "trial"), _is("account.trial_ends_on", "within_next", _days(7)),
        ),
        None,
        {"refire": AlertRule.Refire.NEVER},
    ),
)  # fmt: skip


def offers(viewer: Any = None) -> list[RuleOffer]:
    """What is on offer, counted among what a colleague may see (None: all)."""
    reader, rules = Reader.now(), list(AlertRule.objects.all())
    found = []
    for stock in STOCK:
        question = reader.read(stock.condition)
        base = question.members.live() if viewer is None else question.members.seen_by(viewer)
        try:
            with bounded(PREVIEW_LIMIT_MS):
                count: int | None = question.matching(base).count()
        except PreviewTooSlow:
            count = None
        taken = next((rule for rule in rules if rule.condition == stock.condition), None)
        found.append(RuleOffer(stock, question.words, count, taken))
    return found


def take_stock_rule(key: str, *, author: Any = None, include_existing: bool = False) -> AlertRule:
    """Make an ordinary rule of a stock one, under its name or the first free one, for the CSM of each account. Raises
    LookupError for no such rule."""
    stock = next((one for one in STOCK if one.key == key), None)
    if stock is None:
        raise LookupError(key)
    return save_alert_rule(
        None,
        name=free_rule_name(stock.name),
        message=stock.message,
        type=stock.type,
        severity=stock.severity,
        condition=stock.condition,
        clear=stock.clear,
        include_existing=include_existing,
        assigning=Assigning(role=AssignmentRole.objects.filter(key=ROLE).first()),
        author=author,
        reason=REASON,
        **stock.times,
    )
