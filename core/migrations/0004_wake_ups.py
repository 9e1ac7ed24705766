"""One wake-up for many writers."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("core", "0003_idempotent_answers")]
    operations = [
        migrations.CreateModel(
            name="WakeUp",
            fields=[
                ("task", models.CharField(max_length=120, primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
            ],
        ),
    ]
