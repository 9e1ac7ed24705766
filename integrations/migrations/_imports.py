"""The tables of imports."""

import datetime

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

TABLES = [
    migrations.CreateModel(
        name="ScheduledImport",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            ("name", models.CharField(max_length=60, unique=True)),
            (
                "kind",
                models.CharField(
                    choices=[
                        ("accounts", "Accounts"),
                        ("users", "Users"),
                        ("relationships", "Relationships"),
                        ("subscriptions", "Subscriptions"),
                        ("events", "Events"),
                    ],
                    max_length=16,
                ),
            ),
            ("mapping", models.JSONField(default=dict)),
            ("options", models.JSONField(default=dict)),
            ("url", models.CharField(help_text="https://… or s3://bucket/prefix", max_length=2000)),
            (
                "endpoint",
                models.CharField(
                    blank=True, help_text="For a bucket: https://s3.eu-west-1.amazonaws.com", max_length=300
                ),
            ),
            ("region", models.CharField(blank=True, max_length=60)),
            (
                "credential",
                models.CharField(blank=True, help_text="The name of a credential in the environment.", max_length=40),
            ),
            ("at", models.TimeField(default=datetime.time(4, 0), help_text="Local time.")),
            ("only_if_changed", models.BooleanField(default=True)),
            ("active", models.BooleanField(default=True)),
            (
                "state",
                models.CharField(
                    choices=[
                        ("new", "Not run yet"),
                        ("fetched", "Imported"),
                        ("same", "Not changed"),
                        ("failed", "Failed"),
                    ],
                    default="new",
                    max_length=8,
                ),
            ),
            ("error", models.TextField(blank=True)),
            ("attempts", models.PositiveSmallIntegerField(default=0)),
            ("next_attempt_at", models.DateTimeField(default=django.utils.timezone.now)),
            ("done_on", models.DateField(help_text="The local date whose fetch is finished.", null=True)),
            ("fetched_at", models.DateTimeField(null=True)),
            ("etag", models.CharField(blank=True, max_length=300)),
            ("last_modified", models.CharField(blank=True, max_length=80)),
            ("digest", models.CharField(blank=True, max_length=64)),
            (
                "author",
                models.ForeignKey(
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
            ("secret", models.TextField(blank=True, db_default="", default="", editable=False)),
            ("secret_hint", models.CharField(blank=True, db_default="", default="", editable=False, max_length=12)),
        ],
        options={
            "ordering": ("name",),
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("kind__in", ["accounts", "users", "relationships", "subscriptions", "events"])),
                    name="scheduled_import_kind_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(("state__in", ["new", "fetched", "same", "failed"])),
                    name="scheduled_import_state_known",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Import",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            (
                "kind",
                models.CharField(
                    choices=[
                        ("accounts", "Accounts"),
                        ("users", "Users"),
                        ("relationships", "Relationships"),
                        ("subscriptions", "Subscriptions"),
                        ("events", "Events"),
                    ],
                    max_length=16,
                ),
            ),
            ("name", models.CharField(help_text="The file's name.", max_length=255)),
            (
                "state",
                models.CharField(
                    choices=[
                        ("draft", "Not started"),
                        ("running", "Running"),
                        ("done", "Done"),
                        ("cancelled", "Cancelled"),
                        ("failed", "Failed"),
                        ("undoing", "Being undone"),
                        ("undone", "Undone"),
                    ],
                    default="draft",
                    max_length=10,
                ),
            ),
            (
                "stored",
                models.CharField(blank=True, help_text="The file in the data folder; empty: deleted.", max_length=40),
            ),
            ("file_until", models.DateTimeField(null=True)),
            ("digest", models.CharField(max_length=64)),
            ("header", models.JSONField(default=list)),
            ("mapping", models.JSONField(default=dict)),
            ("options", models.JSONField(default=dict)),
            ("as_of", models.DateTimeField(help_text="When rows without a time of their own were true.", null=True)),
            ("position", models.PositiveBigIntegerField(default=0, help_text="Rows of the file that are dealt with.")),
            ("place", models.PositiveBigIntegerField(default=0)),
            ("size", models.PositiveBigIntegerField(default=0)),
            ("rows", models.PositiveBigIntegerField(default=0)),
            ("created", models.PositiveBigIntegerField(default=0)),
            ("updated", models.PositiveBigIntegerField(default=0)),
            ("unchanged", models.PositiveBigIntegerField(default=0)),
            ("bad_rows", models.PositiveBigIntegerField(default=0)),
            ("homeless", models.PositiveBigIntegerField(default=0)),
            ("made", models.JSONField(default=list, help_text="Custom attributes that were made for it.")),
            ("undo_report", models.JSONField(default=dict)),
            ("claim", models.CharField(blank=True, max_length=32)),
            ("beat_at", models.DateTimeField(null=True)),
            ("attempts", models.PositiveSmallIntegerField(default=0)),
            ("next_attempt_at", models.DateTimeField(default=django.utils.timezone.now)),
            ("cancel_asked", models.BooleanField(default=False)),
            ("error", models.TextField(blank=True)),
            ("started_at", models.DateTimeField(null=True)),
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
                "schedule",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="imports",
                    to="integrations.scheduledimport",
                ),
            ),
        ],
        options={
            "ordering": ("-id",),
            "indexes": [
                models.Index(
                    condition=models.Q(("state__in", ("running", "undoing"))),
                    fields=["next_attempt_at"],
                    name="import_due",
                ),
                models.Index(
                    condition=models.Q(("stored", ""), _negated=True), fields=["file_until"], name="import_file_until"
                ),
            ],
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("kind__in", ["accounts", "users", "relationships", "subscriptions", "events"])),
                    name="import_kind_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("state__in", ["draft", "running", "done", "cancelled", "failed", "undoing", "undone"])
                    ),
                    name="import_state_known",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="ImportReject",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("line", models.PositiveBigIntegerField()),
            ("column", models.CharField(blank=True, max_length=300)),
            ("reason", models.TextField()),
            ("cells", models.JSONField(default=list)),
            (
                "job",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="rejects",
                    to="integrations.import",
                ),
            ),
        ],
        options={
            "ordering": ("job", "line", "id"),
            "indexes": [models.Index(fields=["job", "line", "id"], name="reject_of_import")],
        },
    ),
    migrations.CreateModel(
        name="ImportedRow",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("batch", models.PositiveIntegerField()),
            ("subject", models.CharField(max_length=12)),
            ("object_id", models.BigIntegerField(default=0)),
            ("created", models.BooleanField(default=False)),
            ("before", models.JSONField(default=dict)),
            (
                "job",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="touched",
                    to="integrations.import",
                ),
            ),
        ],
        options={
            "indexes": [models.Index(fields=["job", "batch"], name="imported_row_of_batch")],
        },
    ),
]
