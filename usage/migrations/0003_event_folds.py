"""The folds of an event's texts, written with the event, so that conditions on properties compare what was folded once."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("usage", "0002_event_partitions")]
    operations = [
        migrations.RunSQL(
            "ALTER TABLE usage_event ADD COLUMN folded jsonb NOT NULL DEFAULT '{}'",
            "ALTER TABLE usage_event DROP COLUMN folded",
            state_operations=[
                migrations.AddField("event", "folded", models.JSONField(blank=True, default=dict)),
            ],
        )
    ]
