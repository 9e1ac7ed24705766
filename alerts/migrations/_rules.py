"""The tables of alert rules and of who listens to them."""

import django.db.models.deletion
import django.db.models.manager
from django.conf import settings
from django.db import migrations, models

import accounts.models.traits

TABLES = [
    migrations.CreateModel(
        name="AlertRule",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            ("name", models.CharField(max_length=120)),
            ("name_folded", accounts.models.traits.FoldedField(blank=True, default="", editable=False, of="name")),
            (
                "message",
                models.CharField(
                    blank=True, help_text="May name fields: {{ account.name }} has {{ account.mrr }}.", max_length=500
                ),
            ),
            (
                "type",
                models.CharField(
                    default="Risk", help_text="Onboarding, Renewal, Upselling, Risk, or your own.", max_length=40
                ),
            ),
            (
                "severity",
                models.CharField(
                    choices=[("critical", "Critical"), ("high", "High"), ("medium", "Medium"), ("low", "Low")],
                    default="medium",
                    max_length=8,
                ),
            ),
            ("active", models.BooleanField(default=True)),
            ("condition", models.JSONField(default=dict)),
            ("clear", models.JSONField(blank=True, null=True, verbose_name="clear condition")),
            (
                "hold_days",
                models.PositiveSmallIntegerField(
                    default=0, help_text="Local days for which the condition must hold before an alert is opened."
                ),
            ),
            (
                "cooldown_days",
                models.PositiveSmallIntegerField(
                    default=0, help_text="Days after the end of an alert in which the account gets no other one."
                ),
            ),
            (
                "refire",
                models.CharField(
                    choices=[
                        ("entry", "When it begins again"),
                        ("lasting", "Also while it lasts, after the cool-down"),
                        ("never", "Never: once for an account"),
                    ],
                    default="entry",
                    max_length=8,
                ),
            ),
            (
                "include_existing",
                models.BooleanField(
                    default=False,
                    help_text="Also alert about accounts for which it holds already when the rule is saved.",
                ),
            ),
            ("turns", models.PositiveIntegerField(default=0, editable=False)),
            ("version", models.PositiveIntegerField(default=0, editable=False)),
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
            (
                "clear_watch",
                models.OneToOneField(
                    editable=False,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="cleared_alert_rule",
                    to="segments.segment",
                ),
            ),
            (
                "fallback",
                models.ForeignKey(
                    blank=True,
                    help_text="Else to this colleague.",
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to="accounts.teammember",
                ),
            ),
            (
                "role",
                models.ForeignKey(
                    blank=True,
                    help_text="The alert is given to whoever plays this part for the account.",
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to="accounts.assignmentrole",
                ),
            ),
            (
                "round_robin",
                models.ManyToManyField(
                    blank=True,
                    help_text="Else to these colleagues in turn.",
                    related_name="+",
                    to="accounts.teammember",
                ),
            ),
            (
                "segments",
                models.ManyToManyField(
                    blank=True,
                    help_text="Accounts of any of these; all accounts if none is chosen.",
                    related_name="+",
                    to="segments.segment",
                ),
            ),
            (
                "watch",
                models.OneToOneField(
                    editable=False,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="alert_rule",
                    to="segments.segment",
                ),
            ),
            ("deleted_at", models.DateTimeField(blank=True, editable=False, null=True)),
        ],
        options={
            "ordering": ("name_folded", "id"),
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("hold_days__lte", 365)), name="alert_rule_holds_at_most_a_year"
                ),
                models.CheckConstraint(
                    condition=models.Q(("cooldown_days__lte", 365)), name="alert_rule_cools_at_most_a_year"
                ),
                models.UniqueConstraint(
                    condition=models.Q(("deleted_at__isnull", True)),
                    fields=("name_folded",),
                    name="alert_rule_name_unique",
                ),
                models.CheckConstraint(
                    condition=models.Q(("deleted_at__isnull", False), ("watch__isnull", False), _connector="OR"),
                    name="alert_rule_asks_something",
                ),
                models.CheckConstraint(
                    condition=models.Q(("severity__in", ["critical", "high", "medium", "low"])),
                    name="alert_rule_severity_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(("refire__in", ["entry", "lasting", "never"])), name="alert_rule_refire_known"
                ),
            ],
            "base_manager_name": "everything",
        },
        managers=[
            ("objects", django.db.models.manager.Manager()),
            ("everything", django.db.models.manager.Manager()),
        ],
    ),
    migrations.CreateModel(
        name="AlertRuleVersion",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("number", models.PositiveIntegerField()),
            ("definition", models.JSONField()),
            ("words", models.TextField(help_text="The condition in plain English, at the time.")),
            ("reason", models.CharField(blank=True, max_length=255)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
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
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="versions",
                    to="alerts.alertrule",
                ),
            ),
        ],
        options={
            "ordering": ("-number",),
            "constraints": [models.UniqueConstraint(fields=("rule", "number"), name="alert_rule_version_unique")],
        },
    ),
    migrations.CreateModel(
        name="RuleChoice",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            (
                "way",
                models.CharField(
                    choices=[
                        ("now", "At once"),
                        ("digest", "In the daily digest"),
                        ("inbox", "In the inbox only"),
                        ("never", "Not at all"),
                    ],
                    max_length=8,
                ),
            ),
            (
                "member",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="rule_choices",
                    to="accounts.teammember",
                ),
            ),
            (
                "rule",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="choices", to="alerts.alertrule"
                ),
            ),
        ],
        options={
            "ordering": ("id",),
            "constraints": [
                models.UniqueConstraint(fields=("member", "rule"), name="one_choice_of_member_and_rule"),
                models.CheckConstraint(
                    condition=models.Q(("way__in", ["now", "digest", "inbox", "never"])), name="rule_choice_way_known"
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="RuleNotices",
        fields=[
            (
                "rule",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.CASCADE,
                    primary_key=True,
                    related_name="notices",
                    serialize=False,
                    to="alerts.alertrule",
                ),
            ),
            (
                "channels",
                models.ManyToManyField(
                    blank=True, limit_choices_to={"member__isnull": True}, related_name="+", to="alerts.noticechannel"
                ),
            ),
            ("members", models.ManyToManyField(blank=True, related_name="+", to="accounts.teammember")),
        ],
        options={
            "verbose_name": "notifications of an alert rule",
            "verbose_name_plural": "notifications of alert rules",
            "ordering": ("rule_id",),
        },
    ),
]
