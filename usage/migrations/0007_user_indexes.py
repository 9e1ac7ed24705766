"""Indexes by user on events and daily usage: erasing a person, and the foreign keys' own checks, would otherwise read
the two largest tables from end to end for every person.

Built without blocking writers: partition by partition, then attached to the parent (a partitioned table cannot be
indexed concurrently as a whole). Interrupted and run again, it goes on.
"""

from __future__ import annotations

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

NAME = "usage_event_of_user"


def build(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(f"CREATE INDEX IF NOT EXISTS {NAME} ON ONLY usage_event (user_id)")
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'usage_event'::regclass"
            " AND NOT EXISTS (SELECT 1 FROM pg_index i JOIN pg_inherits a ON a.inhrelid = i.indexrelid"
            " WHERE i.indrelid = pg_inherits.inhrelid AND a.inhparent = %s::regclass)",
            [NAME],
        )
        for (table,) in cursor.fetchall():
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {table}_of_user")
            cursor.execute(f"CREATE INDEX CONCURRENTLY {table}_of_user ON {table} (user_id)")
            cursor.execute(f"ALTER INDEX {NAME} ATTACH PARTITION {table}_of_user")


def drop(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX IF EXISTS {NAME}")


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("usage", "0006_recent_counts")]
    operations = [
        migrations.RunPython(build, drop),
        AddIndexConcurrently(
            model_name="dailyusage",
            index=models.Index(fields=["user"], name="daily_usage_of_user", condition=models.Q(user__isnull=False)),
        ),
    ]
