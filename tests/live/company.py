"""A small company with rules that look at all that can change, and its state as it is compared."""

from __future__ import annotations

from typing import Any

from accounts.models import Account, AccountLevel
from health.editing import save_config
from health.models import AccountHealth
from segments.editing import save_segment
from segments.levels.deciding import save_level_rule
from segments.models import AccountMembership, Segment, UserMembership
from usage.models import AccountTraits, AccountUsage, ActiveMonth, DailyUsage, EventName, UserActivity, UserTraits
from usage.traits.editing import save_trait


def is_(field: str, op: str, value: Any = None) -> dict[str, Any]:
    node = {"field": field, "op": op}
    return node if value is None else node | {"value": value}


def happened(event: str, value: int, **more: Any) -> dict[str, Any]:
    return {"event": event, "op": "at_least", "value": value, "window": {"last": 7, "unit": "day"}} | more


def all_(*rules: Any) -> dict[str, Any]:
    return {"match": "all", "rules": list(rules)}


RULES: dict[str, Any] = {
    "pays": all_(is_("account.mrr", "at_least", 100)),
    "plan": all_({"subscriptions": "any", "where": all_(is_("subscription.plan", "is", "Pro"))}),
    "busy": all_(happened("Export", 3)),
    "never": all_({"event": "Export", "op": "never", "window": "ever"}),
    "few": all_({"event": "Login", "op": "at_most", "value": 1, "window": {"last": 30, "unit": "day"}}),
    "pages": all_(happened("Export", 1, where=all_(is_("event.properties.pages", "at_least", 5)))),
    "anywhere": all_(happened("Login", 2, anywhere=True)),
    "somebody": all_({"users": "any", "where": all_(happened("Login", 2))}),
    "admins": all_({"users": {"at_least": 2}, "where": all_(is_("user.title", "is", "Admin"))}),
    "half": all_({"users": {"at_least_percent": 50}, "where": all_(is_("relationship.role", "is", "Champion"))}),
    "seen": all_(is_("account.last_seen_at", "within_last", {"n": 3, "unit": "day"})),
    "active": all_(is_("account.active_users_7d", "at_least", 1)),
    "spoken": all_(is_("account.last_touchpoint_at", "is_set")),
    "follows": all_({"segment": "busy", "op": "in"}, {"segment": "pays", "op": "not_in"}),
    "exports": all_(is_("account.trait.exports", "at_least", 2)),
    "engaged": all_(is_("account.trait.engagement", "at_least", 50)),
    "level": all_(is_("account.level", "is", "strategic")),
    # Through its user an account moves when another account of that user does.
    "with-heavy-user": all_({"users": "any", "where": all_({"segment": "heavy-users", "op": "in"})}),
    "poor": all_(is_("health.band", "is", "poor")),
    "low": all_(is_("health.score", "at_most", 50), is_("account.pulse", "is_not_set")),
}
OF_USERS: dict[str, Any] = {
    "heavy-users": all_(happened("Export", 2), is_("account.mrr", "at_least", 50)),
    "at-poor": all_(is_("health.band", "is", "poor")),
}


def _measure(key: str, **more: Any) -> dict[str, Any]:
    return {"key": key, "name": key, "weight": 1} | more


def _health(*measures: dict[str, Any]) -> dict[str, Any]:
    return {"dimensions": [{"key": "all", "name": "All", "weight": 100, "measures": list(measures)}]}


HEALTH = {
    "": _health(
        _measure("active", field="account.active_users_30d", good=2, poor=0),
        _measure("exports", good=all_(happened("Export", 2)), poor=all_(happened("Login", 3))),
        _measure("pulse", field="account.pulse", good=5, poor=1),
    ),
    "with-heavy-user": _health(
        _measure("mrr", field="account.mrr", good=150, poor=0),
        _measure("score", field="account.trait.engagement", good=100, poor=1),
    ),
}


def furnish() -> None:
    """Traits, a level by rule, every segment, and health."""
    for name in ("Export", "Login"):
        EventName.objects.create(name=name)
    weights = [{"event": "Export", "weight": 3}, {"event": "Login", "weight": 1}]
    save_trait(None, name="Exports", method="count", definition={"event": "Export"})
    save_trait(None, name="Engagement", method="engagement", definition={"weights": weights})
    save_trait(None, name="Pages", method="sum", definition={"event": "Export", "property": "pages"}, subject="user")
    save_level_rule(AccountLevel.objects.get(key="strategic"), rule=all_(happened("Export", 4)))
    for key, rule in OF_USERS.items():
        save_segment(None, key=key, name=key.title(), rule=rule, subject="user")
    for key, rule in RULES.items():
        save_segment(None, key=key, name=key.title(), rule=rule)
    for key, definition in HEALTH.items():
        save_config(None, name="", definition=definition, segment=Segment.objects.filter(key=key).first())


def state() -> dict[str, Any]:
    """Everything that is derived, by names and not by row numbers."""
    who = ("account__external_id", "user__external_id")
    usage = ("active_users_7d", "active_users_30d", "events_30d", "active_days_30d", "first_seen_at", "last_seen_at")
    return {
        "members": sorted(
            AccountMembership.objects.filter(left_at=None).values_list("segment__key", "account__external_id")
        ),
        "users": sorted(UserMembership.objects.filter(left_at=None).values_list("segment__key", "user__external_id")),
        "health": sorted(
            AccountHealth.objects.filter(account__archived_at=None).values_list(
                "account__external_id", "config__name", "score", "band", "coverage"
            ),
            key=str,
        ),
        "segments": sorted(Segment.everything.values_list("key", "member_count", "contract_value", "error")),
        "usage": sorted(AccountUsage.objects.values_list("account__external_id", *usage), key=str),
        "days": sorted(DailyUsage.objects.values_list(*who, "name__name", "day", "count", "absent"), key=str),
        "months": sorted(ActiveMonth.objects.values_list(*who, "month", "days"), key=str),
        "activity": sorted(UserActivity.objects.values_list(*who, "first_seen_at", "last_seen_at"), key=str),
        "traits": sorted(
            (
                (a, s, f)
                for a, s, f in AccountTraits.objects.values_list("account__external_id", "shown", "folded")
                if s
            ),
            key=str,
        ),
        "user traits": sorted(
            (
                row
                for row in UserTraits.objects.values_list("account__external_id", "user__external_id", "shown")
                if row[-1]
            ),
            key=str,
        ),
        "accounts": sorted(
            Account.objects.values_list("external_id", "mrr", "plan", "level", "renews_on", "licences"), key=str
        ),
    }
