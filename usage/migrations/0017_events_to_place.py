"""An index of the events that name no account, by user: they are placed anew when the user's periods change.

Partial, so that an event with its account costs nothing. Built without blocking writers, as in 0007.
"""

from __future__ import annotations

from django.db import migrations

NAME, SUFFIX = "usage_event_to_place", "to_place"
ON = "(user_id, at) WHERE account_id IS NULL OR inferred"


def build(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(f"CREATE INDEX IF NOT EXISTS {NAME} ON ONLY usage_event {ON}")
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'usage_event'::regclass"
            " AND NOT EXISTS (SELECT 1 FROM pg_index i JOIN pg_inherits a ON a.inhrelid = i.indexrelid"
            " WHERE i.indrelid = pg_inherits.inhrelid AND a.inhparent = %s::regclass)",
            [NAME],
        )
        for (table,) in cursor.fetchall():
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {table}_{SUFFIX}")
            cursor.execute(f"CREATE INDEX CONCURRENTLY {table}_{SUFFIX} ON {table} {ON}")
            cursor.execute(f"ALTER INDEX {NAME} ATTACH PARTITION {table}_{SUFFIX}")


def drop(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX IF EXISTS {NAME}")


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("usage", "0016_inferred_accounts")]
    operations = [migrations.RunPython(build, drop)]
