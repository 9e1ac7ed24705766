"""The tables of tasks, and of the steps of playbooks that make them."""

import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

TABLES = [
    migrations.CreateModel(
        name="Task",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            ("title", models.CharField(max_length=200)),
            ("text", models.TextField(blank=True, max_length=4000)),
            ("due_on", models.DateField(blank=True, null=True, verbose_name="due")),
            (
                "state",
                models.CharField(
                    choices=[("open", "Open"), ("done", "Done"), ("skipped", "Skipped")], default="open", max_length=8
                ),
            ),
            (
                "outcome",
                models.CharField(
                    blank=True,
                    choices=[("success", "It worked"), ("failure", "It did not work"), ("no_answer", "No answer")],
                    max_length=10,
                ),
            ),
            ("note", models.CharField(blank=True, help_text="What came of it, in words.", max_length=2000)),
            (
                "origin",
                models.CharField(
                    choices=[("hand", "By hand"), ("playbook", "Playbook"), ("alert", "Alert")],
                    default="hand",
                    editable=False,
                    max_length=8,
                ),
            ),
            ("done_at", models.DateTimeField(blank=True, editable=False, null=True, verbose_name="done or skipped at")),
            (
                "account",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="tasks",
                    to="accounts.account",
                ),
            ),
            (
                "alert",
                models.ForeignKey(
                    blank=True,
                    editable=False,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="tasks",
                    to="alerts.alert",
                ),
            ),
            (
                "assignee",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="tasks",
                    to="accounts.teammember",
                ),
            ),
            (
                "created_by",
                models.ForeignKey(
                    blank=True,
                    editable=False,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
            (
                "done_by",
                models.ForeignKey(
                    blank=True,
                    editable=False,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
            (
                "done_when",
                models.ForeignKey(
                    blank=True,
                    db_index=False,
                    editable=False,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to="alerts.milestone",
                ),
            ),
            (
                "reopened_at",
                models.DateTimeField(blank=True, editable=False, null=True, verbose_name="opened again at"),
            ),
        ],
        options={
            "ordering": (models.OrderBy(models.F("due_on"), nulls_last=True), "id"),
            "indexes": [
                models.Index(fields=["account", "state", "due_on"], name="tasks_of_account"),
                models.Index(
                    condition=models.Q(("state", "open")), fields=["assignee", "due_on"], name="open_tasks_of_member"
                ),
                models.Index(condition=models.Q(("state", "open")), fields=["due_on", "id"], name="open_tasks_by_day"),
                models.Index(
                    condition=models.Q(("state", "open"), _negated=True),
                    fields=["-done_at", "-id"],
                    name="tasks_that_are_over",
                ),
                models.Index(
                    condition=models.Q(("done_when__isnull", False)),
                    fields=["done_when", "account"],
                    name="tasks_done_by_milestone",
                ),
            ],
            "constraints": [
                models.CheckConstraint(condition=models.Q(("title", ""), _negated=True), name="task_has_title"),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("done_at__isnull", True), ("state", "open")),
                        models.Q(models.Q(("state", "open"), _negated=True), ("done_at__isnull", False)),
                        _connector="OR",
                    ),
                    name="task_that_is_over_says_when",
                ),
                models.CheckConstraint(
                    condition=models.Q(("outcome", ""), ("state", "done"), _connector="OR"),
                    name="task_outcome_of_done_ones",
                ),
                models.CheckConstraint(
                    condition=models.Q(("alert__isnull", True), ("origin", "alert"), _connector="OR"),
                    name="task_of_alert_says_so",
                ),
                models.CheckConstraint(
                    condition=models.Q(("state__in", ["open", "done", "skipped"])), name="task_state_known"
                ),
                models.CheckConstraint(
                    condition=models.Q(("outcome__in", ["", "success", "failure", "no_answer"])),
                    name="task_outcome_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(("origin__in", ["hand", "playbook", "alert"])), name="task_origin_known"
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="TaskCalendar",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            (
                "digest",
                models.CharField(
                    editable=False, help_text="SHA-256 of the secret, in hex.", max_length=64, unique=True
                ),
            ),
            (
                "hint",
                models.CharField(editable=False, help_text="The last four characters of the address.", max_length=4),
            ),
            ("created_at", models.DateTimeField()),
            ("read_at", models.DateTimeField(editable=False, null=True, verbose_name="last read at")),
            (
                "member",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.CASCADE, related_name="task_calendar", to="accounts.teammember"
                ),
            ),
        ],
        options={
            "ordering": ("member",),
        },
    ),
    migrations.CreateModel(
        name="StepRun",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("claim", models.CharField(blank=True, max_length=32)),
            ("beat_at", models.DateTimeField(null=True)),
            ("attempts", models.PositiveSmallIntegerField(default=0)),
            ("next_attempt_at", models.DateTimeField(default=django.utils.timezone.now)),
            ("error", models.TextField(blank=True)),
            ("step", models.CharField(max_length=60)),
            ("kind", models.CharField(max_length=10)),
            (
                "state",
                models.CharField(
                    choices=[
                        ("waiting", "Waiting"),
                        ("done", "Done"),
                        ("failed", "Failed"),
                        ("cancelled", "Called off"),
                    ],
                    default="done",
                    max_length=10,
                ),
            ),
            ("key", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
            ("begun_at", models.DateTimeField()),
            ("done_at", models.DateTimeField(blank=True, null=True)),
            ("sent", models.JSONField(default=list, editable=False)),
            ("text", models.CharField(blank=True, help_text="What was done, in words.", max_length=500)),
            (
                "enrolment",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="runs",
                    to="alerts.enrolment",
                ),
            ),
            (
                "task",
                models.OneToOneField(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="step_run",
                    to="alerts.task",
                ),
            ),
        ],
        options={
            "ordering": ("id",),
            "indexes": [
                models.Index(
                    condition=models.Q(("state", "waiting")), fields=["kind", "next_attempt_at"], name="steps_that_wait"
                )
            ],
            "constraints": [
                models.UniqueConstraint(fields=("enrolment", "step"), name="one_run_of_a_step"),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("done_at__isnull", False), ("state", "done")),
                        models.Q(models.Q(("state", "done"), _negated=True), ("done_at__isnull", True)),
                        _connector="OR",
                    ),
                    name="step_that_is_done_says_when",
                ),
                models.CheckConstraint(
                    condition=models.Q(("state__in", ["waiting", "done", "failed", "cancelled"])),
                    name="step_run_state_known",
                ),
            ],
        },
    ),
]
