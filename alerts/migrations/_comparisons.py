"""The tables of changes of milestones, and of comparisons of playbooks."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

TABLES = [
    migrations.CreateModel(
        name="MilestoneChange",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            (
                "kind",
                models.CharField(
                    choices=[
                        ("reached", "Reached"),
                        ("rewon", "Won again"),
                        ("lost", "Lost"),
                        ("overdue", "Overdue"),
                        ("in_time", "In time again"),
                        ("reset", "Reset"),
                        ("out", "No longer aimed at"),
                        ("back", "Aimed at again"),
                    ],
                    max_length=8,
                ),
            ),
            (
                "before",
                models.CharField(
                    blank=True,
                    choices=[
                        ("pending", "Pending"),
                        ("overdue", "Overdue"),
                        ("reached", "Reached"),
                        ("lost", "Lost"),
                        ("out", "Not aimed at"),
                    ],
                    max_length=8,
                ),
            ),
            (
                "after",
                models.CharField(
                    choices=[
                        ("pending", "Pending"),
                        ("overdue", "Overdue"),
                        ("reached", "Reached"),
                        ("lost", "Lost"),
                        ("out", "Not aimed at"),
                    ],
                    max_length=8,
                ),
            ),
            ("at", models.DateTimeField(help_text="When it happened, as far as that is known.")),
            ("noted_at", models.DateTimeField(help_text="When it was found.")),
            ("dated", models.BooleanField(default=True)),
            (
                "origin",
                models.CharField(
                    choices=[("rule", "The account"), ("definition", "The definition"), ("hand", "By hand")],
                    max_length=10,
                ),
            ),
            ("version", models.PositiveIntegerField()),
            ("reason", models.CharField(blank=True, max_length=255)),
            (
                "account",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="milestone_changes",
                    to="accounts.account",
                ),
            ),
            (
                "by",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
            (
                "milestone",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="changes",
                    to="alerts.milestone",
                ),
            ),
        ],
        options={
            "ordering": ("-id",),
            "indexes": [
                models.Index(fields=["account", "-at"], name="milestones_of_account"),
                models.Index(fields=["milestone", "noted_at"], name="changes_of_milestone"),
            ],
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("origin", "hand"), _negated=True),
                        models.Q(("reason", ""), _negated=True),
                        _connector="OR",
                    ),
                    name="milestone_set_by_hand_says_why",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("kind__in", ["reached", "rewon", "lost", "overdue", "in_time", "reset", "out", "back"])
                    ),
                    name="milestone_change_kind_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(("before__in", ["", "pending", "overdue", "reached", "lost", "out"])),
                    name="milestone_change_before_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(("after__in", ["pending", "overdue", "reached", "lost", "out"])),
                    name="milestone_change_after_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(("origin__in", ["rule", "definition", "hand"])),
                    name="milestone_change_origin_known",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Comparison",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            ("claim", models.CharField(blank=True, max_length=32)),
            ("beat_at", models.DateTimeField(null=True)),
            ("attempts", models.PositiveSmallIntegerField(default=0)),
            ("next_attempt_at", models.DateTimeField(default=django.utils.timezone.now)),
            ("error", models.TextField(blank=True)),
            ("of_segment", models.CharField(blank=True, max_length=120)),
            (
                "of_milestone",
                models.CharField(blank=True, help_text="The milestone's name at the time.", max_length=80),
            ),
            ("first_day", models.DateField()),
            ("last_day", models.DateField()),
            ("caliper", models.DecimalField(decimal_places=2, max_digits=3)),
            ("uses", models.PositiveSmallIntegerField(default=1)),
            (
                "state",
                models.CharField(
                    choices=[
                        ("running", "Running"),
                        ("done", "Done"),
                        ("cancelled", "Cancelled"),
                        ("failed", "Failed"),
                    ],
                    default="running",
                    max_length=10,
                ),
            ),
            ("days", django.contrib.postgres.fields.ArrayField(base_field=models.DateField(), default=list, size=None)),
            ("done", models.PositiveIntegerField(default=0)),
            ("pool", models.JSONField(default=dict)),
            ("report", models.JSONField(default=dict)),
            ("finished_at", models.DateTimeField(null=True)),
            (
                "among",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to="segments.segment",
                ),
            ),
            (
                "author",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
            (
                "milestone",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to="alerts.milestone",
                ),
            ),
            (
                "playbook",
                models.ForeignKey(
                    null=True,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="comparisons",
                    to="alerts.playbook",
                ),
            ),
            (
                "segment",
                models.ForeignKey(
                    null=True,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="comparisons",
                    to="segments.segment",
                ),
            ),
        ],
        options={
            "ordering": ("-id",),
            "indexes": [
                models.Index(
                    condition=models.Q(("state", "running")), fields=["next_attempt_at"], name="comparison_due"
                )
            ],
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("playbook__isnull", False), ("segment__isnull", False), _connector="XOR"),
                    name="comparison_of_one_thing",
                ),
                models.CheckConstraint(
                    condition=models.Q(("first_day__lte", models.F("last_day"))), name="comparison_ends_after_start"
                ),
                models.CheckConstraint(
                    condition=models.Q(("state__in", ["running", "done", "cancelled", "failed"])),
                    name="comparison_state_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(("uses__range", (1, 10))), name="comparison_uses_from_1_to_10"
                ),
                models.CheckConstraint(condition=models.Q(("caliper__gt", 0)), name="comparison_caliper_positive"),
            ],
        },
    ),
    migrations.CreateModel(
        name="ComparedAccount",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("beside", models.BigIntegerField()),
            ("day", models.DateField()),
            ("before", models.JSONField(default=dict)),
            ("after", models.JSONField(default=dict)),
            (
                "account",
                models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"),
            ),
            (
                "comparison",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="compared",
                    to="alerts.comparison",
                ),
            ),
        ],
        options={
            "ordering": ("id",),
            "indexes": [models.Index(fields=["comparison", "day"], name="compared_by_day")],
            "constraints": [
                models.UniqueConstraint(fields=("comparison", "beside", "account"), name="one_place_in_a_comparison")
            ],
        },
    ),
]
