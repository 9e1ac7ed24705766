"""Every value of accounts and subscriptions with the instant from which csbox knew it, in tables of the session.

A change counts from the later of two instants: when it was true by its sender's clock, and when it was recorded. So a
correction that came yesterday does not change what was known last month. What came with the first load of a row, within
a day of the first thing that was recorded about it, is its history and counts from its own time. A value that was never
recorded (a row that was written past the facts) counts from the row's creation.

    past_change   subject, object_id, key, value, folded, since, place: of what is needed
    past_account  id, came: the first day that anything is known of
    past_state_account, past_state_subscription  what was known on the day in hand (see accounts.past.rows)
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import connection

from accounts.facts import ACCOUNT, SUBSCRIPTION
from accounts.facts.shapes import Shape
from core.clock import Moment
from core.intake import fold
from core.shadow import forget, session_table

CHANGES, ACCOUNTS = "past_change", "past_account"
STATES = {ACCOUNT.subject: "past_state_account", SUBSCRIPTION.subject: "past_state_subscription"}
MRR_CHANGES = ("mrr_change_30d", "mrr_change_90d")
BILLED = (  # made of subscriptions
    "mrr", "licences", "plan", "renews_on", "trial_starts_on", "trial_ends_on", *MRR_CHANGES,
)  # fmt: skip
STATED = ("stated_mrr", "stated_licences")
FIRST_LOAD = "interval '1 day'"
_SINCE = f"""
SELECT subject, object_id, key, nullif(value, 'null'::jsonb) AS value, NULL::jsonb AS folded,
       CASE WHEN recorded_at < first + {FIRST_LOAD} THEN at ELSE greatest(at, recorded_at) END AS since, id AS place
FROM (
    SELECT id, subject, object_id, key, new AS value, at, recorded_at,
           min(recorded_at) OVER (PARTITION BY subject, object_id) AS first
    FROM accounts_attributechange WHERE subject IN ('account', 'subscription')
) AS told
"""  # noqa: S608  # a constant of this module
_TOLD = f"""
SELECT * FROM ({_SINCE}) AS one
WHERE key = ANY(%(keys)s) OR (subject = 'subscription' AND %(subscriptions)s)
"""  # noqa: S608  # likewise
# What a row holds though no change of it was recorded.
_UNTOLD = """
INSERT INTO past_change (subject, object_id, key, value, since, place)
SELECT %s, r.id, held.key, held.value, r.created_at, 0
FROM {table} AS r, LATERAL (
    SELECT * FROM (VALUES {columns}) AS c (key, value)
    UNION ALL SELECT 'custom.' || a.key, a.value FROM jsonb_each(r.attributes) AS a
) AS held
WHERE (%s OR held.key = ANY(%s)) AND held.value IS NOT NULL AND held.value NOT IN ('null'::jsonb, '""'::jsonb)
  AND NOT EXISTS (SELECT 1 FROM past_change AS p
                  WHERE p.subject = %s AND p.object_id = r.id AND p.key = held.key)
"""
_CAME = f"""
SELECT a.id, least(a.customer_since, (a.created_at AT TIME ZONE %(zone)s)::date, told.first, sold.first) AS came
FROM accounts_account AS a
LEFT JOIN (SELECT object_id, (min(since) AT TIME ZONE %(zone)s)::date AS first FROM ({_SINCE}) AS one
           WHERE subject = 'account' GROUP BY 1) AS told ON told.object_id = a.id
LEFT JOIN (SELECT account_id, min(least(starts_on, trial_starts_on)) AS first FROM accounts_subscription
           GROUP BY 1) AS sold ON sold.account_id = a.id
"""  # noqa: S608  # likewise


@dataclass(frozen=True)
class Needed:
    """What is asked of the past: the keys of accounts' values, and whether anything is of subscriptions. The rest of a
    row is left as it is today, because nobody looks at it."""

    accounts: frozenset[str]
    subscriptions: bool

    @classmethod
    def by(cls, words: Iterable[str]) -> Needed:
        """By everything that rules and measures name: fields and kinds of rows."""
        named = set(words)
        keys = {word.removeprefix("account.") for word in named if word.startswith("account.")}
        keys |= {"stage"} if "stage_type" in keys else set()
        sold = any(word.startswith("subscription") for word in named) or bool(keys & set(BILLED))
        known = {key for key in keys if key in ACCOUNT.columns or key.startswith("custom.")}
        return cls(frozenset(known | (set(STATED) if sold else set())), sold)

    def keys(self, shape: Shape) -> Iterable[str]:
        """Those of a kind of row."""
        return self.accounts if shape is ACCOUNT else shape.columns


def prepare_changes(now: Moment, needed: Needed) -> None:
    """Make both tables of the session, from everything that is recorded."""
    wanted = list(needed.accounts)
    session_table(CHANGES, _TOLD, {"keys": wanted, "subscriptions": needed.subscriptions})
    with connection.cursor() as cursor:
        for shape in (ACCOUNT, SUBSCRIPTION) if needed.subscriptions else (ACCOUNT,):
            untold = _UNTOLD.format(table=shape.model._meta.db_table, columns=_held(shape))
            cursor.execute(untold, [shape.subject, shape is SUBSCRIPTION, wanted, shape.subject])
        _fold(cursor)
        cursor.execute(f"CREATE INDEX ON {CHANGES} (subject, object_id, key, since DESC, place DESC)")
        cursor.execute(f"CREATE INDEX ON {CHANGES} (subject, since)")
        cursor.execute(f"ANALYZE {CHANGES}")
    session_table(ACCOUNTS, _CAME, {"zone": now.zone.key}, key="id")


def forget_changes() -> None:
    """Drop all of them."""
    forget(CHANGES, ACCOUNTS, *STATES.values())


def _held(shape: Shape) -> str:
    """The columns of a row as (key, JSON value), in SQL."""
    fields = {key: shape.model._meta.get_field(column.attribute) for key, column in shape.columns.items()}
    return ", ".join(f"('{key}', to_jsonb(r.\"{field.column}\"))" for key, field in fields.items())  # type: ignore[union-attr]


def _fold(cursor: Any) -> None:
    """The folds of all texts, which SQL cannot make."""
    cursor.execute(f"SELECT DISTINCT value FROM {CHANGES} WHERE jsonb_typeof(value) IN ('string', 'array')")  # noqa: S608
    texts = [json.loads(value) for (value,) in cursor.fetchall()]
    folds = [fold(text) if isinstance(text, str) else [fold(one) for one in text if isinstance(one, str)]
             for text in texts]  # fmt: skip
    cursor.execute(
        f"UPDATE {CHANGES} AS p SET folded = m.folded"  # noqa: S608
        " FROM unnest(%s::jsonb[], %s::jsonb[]) AS m (value, folded) WHERE p.value = m.value",
        [[json.dumps(text) for text in texts], [json.dumps(text) for text in folds]],
    )
