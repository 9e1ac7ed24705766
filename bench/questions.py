"""The segments that are measured: each as a rule, and as the SQL that an engineer would write by hand for the same.

`a` is the account's row; %(today)s is the day of the run. The mix is that of a real company: attributes, custom values,
subscriptions, users, usage, segments inside segments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Question:
    """One segment; `{segment:N}` in the SQL is the id of the hand-made twin of segment N."""

    name: str
    rule: dict[str, Any]
    sql: str


def is_(field: str, op: str, value: Any = None) -> dict[str, Any]:
    """A condition."""
    return {"field": field, "op": op} | ({} if value is None else {"value": value})


def all_(*rules: Any) -> dict[str, Any]:
    """All of these."""
    return {"match": "all", "rules": list(rules)}


def any_(*rules: Any) -> dict[str, Any]:
    """Any of these."""
    return {"match": "any", "rules": list(rules)}


def span(n: int, unit: str = "day") -> dict[str, Any]:
    """A length of time."""
    return {"n": n, "unit": unit}


Maker = Callable[[int], tuple[str, dict[str, Any], str]]
_REL = "FROM accounts_relationship r WHERE r.account_id = a.id AND r.ended_at IS NULL"
_USER = "FROM accounts_relationship r JOIN accounts_enduser u ON u.id = r.user_id WHERE r.account_id = a.id AND r.ended_at IS NULL"
_SUB = "FROM accounts_subscription s WHERE s.account_id = a.id"
_ACTIVE = "s.status IN (SELECT key FROM accounts_subscriptionstatus WHERE kind = 'active')"
_USE = "FROM usage_accountusage g WHERE g.account_id = a.id"
_SEATS = "(a.attributes->>'seats')::numeric"

MAKERS: list[Maker] = [
    lambda i: ("MRR", all_(is_("account.mrr", "at_least", 5000 + i * 100)), f"a.mrr >= {5000 + i * 100}"),
    lambda i: (
        "industry and MRR",
        all_(is_("account.industry", "is", "Software"), is_("account.mrr", "more_than", 2000 + i)),
        f"lower(a.industry) = 'software' AND a.mrr > {2000 + i}",
    ),
    lambda i: (
        "industries",
        all_(is_("account.industry", "any_of", ["Retail", "Health", "Media"]), is_("account.licences", "at_least", 50 + i)),
        f"lower(a.industry) IN ('retail', 'health', 'media') AND a.licences >= {50 + i}",
    ),
    lambda i: (
        "name",
        all_(is_("account.name", "contains", f"{i % 10}a")),
        f"position('{i % 10}a' in a.name_folded) > 0",
    ),
    lambda i: (
        "not there",
        all_(is_("account.country", "none_of", ["Norway", "India"]), is_("account.licences", "more_than", 200 + i)),
        f"lower(a.country) NOT IN ('norway', 'india') AND a.licences > {200 + i}",
    ),
    lambda i: (
        "size",
        any_(is_("account.licences", "between", [10 + i, 60 + i]), is_("account.mrr", "less_than", 900)),
        f"a.licences BETWEEN {10 + i} AND {60 + i} OR a.mrr < 900",
    ),
    lambda i: (
        "renews soon",
        all_(is_("account.renews_on", "within_next", span(60 + i)), is_("account.stage_type", "is", "live")),
        f"a.renews_on BETWEEN %(today)s AND %(today)s + {60 + i}"
        " AND a.stage IN (SELECT key FROM accounts_lifecyclestage WHERE kind = 'live')",
    ),
    lambda i: (
        "old customers",
        all_(is_("account.customer_since", "more_than_ago", span(700 + i)), is_("account.level", "any_of", ["strategic", "target"])),
        f"a.customer_since < %(today)s - {700 + i} AND a.level IN ('strategic', 'target')",
    ),
    lambda i: (
        "region and seats",
        all_(is_("account.custom.region", "is", "EMEA"), is_("account.custom.seats", "at_least", 100 + i)),
        f"lower(a.attributes->>'region') = 'emea' AND {_SEATS} >= {100 + i}",
    ),
    lambda i: (
        "unhappy",
        any_(is_("account.custom.nps", "less_than", 20 + i / 2), is_("account.custom.nps", "is_not_set")),
        f"(a.attributes->>'nps')::numeric < {20 + i / 2} OR a.attributes->>'nps' IS NULL",
    ),
    lambda i: (
        "tags and pilot",
        any_(is_("account.custom.tags", "includes_any", ["beta", "gov"]), is_("account.custom.pilot", "is_true")),
        "jsonb_exists_any(a.attributes->'tags', array['beta', 'gov']) OR (a.attributes->>'pilot')::boolean",
    ),
    lambda i: (
        "went live",
        all_(is_("account.custom.go_live", "within_last", span(180 + i)), is_("account.custom.seats", "not_equals", 7)),
        f"(a.attributes->>'go_live')::date BETWEEN %(today)s - {180 + i} AND %(today)s AND {_SEATS} IS DISTINCT FROM 7",
    ),
    lambda i: ("has Pro", all_(is_("subscription.plan", "is", "Pro")), f"EXISTS (SELECT {_SUB} AND lower(s.plan) = 'pro')"),
    lambda i: (
        "all active",
        all_({"subscriptions": "all", "where": all_(is_("subscription.status_type", "is", "active"))}),
        f"EXISTS (SELECT {_SUB}) AND NOT EXISTS (SELECT {_SUB} AND NOT {_ACTIVE})",
    ),
    lambda i: (
        "no large contract",
        all_({"subscriptions": "none", "where": all_(is_("subscription.mrr", "more_than", 3000 + i))}),
        f"NOT EXISTS (SELECT {_SUB} AND s.mrr_base > {3000 + i})",
    ),
    lambda i: (
        "active contract ends",
        all_(
            {
                "subscriptions": "any",
                "where": all_(
                    is_("subscription.status_type", "is", "active"), is_("subscription.renews_on", "within_next", span(30 + i))
                ),
            }
        ),
        f"EXISTS (SELECT {_SUB} AND {_ACTIVE} AND s.renews_on BETWEEN %(today)s AND %(today)s + {30 + i})",
    ),
    lambda i: (
        "admin champion",
        all_(
            {
                "users": "any",
                "where": all_(is_("user.title", "contains", "admin"), is_("relationship.role", "is", "Champion")),
            },
            is_("account.mrr", "at_least", i),
        ),
        f"EXISTS (SELECT {_USER} AND position('admin' in lower(u.title)) > 0 AND lower(r.role) = 'champion') AND a.mrr >= {i}",
    ),
    lambda i: (
        "no sponsor",
        all_({"users": "none", "where": all_(is_("relationship.role", "is", "Sponsor"))}, is_("account.mrr", "more_than", i)),
        f"NOT EXISTS (SELECT {_REL} AND lower(r.role) = 'sponsor') AND a.mrr > {i}",
    ),
    lambda i: (
        "somebody was here",
        all_({"users": "any", "where": all_(is_("user.last_seen_at", "within_last", span(10 + i)))}),
        "EXISTS (SELECT FROM accounts_relationship r JOIN usage_useractivity v ON (v.account_id, v.user_id) = (r.account_id, r.user_id)"
        f" WHERE r.account_id = a.id AND r.ended_at IS NULL AND v.last_seen_at >= %(today)s - {10 + i} AND v.last_seen_at < %(today)s + 1)",
    ),
    lambda i: (
        "two users",
        all_({"users": {"at_least": 2}, "where": all_(is_("relationship.role", "is", "User"))}),
        "a.id IN (SELECT account_id FROM accounts_relationship WHERE ended_at IS NULL AND lower(role) = 'user'"
        " GROUP BY account_id HAVING count(*) >= 2)",
    ),
    lambda i: (
        "half of users",
        all_({"users": {"at_least_percent": 50}, "where": all_(is_("user.email", "ends_with", ".com"))}),
        "a.id IN (SELECT r.account_id FROM accounts_relationship r JOIN accounts_enduser u ON u.id = r.user_id WHERE r.ended_at IS NULL"
        " GROUP BY r.account_id HAVING 2 * count(*) FILTER (WHERE right(lower(u.email), 4) = '.com') >= count(*))",
    ),
    lambda i: (
        "adoption",
        all_(is_("account.active_users_30d", "at_least", {"percent": 50 + i, "of": "account.licences"})),
        f"coalesce((SELECT g.active_users_30d {_USE}), 0) >= a.licences * {(50 + i) / 100}",
    ),
    lambda i: (
        "quiet",
        any_(is_("account.events_30d", "at_most", 50 + i), is_("account.last_seen_at", "more_than_ago", span(60))),
        f"coalesce((SELECT g.events_30d {_USE}), 0) <= {50 + i} OR EXISTS (SELECT {_USE} AND g.last_seen_at < %(today)s - 60)",
    ),
    lambda i: (
        "steady",
        all_(is_("account.active_days_30d", "between", [5, 15 + i % 10]), is_("account.status", "is", "customer")),
        f"EXISTS (SELECT {_USE} AND g.active_days_30d BETWEEN 5 AND {15 + i % 10}) AND a.status = 'customer'",
    ),
    lambda i: (
        "mine",
        all_(is_("team.csm", "any_of", [f"person-{1 + i % 40}", f"person-{1 + (i + 1) % 40}"])),
        "EXISTS (SELECT FROM accounts_assignment t JOIN accounts_teammember m ON m.id = t.member_id WHERE t.account_id = a.id"
        f" AND t.ended_at IS NULL AND t.role = 'csm' AND m.key IN ('person-{1 + i % 40}', 'person-{1 + (i + 1) % 40}'))",
    ),
    lambda i: (
        "in another",
        all_({"segment": "ours-0", "op": "in"}, is_("account.industry", "is_not", "Travel")),
        "EXISTS (SELECT FROM segments_accountmembership k WHERE k.account_id = a.id AND k.left_at IS NULL AND k.segment_id = {segment:0})"
        " AND lower(a.industry) <> 'travel'",
    ),
    lambda i: (
        "not in another",
        all_({"segment": "ours-8", "op": "not_in"}, any_(is_("account.mrr", "at_least", 9000), is_("account.licences", "at_least", 300))),
        "NOT EXISTS (SELECT FROM segments_accountmembership k WHERE k.account_id = a.id AND k.left_at IS NULL"
        " AND k.segment_id = {segment:8}) AND (a.mrr >= 9000 OR a.licences >= 300)",
    ),
    lambda i: (
        "many ways to be in trouble",
        any_(
            all_(is_("account.stage", "is", "onboarding"), is_("account.customer_since", "more_than_ago", span(90 + i))),
            {"subscriptions": "any", "where": all_(is_("subscription.status_type", "is", "suspended"))},
            is_("subscription.mrr", "less_than", 20),
        ),
        f"(a.stage = 'onboarding' AND a.customer_since < %(today)s - {90 + i}) OR EXISTS (SELECT {_SUB} AND (s.mrr_base < 20"
        " OR s.status IN (SELECT key FROM accounts_subscriptionstatus WHERE kind = 'suspended')))",
    ),
    lambda i: (
        "none of these",
        {"match": "none", "rules": [is_("account.stage_type", "is", "cancelled"), is_("account.custom.region", "is", "APAC")]},
        "NOT EXISTS (SELECT FROM accounts_lifecyclestage l WHERE l.key = a.stage AND l.kind = 'cancelled')"
        " AND lower(a.attributes->>'region') IS DISTINCT FROM 'apac'",
    ),
    lambda i: ("renews this quarter", all_(is_("account.renews_on", "this_quarter")),
               "a.renews_on >= date_trunc('quarter', %(today)s)::date"
               " AND a.renews_on < (date_trunc('quarter', %(today)s) + interval '3 months')::date"),
]  # fmt: skip


def questions(number: int) -> list[Question]:
    """So many questions; past the end the makers begin again with other figures."""
    found = []
    for i in range(number):
        name, rule, sql = MAKERS[i % len(MAKERS)](i)
        found.append(Question(f"{name} {i}", rule, sql))
    return found
