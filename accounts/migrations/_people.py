"""The tables of end users, teams, and who is in charge of which account."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import accounts.models.traits

TABLES = [
    migrations.CreateModel(
        name="EndUser",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("attributes", models.JSONField(blank=True, default=dict)),
            ("folded", accounts.models.traits.FoldsField(blank=True, default=dict, editable=False)),
            ("stamps", models.JSONField(blank=True, default=dict, editable=False)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            ("external_id", models.CharField(max_length=255, unique=True)),
            ("name", models.CharField(blank=True, max_length=255)),
            (
                "name_folded",
                accounts.models.traits.NameKeyField(
                    blank=True, db_collation="C", default="", editable=False, of="name"
                ),
            ),
            ("email", models.CharField(blank=True, max_length=255)),
            ("title", models.CharField(blank=True, max_length=120)),
            ("first_seen_at", models.DateTimeField(blank=True, null=True)),
            ("departed", models.JSONField(editable=False, null=True)),
        ],
        options={
            "verbose_name": "user",
            "ordering": ("name_folded", "id"),
            "indexes": [models.Index(fields=["name_folded", "id"], name="user_by_name")],
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("external_id", ""), _negated=True), name="user_has_external_id"
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="Relationship",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("attributes", models.JSONField(blank=True, default=dict)),
            ("folded", accounts.models.traits.FoldsField(blank=True, default=dict, editable=False)),
            ("stamps", models.JSONField(blank=True, default=dict, editable=False)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            ("role", models.CharField(blank=True, max_length=120)),
            ("started_at", models.DateTimeField(default=django.utils.timezone.now)),
            ("ended_at", models.DateTimeField(blank=True, null=True)),
            (
                "account",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="relationships",
                    to="accounts.account",
                ),
            ),
            (
                "user",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="relationships", to="accounts.enduser"
                ),
            ),
        ],
        options={
            "ordering": ("id",),
            "indexes": [models.Index(fields=["account", "user", "started_at"], name="relationship_of_account")],
            "constraints": [
                models.UniqueConstraint(
                    condition=models.Q(("ended_at__isnull", True)),
                    fields=("account", "user"),
                    name="one_open_relationship",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("ended_at__isnull", True), ("ended_at__gte", models.F("started_at")), _connector="OR"
                    ),
                    name="relationship_ends_after_start",
                ),
            ],
        },
    ),
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
        options={
            "db_table": "accounts_user_in_account",
            "ordering": ("id",),
            "managed": False,
        },
    ),
    migrations.CreateModel(
        name="Team",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("name", models.CharField(max_length=120, unique=True)),
            ("name_folded", accounts.models.traits.FoldedField(blank=True, default="", editable=False, of="name")),
        ],
        options={
            "ordering": ("name",),
        },
    ),
    migrations.CreateModel(
        name="TeamMember",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("key", models.SlugField(help_text="Names this person in rules and files.", max_length=80, unique=True)),
            ("name", models.CharField(max_length=120)),
            (
                "access",
                models.CharField(
                    choices=[
                        ("admin", "Administrator"),
                        ("manager", "Manager"),
                        ("csm", "Customer success manager"),
                        ("viewer", "Viewer"),
                    ],
                    default="csm",
                    max_length=8,
                ),
            ),
            (
                "preferences",
                models.JSONField(blank=True, default=dict, help_text="Theme, density, columns, shortcuts."),
            ),
            (
                "team",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="members",
                    to="accounts.team",
                ),
            ),
            (
                "user",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.CASCADE, related_name="member", to=settings.AUTH_USER_MODEL
                ),
            ),
        ],
        options={
            "ordering": ("name", "id"),
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("access__in", ["admin", "manager", "csm", "viewer"])),
                    name="member_access_known",
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="AssignmentRole",
        fields=[
            ("key", models.SlugField(max_length=60, primary_key=True, serialize=False)),
            ("name", models.CharField(max_length=80)),
            ("position", models.PositiveIntegerField(default=0)),
        ],
        options={
            "ordering": ("position", "key"),
            "abstract": False,
        },
    ),
    migrations.CreateModel(
        name="Assignment",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("started_at", models.DateTimeField(default=django.utils.timezone.now)),
            ("ended_at", models.DateTimeField(blank=True, null=True)),
            (
                "account",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="assignments",
                    to="accounts.account",
                ),
            ),
            (
                "role",
                models.ForeignKey(
                    db_column="role",
                    db_index=False,
                    on_delete=django.db.models.deletion.PROTECT,
                    to="accounts.assignmentrole",
                ),
            ),
            (
                "member",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT, related_name="assignments", to="accounts.teammember"
                ),
            ),
        ],
        options={
            "ordering": ("id",),
            "constraints": [
                models.UniqueConstraint(
                    condition=models.Q(("ended_at__isnull", True)),
                    fields=("account", "role"),
                    name="one_open_assignment_per_role",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("ended_at__isnull", True), ("ended_at__gte", models.F("started_at")), _connector="OR"
                    ),
                    name="assignment_ends_after_start",
                ),
            ],
        },
    ),
]
