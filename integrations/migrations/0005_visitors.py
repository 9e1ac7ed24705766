"""Pending events are those of visitors; the events of users who lack an account are marked in usage instead."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

# The events of users go: their place is known by the users themselves.
HAND_OVER = """
INSERT INTO usage_placingmark (user_id)
SELECT DISTINCT user_id FROM integrations_pendingevent WHERE user_id IS NOT NULL;
DELETE FROM integrations_pendingevent WHERE identity_id IS NULL;
"""
NAMED_NONE = "UPDATE integrations_pendingevent SET inferred = TRUE WHERE account_id IS NULL"


class Migration(migrations.Migration):
    dependencies = [("integrations", "0004_intake"), ("usage", "0016_inferred_accounts")]
    operations = [
        migrations.RunSQL(HAND_OVER, migrations.RunSQL.noop),
        migrations.RemoveConstraint("pendingevent", "pending_event_of_somebody"),
        migrations.RemoveIndex("pendingevent", "pending_of_user"),
        migrations.RemoveIndex("pendingevent", "pending_of_identity"),
        migrations.RemoveField("pendingevent", "user"),
        migrations.AlterField(
            "pendingevent",
            "identity",
            models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+",
                to="integrations.identity",
            ),
        ),
        migrations.AddField(
            "pendingevent", "inferred", models.BooleanField(default=False, help_text="The event named no account.")
        ),
        migrations.RunSQL(NAMED_NONE, migrations.RunSQL.noop),
        migrations.AddIndex("pendingevent", models.Index(fields=["identity", "id"], name="pending_of_identity")),
        migrations.AddField(
            "identity", "behind", models.BooleanField(db_default=False, default=False, editable=False)
        ),
        migrations.AddIndex(
            "identity", models.Index(condition=models.Q(("behind", True)), fields=["id"], name="identity_behind")
        ),
    ]  # fmt: skip
