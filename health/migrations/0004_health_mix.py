import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("health", "0003_portfolio"), ("segments", "0006_user_segments")]

    operations = [
        migrations.CreateModel(
            name="HealthMix",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("good", models.PositiveIntegerField(default=0)),
                ("average", models.PositiveIntegerField(default=0)),
                ("poor", models.PositiveIntegerField(default=0)),
                ("none", models.PositiveIntegerField(default=0)),
                ("scored", models.PositiveIntegerField(default=0, help_text="How many had a score.")),
                (
                    "score",
                    models.DecimalField(
                        decimal_places=1, default=0, help_text="The sum of their scores.", max_digits=14
                    ),
                ),
                (
                    "config",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="health.healthconfig",
                    ),
                ),
                (
                    "segment",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="segments.segment",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "health mixes",
                "ordering": ("-day",),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("segment", "config", "day"), name="one_health_mix_a_day", nulls_distinct=False
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("segment__isnull", True), ("config__isnull", True), _connector="OR"),
                        name="health_mix_of_one_thing",
                    ),
                ],
            },
        ),
    ]
