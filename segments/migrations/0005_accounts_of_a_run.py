"""How many accounts a run looked at: those with new data, or all."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("segments", "0004_holds")]
    operations = [
        migrations.AddField(
            model_name="refreshrun",
            name="accounts",
            field=models.PositiveIntegerField(help_text="Accounts that were looked at; empty means all.", null=True),
        ),
    ]
