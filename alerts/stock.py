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
from alerts.editing import Assigning, save_alert_rule
from alerts.models import AlertRule
from alerts.models.alert import Severity
from core.names import free_name
from segments.questions import Reader
from segments.written import Rule, days, either, every, is_, number_now, share

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


_LIVE = is_("account.stage_type", "is", "live")
_ACTIVE, _CHANGE = "account.active_users_30d", "account.active_days_change_30d"

STOCK: tuple[StockRule, ...] = (
    StockRule(
        "renewal-poor", "Renewal near, health Poor", "Renewal", Severity.CRITICAL,
        "Renews within 90 days, and its health is Poor.",
        "Renews on {{ account.renews_on }} with a health score of {{ health.score }}",
        every(_LIVE, is_("account.renews_on", "within_next", days(90)), is_("health.band", "is", "poor")),
        either(is_("health.band", "is", "good"), is_("account.renews_on", "more_than_ahead", days(90))),
        {"hold_days": 1, "cooldown_days": 14},
    ),
    StockRule(
        "silent", "Silent account", "Risk", Severity.HIGH, "A live customer that nobody used for two weeks.",
        "Nobody was seen since {{ account.last_seen_at }}",
        every(_LIVE, is_("account.last_seen_at", "more_than_ago", days(14))),
        every(is_("account.active_days_30d", "at_least", 3)),
        {"cooldown_days": 7},
    ),
    StockRule(
        "usage-halved", "Usage halved", "Risk", Severity.HIGH,
        "At most half the active days of the month before, where there was use to lose.",
        "Active days changed by {{ account.active_days_change_30d }} in a month",
        every(_LIVE, is_(_CHANGE, "at_most", -50), is_("account.active_days_90d", "at_least", 8)),
        every(is_(_CHANGE, "at_least", -20)),
        {"hold_days": 3, "cooldown_days": 14},
    ),
    StockRule(
        "sole-user", "Sole user", "Risk", Severity.MEDIUM,
        "Several licences, and for a week only one person who used the product in 30 days.",
        "One active user of {{ account.licences }} licences",
        every(_LIVE, is_(_ACTIVE, "equals", 1), is_("account.licences", "more_than", 1)),
        every(is_(_ACTIVE, "at_least", 3)),
        {"hold_days": 7, "cooldown_days": 30},
    ),
    StockRule(
        "onboarding-overdue", "Onboarding overdue", "Onboarding", Severity.HIGH,
        "A customer for more than 45 days, and still being onboarded.",
        "Customer since {{ account.customer_since }} and not live yet",
        every(
            is_("account.stage_type", "is", "onboarding"),
            is_("account.customer_since", "more_than_ago", days(45)),
        ),
        None,
        {"refire": AlertRule.Refire.NEVER},
    ),
    StockRule(
        "licences-full", "Licences nearly used up", "Upselling", Severity.LOW,
        "At least 90% of the licences were used in 30 days.",
        "{{ account.active_users_30d }} active users of {{ account.licences }} licences",
        every(_LIVE, is_(_ACTIVE, "at_least", share(90, "account.licences")), is_("account.licences", "at_least", 5)),
        every(is_(_ACTIVE, "at_most", share(75, "account.licences"))),
        {"hold_days": 3, "cooldown_days": 30},
    ),
    StockRule(
        "trial-ending", "Trial about to end", "Onboarding", Severity.MEDIUM, "A trial that ends within a week.",
        "The trial ends on {{ account.trial_ends_on }}, with {{ account.active_users_7d }} active users this week",
        every(
            is_("account.stage_type", "is", "trial"), is_("account.trial_ends_on", "within_next", days(7)),
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
        taken = next((rule for rule in rules if rule.condition == stock.condition), None)
        found.append(RuleOffer(stock, question.words, number_now(question, viewer), taken))
    return found


def take_stock_rule(key: str, *, author: Any = None, include_existing: bool = False) -> AlertRule:
    """Make an ordinary rule of a stock one, under its name or the first free one, for the CSM of each account. Raises
    LookupError for no such rule."""
    stock = next((one for one in STOCK if one.key == key), None)
    if stock is None:
        raise LookupError(key)
    return save_alert_rule(
        None,
        name=free_name(stock.name, AlertRule.objects.all()),
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
