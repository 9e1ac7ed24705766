"""The tables of notes, and of what was erased and exported."""

import uuid

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import accounts.models.mention

TABLES = [
    migrations.CreateModel(
        name="Note",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            (
                "kind",
                models.CharField(
                    choices=[("note", "Note"), ("call", "Call"), ("meeting", "Meeting"), ("email", "E-mail")],
                    default="note",
                    max_length=8,
                ),
            ),
            ("text", models.TextField(max_length=10000)),
            ("at", models.DateTimeField(default=django.utils.timezone.now)),
            (
                "account",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="notes",
                    to="accounts.account",
                ),
            ),
            (
                "user",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="notes",
                    to="accounts.enduser",
                ),
            ),
            (
                "author",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="notes",
                    to="accounts.teammember",
                ),
            ),
        ],
        options={
            "ordering": ("-at", "-id"),
            "indexes": [models.Index(fields=["account", "-at"], name="note_of_account")],
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("kind__in", ["note", "call", "meeting", "email"])), name="note_kind_known"
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="NoteFile",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("uid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
            ("file", models.FileField(max_length=120, upload_to=accounts.models.mention.place_of)),
            ("name", models.CharField(max_length=120)),
            ("type", models.CharField(max_length=80)),
            ("size", models.PositiveIntegerField(help_text="Bytes.")),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            (
                "note",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="files", to="accounts.note"
                ),
            ),
        ],
        options={
            "ordering": ("id",),
            "constraints": [models.CheckConstraint(condition=models.Q(("size__gt", 0)), name="note_file_is_not_empty")],
        },
    ),
    migrations.CreateModel(
        name="Mention",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("told_at", models.DateTimeField(editable=False, null=True)),
            (
                "member",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="mentions", to="accounts.teammember"
                ),
            ),
            (
                "note",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="mentions",
                    to="accounts.note",
                ),
            ),
        ],
        options={
            "ordering": ("id",),
            "indexes": [
                models.Index(condition=models.Q(("told_at__isnull", True)), fields=["id"], name="mentions_untold")
            ],
            "constraints": [models.UniqueConstraint(fields=("note", "member"), name="one_mention_of_note_and_member")],
        },
    ),
    migrations.CreateModel(
        name="Erasure",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("uid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
            ("kind", models.CharField(choices=[("user", "User"), ("account", "Account")], max_length=8)),
            ("digest", models.CharField(max_length=64)),
            ("key_mark", models.CharField(help_text="Which key made the digest.", max_length=8)),
            ("external_id", models.CharField(blank=True, max_length=255)),
            ("requested_by", models.CharField(help_text="A log-in, or the command that was run.", max_length=150)),
            ("requested_at", models.DateTimeField(auto_now_add=True)),
            (
                "state",
                models.CharField(
                    choices=[("waiting", "Waiting"), ("running", "Running"), ("done", "Done")],
                    default="waiting",
                    max_length=8,
                ),
            ),
            ("expected", models.PositiveBigIntegerField(default=0, help_text="Rows that were found when it began.")),
            ("removed", models.JSONField(default=dict)),
            ("finished_at", models.DateTimeField(null=True)),
            (
                "error",
                models.CharField(blank=True, help_text="Why the last attempt stopped; it is repeated.", max_length=500),
            ),
            (
                "refused",
                models.PositiveBigIntegerField(default=0, help_text="Messages about the id that came afterwards."),
            ),
            ("refused_at", models.DateTimeField(help_text="When the last of them came.", null=True)),
            ("lifted_at", models.DateTimeField(null=True)),
            ("lifted_by", models.CharField(blank=True, max_length=150)),
            (
                "other_of",
                models.ForeignKey(
                    help_text="Of whom it is another id.",
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="others",
                    to="accounts.erasure",
                ),
            ),
        ],
        options={
            "ordering": ("-id",),
            "constraints": [
                models.UniqueConstraint(
                    condition=models.Q(("lifted_at__isnull", True)),
                    fields=("kind", "digest"),
                    name="one_erasure_in_force",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("state", "done"), _negated=True), ("external_id", ""), _connector="OR"
                    ),
                    name="erasure_forgets_the_id_when_done",
                ),
                models.CheckConstraint(
                    condition=models.Q(("kind__in", ["user", "account"])), name="erasure_kind_known"
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="DataExport",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("kind", models.CharField(choices=[("user", "User"), ("account", "Account")], max_length=8)),
            ("digest", models.CharField(max_length=64)),
            ("external_id", models.CharField(blank=True, max_length=255)),
            ("requested_by", models.CharField(max_length=150)),
            ("requested_at", models.DateTimeField(auto_now_add=True)),
            (
                "state",
                models.CharField(
                    choices=[("waiting", "Waiting"), ("ready", "Ready"), ("gone", "Deleted")],
                    default="waiting",
                    max_length=8,
                ),
            ),
            ("rows", models.PositiveBigIntegerField(default=0)),
            ("size", models.PositiveBigIntegerField(default=0, help_text="Bytes.")),
            ("ready_at", models.DateTimeField(null=True)),
            ("expires_at", models.DateTimeField(null=True)),
            ("downloads", models.PositiveIntegerField(default=0)),
            ("error", models.CharField(blank=True, max_length=500)),
        ],
        options={
            "ordering": ("-id",),
            "constraints": [
                models.CheckConstraint(condition=models.Q(("kind__in", ["user", "account"])), name="export_kind_known")
            ],
        },
    ),
    migrations.CreateModel(
        name="ExportPart",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("number", models.PositiveIntegerField()),
            ("data", models.BinaryField()),
            (
                "export",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="parts",
                    to="accounts.dataexport",
                ),
            ),
        ],
        options={
            "ordering": ("number",),
            "constraints": [models.UniqueConstraint(fields=("export", "number"), name="one_part_of_export")],
        },
    ),
]
