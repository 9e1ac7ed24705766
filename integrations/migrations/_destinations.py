"""The tables of destinations, and of what they are told."""

import django.db.models.deletion
import django.db.models.functions.comparison
from django.conf import settings
from django.db import migrations, models

import integrations.models.destination

TABLES = [
    migrations.CreateModel(
        name="Destination",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            ("kind", models.CharField(choices=[("webhook", "Webhook"), ("track", "Tracking endpoint")], max_length=8)),
            ("name", models.CharField(max_length=60)),
            (
                "origin",
                models.CharField(
                    default=integrations.models.destination.new_origin, editable=False, max_length=32, unique=True
                ),
            ),
            ("address", models.TextField(editable=False)),
            ("hint", models.CharField(blank=True, editable=False, max_length=120)),
            ("secret", models.TextField(editable=False)),
            ("former_secret", models.TextField(blank=True, editable=False)),
            ("former_until", models.DateTimeField(blank=True, editable=False, null=True)),
            (
                "active",
                models.BooleanField(default=True, help_text="Off: nothing is sent, and what changes is sent later."),
            ),
            (
                "groups",
                models.BooleanField(
                    default=True, help_text="The values of accounts (group calls).", verbose_name="accounts"
                ),
            ),
            (
                "to_users",
                models.BooleanField(
                    default=False, help_text="Segments of accounts for users too.", verbose_name="users of accounts"
                ),
            ),
            ("events", models.BooleanField(default=True, help_text="An event for each entry, exit and new value.")),
            ("events_of_first", models.BooleanField(default=False, verbose_name="events of the first sync")),
            ("events_of_definition", models.BooleanField(default=False, verbose_name="events of changed definitions")),
            ("entered_name", models.CharField(default="Audience Entered", max_length=80)),
            ("exited_name", models.CharField(default="Audience Exited", max_length=80)),
            ("computed_name", models.CharField(default="Trait Computed", max_length=80)),
            ("tools", models.JSONField(blank=True, default=list, help_text="Only these integrations of the receiver.")),
            ("failures", models.PositiveIntegerField(default=0, editable=False)),
            ("refusals", models.PositiveIntegerField(default=0, editable=False)),
            ("failing_since", models.DateTimeField(blank=True, editable=False, null=True)),
            ("rests_until", models.DateTimeField(blank=True, editable=False, null=True)),
            ("sent_at", models.DateTimeField(blank=True, editable=False, null=True)),
            ("error", models.CharField(blank=True, editable=False, max_length=300)),
            ("ended_at", models.DateTimeField(blank=True, editable=False, null=True)),
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
                models.UniqueConstraint(
                    condition=models.Q(("ended_at", None)), fields=("name",), name="one_destination_of_a_name"
                ),
                models.CheckConstraint(condition=models.Q(("name", ""), _negated=True), name="destination_has_name"),
                models.CheckConstraint(
                    condition=models.Q(("kind__in", ["webhook", "track"])), name="destination_kind_known"
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="SyncItem",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("field", models.CharField(blank=True, max_length=120)),
            ("key", models.CharField(max_length=60)),
            ("requested", models.PositiveBigIntegerField(default=1)),
            ("answered", models.PositiveBigIntegerField(default=0)),
            ("redefined", models.BooleanField(default=False)),
            ("refresh", models.PositiveBigIntegerField(default=0)),
            ("first_done_at", models.DateTimeField(null=True)),
            ("answered_at", models.DateTimeField(null=True)),
            ("error", models.CharField(blank=True, max_length=300)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("ended_at", models.DateTimeField(null=True)),
            (
                "destination",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="items",
                    to="integrations.destination",
                ),
            ),
            (
                "segment",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="sync_items",
                    to="segments.segment",
                ),
            ),
        ],
        options={
            "ordering": ("id",),
            "constraints": [
                models.UniqueConstraint(fields=("destination", "key"), name="sync_key_is_given_once"),
                models.UniqueConstraint(
                    condition=models.Q(("ended_at", None)),
                    fields=("destination", "segment"),
                    name="a_segment_is_sent_once",
                ),
                models.UniqueConstraint(
                    condition=models.Q(("ended_at", None), models.Q(("field", ""), _negated=True)),
                    fields=("destination", "field"),
                    name="a_field_is_sent_once",
                ),
                models.CheckConstraint(
                    condition=models.Q(("key__regex", "^[a-z][a-z0-9_]{0,59}$")), name="sync_key_is_snake_case"
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="SyncedValue",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("value", models.JSONField()),
            ("seq", models.PositiveIntegerField(default=1)),
            ("cause", models.CharField(max_length=10)),
            ("at", models.DateTimeField()),
            (
                "account",
                models.ForeignKey(
                    null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"
                ),
            ),
            (
                "user",
                models.ForeignKey(
                    null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.enduser"
                ),
            ),
            (
                "item",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="values",
                    to="integrations.syncitem",
                ),
            ),
        ],
        options={
            "constraints": [
                models.UniqueConstraint(
                    condition=models.Q(("account__isnull", False)),
                    fields=("item", "account"),
                    name="one_synced_value_of_account",
                ),
                models.UniqueConstraint(
                    condition=models.Q(("user__isnull", False)),
                    fields=("item", "user"),
                    name="one_synced_value_of_user",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("account__isnull", False), ("user__isnull", True)),
                        models.Q(("account__isnull", True), ("user__isnull", False)),
                        _connector="OR",
                    ),
                    name="synced_value_is_of_one",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="SyncMark",
        fields=[
            (
                "account",
                models.OneToOneField(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    primary_key=True,
                    related_name="+",
                    serialize=False,
                    to="accounts.account",
                ),
            ),
        ],
    ),
    migrations.CreateModel(
        name="Outgoing",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            (
                "call",
                models.CharField(
                    choices=[("group", "Account"), ("identify", "User"), ("track", "Event")], max_length=8
                ),
            ),
            ("value", models.JSONField()),
            ("seq", models.PositiveIntegerField()),
            (
                "cause",
                models.CharField(
                    choices=[
                        ("first", "First sync"),
                        ("data", "New data"),
                        ("time", "Time"),
                        ("definition", "Definition"),
                        ("hand", "By hand"),
                    ],
                    max_length=10,
                ),
            ),
            ("at", models.DateTimeField(help_text="When it changed.")),
            (
                "state",
                models.CharField(
                    choices=[
                        ("waiting", "Waiting"),
                        ("sent", "Sent"),
                        ("failed", "Failed"),
                        ("dropped", "Not wanted any more"),
                    ],
                    default="waiting",
                    max_length=8,
                ),
            ),
            ("attempts", models.PositiveSmallIntegerField(default=0)),
            ("tried_at", models.DateTimeField(null=True)),
            ("sent_at", models.DateTimeField(null=True)),
            ("status", models.PositiveSmallIntegerField(help_text="The answer to the last attempt.", null=True)),
            ("error", models.CharField(blank=True, max_length=300)),
            (
                "account",
                models.ForeignKey(
                    null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"
                ),
            ),
            (
                "destination",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="messages",
                    to="integrations.destination",
                ),
            ),
            (
                "user",
                models.ForeignKey(
                    null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.enduser"
                ),
            ),
            (
                "item",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="messages",
                    to="integrations.syncitem",
                ),
            ),
        ],
        options={
            "verbose_name": "outgoing message",
            "ordering": ("-id",),
            "indexes": [
                models.Index(
                    condition=models.Q(("state", "waiting")), fields=["destination", "id"], name="outgoing_waiting"
                ),
                models.Index(fields=["destination", "-id"], name="outgoing_of_destination"),
                models.Index(
                    condition=models.Q(("state", "waiting"), _negated=True), fields=["at"], name="outgoing_by_age"
                ),
            ],
            "constraints": [
                models.UniqueConstraint(
                    models.F("item"),
                    models.F("call"),
                    django.db.models.functions.comparison.Coalesce(models.F("account"), models.Value(0)),
                    django.db.models.functions.comparison.Coalesce(models.F("user"), models.Value(0)),
                    models.F("seq"),
                    name="a_change_is_told_once",
                ),
                models.CheckConstraint(
                    condition=models.Q(("call__in", ["group", "identify", "track"])), name="outgoing_call_known"
                ),
                models.CheckConstraint(
                    condition=models.Q(("state__in", ["waiting", "sent", "failed", "dropped"])),
                    name="outgoing_state_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(("cause__in", ["first", "data", "time", "definition", "hand"])),
                    name="outgoing_cause_known",
                ),
            ],
        },
    ),
]
