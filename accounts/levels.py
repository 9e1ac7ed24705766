"""Writing the levels that rules decide, beside the facts that people and imports tell.

What a person or an import told stays: a rule may only fill a level that is missing and change one that a rule gave. Its
stamp is older than any other, so that whatever is told later, with whatever time, replaces it.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

from django.db import connection, transaction
from django.db.models import Q

from accounts.facts.base import instant

SOURCE = "level rules"
STAMP = [instant(dt.datetime(1, 1, 2, tzinfo=dt.UTC)), SOURCE]
BATCH = 5_000
_WRITE = """
WITH wanted AS MATERIALIZED (
    SELECT a.id, a.level AS old, w.level FROM unnest(%(ids)s::bigint[], %(levels)s::text[]) AS w (id, level)
    JOIN accounts_account a ON a.id = w.id
    WHERE a.level IS DISTINCT FROM w.level AND (a.level IS NULL OR a.stamps #>> '{level,1}' = %(source)s)
    ORDER BY a.external_id FOR NO KEY UPDATE OF a
), written AS (
    UPDATE accounts_account a
    SET level = w.level, stamps = a.stamps || jsonb_build_object('level', %(stamp)s::jsonb), updated_at = %(now)s
    FROM wanted w WHERE w.id = a.id RETURNING a.id, w.old, w.level
)
INSERT INTO accounts_attributechange (subject, object_id, key, old, new, at, source, recorded_at)
SELECT 'account', id, 'level', to_jsonb(old), to_jsonb(level), %(now)s, %(source)s, %(now)s FROM written
RETURNING object_id
"""


def open_to_rules() -> Q:
    """The accounts whose level nobody told: those without one, and those whose level a rule gave."""
    return Q(level__isnull=True) | Q(stamps__level__1=SOURCE)


def set_levels(wanted: Mapping[int, str | None], now: dt.datetime) -> set[int]:
    """Give accounts the levels that rules decided, with their history; returns the accounts that changed."""
    changed: set[int] = set()
    ids = sorted(wanted)
    for start in range(0, len(ids), BATCH):
        batch = ids[start : start + BATCH]
        values: dict[str, Any] = {"ids": batch, "levels": [wanted[pk] for pk in batch], "now": now}
        values |= {"source": SOURCE, "stamp": json.dumps(STAMP)}
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_WRITE, values)
            changed |= {pk for (pk,) in cursor.fetchall()}
    return changed
