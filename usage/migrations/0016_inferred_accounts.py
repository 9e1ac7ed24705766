"""Events whose account was not named by their sender, and whose of them are to be placed anew."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

# A constant default of a new column rewrites no partition.
EVENT = "ALTER TABLE usage_event ADD COLUMN inferred boolean NOT NULL DEFAULT false"
NO_EVENT = "ALTER TABLE usage_event DROP COLUMN inferred"
# Rows come and go by the thousand; the table stays small only if their places are free again soon.
VACUUM = """
ALTER TABLE usage_placingmark SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000)
"""
# Whoever writes a relationship: only periods that are others than before, and users with events that follow them.
TRIGGERS = """
CREATE FUNCTION usage_mark_moved_users() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO usage_placingmark (user_id)
        SELECT DISTINCT side.user_id FROM added a JOIN removed r USING (id)
        CROSS JOIN LATERAL (VALUES (a.user_id), (r.user_id)) AS side (user_id)
        WHERE (a.user_id, a.account_id, a.started_at, a.ended_at)
            IS DISTINCT FROM (r.user_id, r.account_id, r.started_at, r.ended_at)
        AND EXISTS (SELECT FROM usage_event e WHERE e.user_id = side.user_id AND (e.account_id IS NULL OR e.inferred));
    ELSIF TG_OP = 'INSERT' THEN
        INSERT INTO usage_placingmark (user_id)
        SELECT DISTINCT a.user_id FROM added a
        WHERE EXISTS (SELECT FROM usage_event e WHERE e.user_id = a.user_id AND (e.account_id IS NULL OR e.inferred));
    ELSE
        INSERT INTO usage_placingmark (user_id)
        SELECT DISTINCT r.user_id FROM removed r
        WHERE EXISTS (SELECT FROM usage_event e WHERE e.user_id = r.user_id AND (e.account_id IS NULL OR e.inferred));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER usage_mark_joined AFTER INSERT ON accounts_relationship REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION usage_mark_moved_users();
CREATE TRIGGER usage_mark_changed AFTER UPDATE ON accounts_relationship
    REFERENCING NEW TABLE AS added OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION usage_mark_moved_users();
CREATE TRIGGER usage_mark_parted AFTER DELETE ON accounts_relationship REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION usage_mark_moved_users();
"""
NO_TRIGGERS = """
DROP TRIGGER usage_mark_joined ON accounts_relationship;
DROP TRIGGER usage_mark_changed ON accounts_relationship;
DROP TRIGGER usage_mark_parted ON accounts_relationship;
DROP FUNCTION usage_mark_moved_users();
"""


class Migration(migrations.Migration):
    dependencies = [("usage", "0015_published_of_live_accounts"), ("accounts", "0008_erasures")]
    operations = [
        migrations.RunSQL(
            EVENT,
            NO_EVENT,
            state_operations=[migrations.AddField("event", "inferred", models.BooleanField(default=False))],
        ),
        migrations.CreateModel(
            name="PlacingMark",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("first_at", models.DateTimeField(null=True)),
                ("last_at", models.DateTimeField(null=True)),
                (
                    "user",
                    models.ForeignKey(
                        db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+", to="accounts.enduser",
                    ),
                ),
            ],
            options={"ordering": ("id",)},
        ),
        migrations.RunSQL(VACUUM, migrations.RunSQL.noop),
        migrations.RunSQL(TRIGGERS, NO_TRIGGERS),
    ]  # fmt: skip
