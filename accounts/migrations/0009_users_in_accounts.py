"""The view that rules about users are asked of: a row for each open relationship, one for a user who has none.

A left join, which PostgreSQL takes apart again inside a query, so that the view costs nothing of its own. It names its
columns; a later migration that changes the type of one drops the view first and makes it anew.
"""

from __future__ import annotations

from django.db import migrations, models

from accounts.migrations._users_in_accounts import CREATE, DROP


class Migration(migrations.Migration):
    dependencies = [("accounts", "0008_erasures")]
    operations = [
        migrations.RunSQL(CREATE, DROP),
        migrations.CreateModel(
            name="UserInAccount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("role", models.CharField(max_length=120, null=True)),
                ("attributes", models.JSONField(null=True)),
                ("folded", models.JSONField(null=True)),
                ("stamps", models.JSONField(null=True)),
                ("started_at", models.DateTimeField(null=True)),
            ],
            options={"db_table": "accounts_user_in_account", "ordering": ("id",), "managed": False},
        ),
    ]
