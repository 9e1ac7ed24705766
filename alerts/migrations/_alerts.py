"""The tables of alerts, and of what rules would have found."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

TABLES = [
    migrations.CreateModel(
        name="Alert",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("version", models.PositiveIntegerField()),
            (
                "severity",
                models.CharField(
                    choices=[("critical", "Critical"), ("high", "High"), ("medium", "Medium"), ("low", "Low")],
                    max_length=8,
                ),
            ),
            ("message", models.CharField(blank=True, max_length=1000)),
            ("why", models.JSONField(default=dict, editable=False)),
            ("began_at", models.DateTimeField()),
            ("opened_at", models.DateTimeField()),
            ("snoozed_until", models.DateField(blank=True, null=True, verbose_name="snoozed to the end of")),
            ("snoozed_till_worse", models.BooleanField(default=False)),
            ("snoozed_score", models.DecimalField(decimal_places=1, editable=False, max_digits=4, null=True)),
            ("snooze_reason", models.CharField(blank=True, max_length=255)),
            ("ended_at", models.DateTimeField(blank=True, null=True)),
            (
                "ending",
                models.CharField(
                    blank=True,
                    choices=[
                        ("cleared", "Resolved by itself"),
                        ("closed", "Closed"),
                        ("definition", "The rule was changed"),
                        ("deleted", "The rule was deleted"),
                        ("gone", "The account was archived"),
                    ],
                    max_length=10,
                ),
            ),
            (
                "outcome",
                models.CharField(
                    blank=True,
                    choices=[("success", "Fixed"), ("failure", "Not fixed"), ("false", "False alarm")],
                    max_length=8,
                ),
            ),
            ("proof", models.JSONField(default=dict, editable=False)),
            (
                "account",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="alerts",
                    to="accounts.account",
                ),
            ),
            (
                "assignee",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="alerts",
                    to="accounts.teammember",
                ),
            ),
            (
                "membership",
                models.ForeignKey(
                    db_index=False,
                    editable=False,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to="segments.accountmembership",
                ),
            ),
            (
                "rule",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="alerts",
                    to="alerts.alertrule",
                ),
            ),
        ],
        options={
            "ordering": ("-opened_at", "-id"),
            "indexes": [
                models.Index(fields=["account", "-opened_at"], name="alerts_of_account"),
                models.Index(fields=["rule", "-opened_at"], name="alerts_of_rule"),
                models.Index(condition=models.Q(("ended_at__isnull", True)), fields=["-opened_at"], name="open_alerts"),
            ],
            "constraints": [
                models.UniqueConstraint(
                    condition=models.Q(("ended_at__isnull", True)), fields=("rule", "account"), name="one_open_alert"
                ),
                models.CheckConstraint(
                    condition=models.Q(("opened_at__gte", models.F("began_at"))), name="alert_opens_after_it_began"
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("ended_at__isnull", True), ("ended_at__gte", models.F("opened_at")), _connector="OR"
                    ),
                    name="alert_ends_after_it_opened",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("ended_at__isnull", True), ("ending", "")),
                        models.Q(("ended_at__isnull", False), models.Q(("ending", ""), _negated=True)),
                        _connector="OR",
                    ),
                    name="alert_that_ended_says_how",
                ),
                models.CheckConstraint(
                    condition=models.Q(("severity__in", ["critical", "high", "medium", "low"])),
                    name="alert_severity_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(("ending__in", ["", "cleared", "closed", "definition", "deleted", "gone"])),
                    name="alert_ending_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(("outcome__in", ["", "success", "failure", "false"])), name="alert_outcome_known"
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="AlertEntry",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            (
                "kind",
                models.CharField(
                    choices=[
                        ("opened", "Opened"),
                        ("ended", "Ended"),
                        ("reopened", "Opened again"),
                        ("assigned", "Assigned"),
                        ("comment", "Comment"),
                        ("snoozed", "Snoozed"),
                        ("woke", "Woke up"),
                        ("outcome", "Outcome"),
                    ],
                    max_length=8,
                ),
            ),
            ("at", models.DateTimeField()),
            ("text", models.CharField(blank=True, max_length=2000)),
            (
                "alert",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="entries",
                    to="alerts.alert",
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
        ],
        options={
            "verbose_name_plural": "alert entries",
            "ordering": ("id",),
            "indexes": [
                models.Index(fields=["alert", "id"], name="entries_of_alert"),
                models.Index(fields=["at"], name="alert_entries_by_time"),
            ],
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(
                        (
                            "kind__in",
                            ["opened", "ended", "reopened", "assigned", "comment", "snoozed", "woke", "outcome"],
                        )
                    ),
                    name="alert_entry_kind_known",
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="AlertReplay",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            ("claim", models.CharField(blank=True, max_length=32)),
            ("beat_at", models.DateTimeField(null=True)),
            ("attempts", models.PositiveSmallIntegerField(default=0)),
            ("next_attempt_at", models.DateTimeField(default=django.utils.timezone.now)),
            ("error", models.TextField(blank=True)),
            ("definition", models.JSONField()),
            ("first_day", models.DateField()),
            ("last_day", models.DateField()),
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
            ("steps", models.PositiveIntegerField()),
            ("done", models.PositiveIntegerField(default=0)),
            ("report", models.JSONField(default=dict)),
            ("finished_at", models.DateTimeField(null=True)),
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
                "rule",
                models.ForeignKey(
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="replays",
                    to="alerts.alertrule",
                ),
            ),
        ],
        options={
            "ordering": ("-id",),
            "indexes": [
                models.Index(
                    condition=models.Q(("state", "running")), fields=["next_attempt_at"], name="alert_replay_due"
                )
            ],
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("first_day__lte", models.F("last_day"))), name="alert_replay_ends_after_start"
                ),
                models.CheckConstraint(
                    condition=models.Q(("state__in", ["running", "done", "cancelled", "failed"])),
                    name="alert_replay_state_known",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="AlertReplayDay",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("day", models.DateField()),
            (
                "members",
                django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), default=list, size=None),
            ),
            (
                "clear",
                django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), default=list, size=None),
            ),
            (
                "archived",
                django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), default=list, size=None),
            ),
            (
                "replay",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="found",
                    to="alerts.alertreplay",
                ),
            ),
        ],
        options={
            "ordering": ("day",),
            "constraints": [models.UniqueConstraint(fields=("replay", "day"), name="one_alert_replay_row_per_day")],
        },
    ),
]
