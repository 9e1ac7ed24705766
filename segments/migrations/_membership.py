"""The tables of who is in which segment."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

TABLES = [
    migrations.CreateModel(
        name="Pin",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("kind", models.CharField(choices=[("in", "Pinned in"), ("out", "Kept out")], default="in", max_length=3)),
            ("reason", models.CharField(max_length=255)),
            ("until", models.DateField(blank=True, null=True, verbose_name="last day")),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("ended_at", models.DateTimeField(blank=True, editable=False, null=True)),
            (
                "account",
                models.ForeignKey(
                    blank=True,
                    db_index=False,
                    null=True,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="pins",
                    to="accounts.account",
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
                "segment",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="pins",
                    to="segments.segment",
                ),
            ),
            (
                "user",
                models.ForeignKey(
                    blank=True,
                    db_index=False,
                    null=True,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="pins",
                    to="accounts.enduser",
                ),
            ),
        ],
        options={
            "ordering": ("-id",),
            "indexes": [
                models.Index(fields=["account", "segment"], name="pins_of_account"),
                models.Index(fields=["user", "segment"], name="pins_of_user"),
            ],
            "constraints": [
                models.UniqueConstraint(
                    condition=models.Q(("ended_at__isnull", True)), fields=("segment", "account"), name="one_open_pin"
                ),
                models.CheckConstraint(condition=models.Q(("reason", ""), _negated=True), name="pin_has_reason"),
                models.UniqueConstraint(
                    condition=models.Q(("ended_at__isnull", True)),
                    fields=("segment", "user"),
                    name="one_open_pin_of_user",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("account__isnull", False), ("user__isnull", True)),
                        models.Q(("account__isnull", True), ("user__isnull", False)),
                        _connector="OR",
                    ),
                    name="pin_has_one_member",
                ),
                models.CheckConstraint(condition=models.Q(("kind__in", ["in", "out"])), name="pin_kind_known"),
            ],
        },
    ),
    migrations.CreateModel(
        name="AccountMembership",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("entered_at", models.DateTimeField()),
            ("left_at", models.DateTimeField(blank=True, null=True)),
            (
                "account",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="memberships",
                    to="accounts.account",
                ),
            ),
            (
                "segment",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="account_memberships",
                    to="segments.segment",
                ),
            ),
            (
                "closed_by",
                models.ForeignKey(
                    db_index=False,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="closed",
                    to="segments.segmentrefresh",
                ),
            ),
            (
                "opened_by",
                models.ForeignKey(
                    db_index=False,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="opened",
                    to="segments.segmentrefresh",
                ),
            ),
            (
                "closed_pin",
                models.ForeignKey(
                    db_index=False,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to="segments.pin",
                ),
            ),
            (
                "opened_pin",
                models.ForeignKey(
                    db_index=False,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to="segments.pin",
                ),
            ),
        ],
        options={
            "indexes": [
                models.Index(fields=["account", "segment", "entered_at"], name="memberships_of_account"),
                models.Index(
                    condition=models.Q(("left_at__isnull", False)), fields=["segment", "left_at"], name="left_segment"
                ),
                models.Index(fields=["segment", "entered_at"], name="entered_segment"),
            ],
            "constraints": [
                models.UniqueConstraint(
                    condition=models.Q(("left_at__isnull", True)),
                    fields=("segment", "account"),
                    name="one_open_account_membership",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("left_at__isnull", True), ("left_at__gte", models.F("entered_at")), _connector="OR"
                    ),
                    name="account_membership_ends_after_start",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="UserMembership",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("entered_at", models.DateTimeField()),
            ("left_at", models.DateTimeField(blank=True, null=True)),
            (
                "closed_by",
                models.ForeignKey(
                    db_index=False,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to="segments.segmentrefresh",
                ),
            ),
            (
                "opened_by",
                models.ForeignKey(
                    db_index=False,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to="segments.segmentrefresh",
                ),
            ),
            (
                "segment",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="user_memberships",
                    to="segments.segment",
                ),
            ),
            (
                "user",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="memberships",
                    to="accounts.enduser",
                ),
            ),
            (
                "closed_pin",
                models.ForeignKey(
                    db_index=False,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to="segments.pin",
                ),
            ),
            (
                "opened_pin",
                models.ForeignKey(
                    db_index=False,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to="segments.pin",
                ),
            ),
        ],
        options={
            "indexes": [
                models.Index(fields=["user", "segment", "entered_at"], name="memberships_of_user"),
                models.Index(
                    condition=models.Q(("left_at__isnull", False)),
                    fields=["segment", "left_at"],
                    name="user_left_segment",
                ),
                models.Index(fields=["segment", "entered_at"], name="user_entered_segment"),
            ],
            "constraints": [
                models.UniqueConstraint(
                    condition=models.Q(("left_at__isnull", True)),
                    fields=("segment", "user"),
                    name="one_open_user_membership",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("left_at__isnull", True), ("left_at__gte", models.F("entered_at")), _connector="OR"
                    ),
                    name="user_membership_ends_after_start",
                ),
            ],
        },
    ),
]
