"""The tables of connections."""

import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import accounts.models.traits

TABLES = [
    migrations.CreateModel(
        name="Connection",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            ("kind", models.CharField(choices=[("stripe", "Stripe"), ("hubspot", "HubSpot")], max_length=12)),
            ("name", models.CharField(max_length=60, unique=True)),
            ("secret", models.TextField(blank=True, editable=False)),
            ("secret_hint", models.CharField(blank=True, editable=False, max_length=12)),
            ("secret_env", models.CharField(blank=True, editable=False, max_length=80)),
            ("mapping", models.JSONField(blank=True, default=dict, editable=False)),
            ("properties", models.JSONField(blank=True, default=dict, editable=False)),
            ("active", models.BooleanField(default=True, help_text="Fetch changes by the clock.")),
            (
                "every_minutes",
                models.PositiveIntegerField(
                    default=60,
                    validators=[
                        django.core.validators.MinValueValidator(5),
                        django.core.validators.MaxValueValidator(10080),
                    ],
                    verbose_name="minutes between runs",
                ),
            ),
            ("since", models.DateTimeField(blank=True, editable=False, null=True)),
            ("full_at", models.DateTimeField(blank=True, editable=False, null=True)),
            ("next_run_at", models.DateTimeField(blank=True, editable=False, null=True)),
            ("checked_at", models.DateTimeField(blank=True, editable=False, null=True)),
            ("error", models.CharField(blank=True, editable=False, max_length=500)),
            (
                "author",
                models.ForeignKey(
                    blank=True,
                    editable=False,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
        ],
        options={
            "ordering": ("name", "id"),
            "constraints": [
                models.CheckConstraint(condition=models.Q(("name", ""), _negated=True), name="connection_has_name"),
                models.CheckConstraint(
                    condition=models.Q(("kind__in", ["stripe", "hubspot"])), name="connection_kind_known"
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="ConnectionRun",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            (
                "trigger",
                models.CharField(
                    choices=[("hand", "By hand"), ("clock", "By the clock")], default="clock", max_length=8
                ),
            ),
            ("full", models.BooleanField(default=False)),
            ("since", models.DateTimeField(help_text="Changes from here on; empty for everything.", null=True)),
            (
                "state",
                models.CharField(
                    choices=[
                        ("waiting", "Waiting"),
                        ("running", "Running"),
                        ("done", "Done"),
                        ("failed", "Failed"),
                        ("cancelled", "Cancelled"),
                    ],
                    default="waiting",
                    max_length=10,
                ),
            ),
            ("step", models.CharField(blank=True, max_length=20)),
            ("cursor", models.JSONField(null=True)),
            ("attempts", models.PositiveIntegerField(default=0)),
            ("next_attempt_at", models.DateTimeField(default=django.utils.timezone.now)),
            ("lease", models.UUIDField(null=True)),
            ("leased_until", models.DateTimeField(null=True)),
            ("cancel_requested", models.BooleanField(default=False)),
            ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
            ("started_at", models.DateTimeField(null=True)),
            ("finished_at", models.DateTimeField(null=True)),
            ("read", models.PositiveIntegerField(default=0)),
            ("created", models.PositiveIntegerField(default=0)),
            ("updated", models.PositiveIntegerField(default=0)),
            ("unchanged", models.PositiveIntegerField(default=0)),
            ("unmatched", models.PositiveIntegerField(default=0)),
            ("gone", models.PositiveIntegerField(default=0)),
            ("problem_count", models.PositiveIntegerField(default=0)),
            ("problems", models.JSONField(default=list)),
            ("error", models.CharField(blank=True, max_length=500)),
            (
                "connection",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="runs", to="integrations.connection"
                ),
            ),
        ],
        options={
            "ordering": ("-id",),
            "indexes": [
                models.Index(
                    condition=models.Q(("state__in", ("waiting", "running"))),
                    fields=["next_attempt_at", "id"],
                    name="connection_run_due",
                )
            ],
            "constraints": [
                models.UniqueConstraint(
                    condition=models.Q(("state__in", ("waiting", "running"))),
                    fields=("connection",),
                    name="one_open_run_per_connection",
                ),
                models.CheckConstraint(
                    condition=models.Q(("trigger__in", ["hand", "clock"])), name="connection_run_trigger_known"
                ),
                models.CheckConstraint(
                    condition=models.Q(("state__in", ["waiting", "running", "done", "failed", "cancelled"])),
                    name="connection_run_state_known",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="ConnectionLink",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            (
                "kind",
                models.CharField(
                    choices=[
                        ("customer", "Customer"),
                        ("subscription", "Subscription"),
                        ("company", "Company"),
                        ("contact", "Contact"),
                    ],
                    max_length=12,
                ),
            ),
            ("remote_id", models.CharField(max_length=255)),
            ("label", models.CharField(blank=True, max_length=255)),
            ("label_folded", accounts.models.traits.FoldedField(blank=True, default="", editable=False, of="label")),
            ("by_hand", models.BooleanField(default=False)),
            ("made", models.BooleanField(default=False, help_text="The account was made for this record.")),
            ("primary", models.BooleanField(default=True)),
            ("note", models.CharField(blank=True, max_length=255)),
            ("seen", models.JSONField(default=dict)),
            ("last_run", models.BigIntegerField(default=0, help_text="The newest run that met it.")),
            ("gone_at", models.DateTimeField(null=True)),
            (
                "account",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to="accounts.account",
                ),
            ),
            (
                "connection",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="links",
                    to="integrations.connection",
                ),
            ),
            (
                "user",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="+",
                    to="accounts.enduser",
                ),
            ),
        ],
        options={
            "ordering": ("label_folded", "id"),
            "indexes": [
                models.Index(
                    models.F("connection"),
                    models.F("label_folded"),
                    models.F("id"),
                    condition=models.Q(
                        ("account__isnull", True), ("gone_at__isnull", True), ("kind__in", ("customer", "company"))
                    ),
                    name="connection_link_unmatched",
                ),
                models.Index(
                    condition=models.Q(("gone_at__isnull", True)),
                    fields=["connection", "kind", "last_run"],
                    name="connection_link_by_run",
                ),
            ],
            "constraints": [
                models.UniqueConstraint(fields=("connection", "kind", "remote_id"), name="one_link_per_record"),
                models.CheckConstraint(
                    condition=models.Q(("kind__in", ["customer", "subscription", "company", "contact"])),
                    name="connection_link_kind_known",
                ),
            ],
        },
    ),
]
