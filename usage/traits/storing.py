"""Values of a trait into the tables that fields read: one statement finds, compares and writes what differs.

The statement cannot fold texts, so the few different ones that are new pass through `core.intake.fold` afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from django.db import connection

from core.ids import Ids
from core.intake import fold
from usage.traits.properties import Sql

_TABLES = {"account": "usage_accounttraits", "user": "usage_usertraits"}
_KEYS = {"account": ("account_id",), "user": ("account_id", "user_id")}
_WRITE = """
WITH wanted AS MATERIALIZED (
    SELECT {found} FROM ({source}) AS s ({columns}, value) JOIN accounts_account a ON a.id = s.account_id
    WHERE a.archived_at IS NULL AND s.value IS NOT NULL AND s.value <> 'null'::jsonb
      AND (%s OR s.account_id = ANY(%s::bigint[]))
), gone AS (
    UPDATE {table} t SET shown = t.shown - %s, folded = t.folded - %s
    WHERE t.shown ? %s AND (%s OR t.account_id = ANY(%s::bigint[]))
      AND NOT EXISTS (SELECT 1 FROM wanted w WHERE {same})
    RETURNING t.account_id
), written AS (
INSERT INTO {table} AS t ({columns}, shown, folded)
SELECT {wanted}, jsonb_build_object(%s::text, w.value), '{{}}'
FROM wanted w LEFT JOIN {table} o USING ({columns})
WHERE o.account_id IS NULL OR (o.shown -> %s) IS DISTINCT FROM w.value
ORDER BY {wanted}
ON CONFLICT ({columns}) DO UPDATE SET shown = t.shown || EXCLUDED.shown, folded = t.folded - %s
RETURNING account_id
)
SELECT account_id FROM written UNION SELECT account_id FROM gone
"""
_UNFOLDED = """
SELECT DISTINCT shown -> %s FROM {table}
WHERE NOT folded ? %s AND jsonb_typeof(shown -> %s) IN ('string', 'array')
    AND (%s OR account_id = ANY(%s::bigint[]))
"""
_FOLD = """
UPDATE {table} t SET folded = t.folded || jsonb_build_object(%s::text, m.folded)
FROM unnest(%s::jsonb[], %s::jsonb[]) AS m (shown, folded)
WHERE NOT t.folded ? %s AND t.shown -> %s = m.shown
"""
BATCH = 5_000


def write_values(subject: str, key: str, source: Sql, accounts: Collection[int] | None = None) -> set[int]:
    """Make the stored values of a trait those of the query (of some accounts only); returns the accounts that gained,
    changed or lost one. Call it inside a transaction."""
    sql, params = source
    columns = _KEYS[subject]
    statement = _WRITE.format(
        source=sql,
        table=_TABLES[subject],
        columns=", ".join(columns),
        found=", ".join(f"s.{name}" for name in (*columns, "value")),
        wanted=", ".join(f"w.{name}" for name in columns),
        same=" AND ".join(f"w.{name} = t.{name}" for name in columns),
    )
    scope: list[Any] = [accounts is None, Ids.of(accounts or ()).array]
    with connection.cursor() as cursor:
        cursor.execute(statement, [*params, *scope, key, key, key, *scope, key, key, key])
        return {row[0] for row in cursor.fetchall()}


def fold_values(subject: str, key: str, accounts: Collection[int] | None = None) -> None:
    """Write the folds of the texts and lists that have none yet, of every account or of some."""
    table = _TABLES[subject]
    with connection.cursor() as cursor:
        cursor.execute(_UNFOLDED.format(table=table), [key, key, key, accounts is None, Ids.of(accounts or ()).array])
        found = [json.loads(shown) for (shown,) in cursor.fetchall()]
        for start in range(0, len(found), BATCH):
            batch = found[start : start + BATCH]
            shown, folded = [json.dumps(item) for item in batch], [json.dumps(_folded(item)) for item in batch]
            cursor.execute(_FOLD.format(table=table), [key, shown, folded, key, key])


def forget_values(subject: str, key: str) -> None:
    """Take the values of a trait away, because it is gone or switched off."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {_TABLES[subject]} SET shown = shown - %s, folded = folded - %s WHERE shown ? %s",  # noqa: S608
            [key] * 3,
        )


def count_values(subject: str, key: str) -> int:
    """How many accounts (or users in accounts) have a value."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {_TABLES[subject]} WHERE shown ? %s", [key])  # noqa: S608
        return int(cursor.fetchone()[0])


def _folded(value: Any) -> Any:
    if isinstance(value, list):
        return [fold(item) for item in value if isinstance(item, str)]
    return fold(value) or None
