"""The tables of notices and of their delivery."""

import datetime

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

import accounts.models.traits
import core.models

TABLES = [
    migrations.CreateModel(
        name="NoticeChannel",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            ("kind", models.CharField(choices=[("slack", "Slack"), ("webhook", "Webhook")], max_length=8)),
            ("name", models.CharField(max_length=80)),
            ("name_folded", accounts.models.traits.FoldedField(blank=True, default="", editable=False, of="name")),
            ("address", models.TextField(editable=False, help_text="Sealed.")),
            ("hint", models.CharField(editable=False, max_length=80)),
            (
                "secret",
                models.TextField(blank=True, editable=False, help_text="Sealed: what webhooks are signed with."),
            ),
            ("active", models.BooleanField(default=True)),
            ("error", models.CharField(blank=True, editable=False, max_length=300)),
            ("failures", models.PositiveSmallIntegerField(default=0, editable=False)),
            ("rests_until", models.DateTimeField(editable=False, null=True)),
            (
                "member",
                models.ForeignKey(
                    blank=True,
                    help_text="Whose own it is; nobody’s if alert rules are to use it.",
                    null=True,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="notice_channels",
                    to="accounts.teammember",
                ),
            ),
            (
                "cap",
                models.PositiveSmallIntegerField(
                    blank=True,
                    help_text="Of a channel that is nobody’s own: messages on one day of the workspace. The rest comes as one message the next morning. Empty: as many as there are.",
                    null=True,
                    validators=[
                        django.core.validators.MinValueValidator(1),
                        django.core.validators.MaxValueValidator(500),
                    ],
                    verbose_name="most a day",
                ),
            ),
        ],
        options={
            "verbose_name": "notification channel",
            "ordering": ("name_folded", "id"),
            "constraints": [
                models.UniqueConstraint(
                    fields=("member", "name_folded"), name="notice_channel_name_unique", nulls_distinct=False
                ),
                models.CheckConstraint(
                    condition=models.Q(("address", ""), _negated=True), name="notice_channel_has_address"
                ),
                models.CheckConstraint(
                    condition=models.Q(("cap__isnull", True), ("cap__range", (1, 500)), _connector="OR"),
                    name="channel_cap_from_1_to_500",
                ),
                models.CheckConstraint(
                    condition=models.Q(("kind__in", ["slack", "webhook"])), name="notice_channel_kind_known"
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="NoticeSettings",
        fields=[
            (
                "member",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.CASCADE,
                    primary_key=True,
                    related_name="notice_settings",
                    serialize=False,
                    to="accounts.teammember",
                ),
            ),
            ("ways", models.JSONField(blank=True, default=dict, help_text="Kind of notification to way.")),
            ("by_email", models.BooleanField(default=True, verbose_name="by e-mail")),
            ("time_zone", models.CharField(blank=True, max_length=64, validators=[core.models.validate_time_zone])),
            ("quiet_from", models.TimeField(blank=True, null=True)),
            ("quiet_to", models.TimeField(blank=True, null=True)),
            (
                "cap",
                models.PositiveSmallIntegerField(
                    default=20,
                    help_text="Messages sent at once on one day; the rest comes with the next digest.",
                    validators=[
                        django.core.validators.MinValueValidator(1),
                        django.core.validators.MaxValueValidator(500),
                    ],
                    verbose_name="most a day",
                ),
            ),
            ("digest", models.BooleanField(default=True, verbose_name="daily digest")),
            ("digest_at", models.TimeField(default=datetime.time(7, 30))),
            ("weekly", models.BooleanField(default=False, verbose_name="weekly portfolio")),
            ("digested_on", models.DateField(editable=False, help_text="The local day of the last digest.", null=True)),
            ("digested_at", models.DateTimeField(editable=False, null=True)),
            (
                "weekly_on",
                models.DateField(editable=False, help_text="The Monday of the last weekly portfolio.", null=True),
            ),
        ],
        options={
            "verbose_name_plural": "notification settings",
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("quiet_from__isnull", True), ("quiet_to__isnull", True)),
                        models.Q(("quiet_from__isnull", False), ("quiet_to__isnull", False)),
                        _connector="OR",
                    ),
                    name="quiet_hours_begin_and_end",
                ),
                models.CheckConstraint(condition=models.Q(("cap__range", (1, 500))), name="notice_cap_from_1_to_500"),
            ],
        },
    ),
    migrations.CreateModel(
        name="Notice",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("key", models.CharField(max_length=120, unique=True)),
            ("kind", models.CharField(max_length=20)),
            ("title", models.CharField(max_length=255)),
            ("text", models.CharField(blank=True, max_length=1000)),
            ("path", models.CharField(blank=True, help_text="The page that tells more.", max_length=200)),
            ("severity", models.CharField(blank=True, max_length=8)),
            ("at", models.DateTimeField()),
            ("read_at", models.DateTimeField(blank=True, null=True)),
            ("waits", models.BooleanField(default=False, help_text="For the next digest.")),
            ("since", models.DateTimeField(editable=False, null=True)),
            (
                "account",
                models.ForeignKey(
                    null=True,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="notices",
                    to="accounts.account",
                ),
            ),
            (
                "alert",
                models.ForeignKey(
                    null=True, on_delete=django.db.models.deletion.CASCADE, related_name="notices", to="alerts.alert"
                ),
            ),
            (
                "digest",
                models.ForeignKey(
                    editable=False,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="carried",
                    to="alerts.notice",
                ),
            ),
            (
                "member",
                models.ForeignKey(
                    db_index=False,
                    null=True,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="received",
                    to="accounts.teammember",
                ),
            ),
            (
                "note",
                models.ForeignKey(
                    null=True, on_delete=django.db.models.deletion.CASCADE, related_name="notices", to="accounts.note"
                ),
            ),
            (
                "channel",
                models.ForeignKey(
                    null=True,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="notices",
                    to="alerts.noticechannel",
                ),
            ),
        ],
        options={
            "verbose_name": "notification",
            "ordering": ("-id",),
            "indexes": [
                models.Index(fields=["member", "-id"], name="notices_of_member"),
                models.Index(condition=models.Q(("read_at__isnull", True)), fields=["member"], name="unread_notices"),
                models.Index(condition=models.Q(("waits", True)), fields=["member", "id"], name="waiting_notices"),
                models.Index(fields=["at"], name="notices_by_age"),
            ],
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("channel__isnull", True), ("member__isnull", False)),
                        models.Q(("channel__isnull", False), ("member__isnull", True)),
                        _connector="OR",
                    ),
                    name="notice_is_for_one",
                ),
                models.CheckConstraint(condition=models.Q(("key", ""), _negated=True), name="notice_has_key"),
            ],
        },
    ),
    migrations.CreateModel(
        name="Delivery",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            (
                "via",
                models.CharField(
                    choices=[("email", "E-mail"), ("slack", "Slack"), ("webhook", "Webhook")], max_length=8
                ),
            ),
            ("key", models.UUIDField(editable=False, unique=True)),
            (
                "state",
                models.CharField(
                    choices=[
                        ("waiting", "Waiting"),
                        ("sending", "Sending"),
                        ("sent", "Sent"),
                        ("folded", "Left to the digest"),
                        ("failed", "Failed"),
                        ("dropped", "Not wanted any more"),
                    ],
                    default="waiting",
                    max_length=8,
                ),
            ),
            ("attempts", models.PositiveSmallIntegerField(default=0)),
            ("due_at", models.DateTimeField()),
            ("counted_on", models.DateField(null=True)),
            ("sent_at", models.DateTimeField(null=True)),
            ("error", models.CharField(blank=True, max_length=300)),
            (
                "notice",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="deliveries", to="alerts.notice"
                ),
            ),
            (
                "channel",
                models.ForeignKey(
                    null=True,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="deliveries",
                    to="alerts.noticechannel",
                ),
            ),
        ],
        options={
            "verbose_name_plural": "deliveries",
            "ordering": ("-id",),
            "indexes": [
                models.Index(
                    condition=models.Q(("state__in", ["waiting", "sending"])),
                    fields=["due_at", "id"],
                    name="deliveries_due",
                )
            ],
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("state", "sent"), _negated=True), ("sent_at__isnull", False), _connector="OR"
                    ),
                    name="delivery_that_was_sent_says_when",
                ),
                models.CheckConstraint(
                    condition=models.Q(("via__in", ["email", "slack", "webhook"])), name="delivery_via_known"
                ),
                models.CheckConstraint(
                    condition=models.Q(("state__in", ["waiting", "sending", "sent", "folded", "failed", "dropped"])),
                    name="delivery_state_known",
                ),
            ],
        },
    ),
]
