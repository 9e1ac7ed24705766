"""The tables of subscriptions and of custom attributes."""

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.text
from django.db import migrations, models

import accounts.models.traits

TABLES = [
    migrations.CreateModel(
        name="SubscriptionStatus",
        fields=[
            ("key", models.SlugField(max_length=60, primary_key=True, serialize=False)),
            ("name", models.CharField(max_length=80)),
            ("position", models.PositiveIntegerField(default=0)),
            (
                "kind",
                models.CharField(
                    choices=[
                        ("active", "Active"),
                        ("cancelled", "Cancelled"),
                        ("future", "Future"),
                        ("suspended", "Suspended"),
                    ],
                    max_length=12,
                ),
            ),
        ],
        options={
            "verbose_name_plural": "subscription statuses",
            "ordering": ("position", "key"),
            "abstract": False,
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("kind__in", ["active", "cancelled", "future", "suspended"])),
                    name="subscription_status_kind_known",
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="ExchangeRate",
        fields=[
            ("currency", models.CharField(max_length=3, primary_key=True, serialize=False)),
            ("rate", models.DecimalField(decimal_places=8, max_digits=18)),
            ("updated_at", models.DateTimeField(auto_now=True)),
        ],
        options={
            "ordering": ("currency",),
            "constraints": [
                models.CheckConstraint(condition=models.Q(("rate__gt", 0)), name="exchange_rate_positive"),
                models.CheckConstraint(
                    condition=models.Q(("currency__regex", "^[A-Z]{3}$")), name="exchange_rate_currency_is_a_code"
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Subscription",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("attributes", models.JSONField(blank=True, default=dict)),
            ("folded", accounts.models.traits.FoldsField(blank=True, default=dict, editable=False)),
            ("stamps", models.JSONField(blank=True, default=dict, editable=False)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            ("external_id", models.CharField(max_length=255, unique=True)),
            ("plan", models.CharField(blank=True, max_length=120)),
            ("mrr", models.DecimalField(decimal_places=2, default=0, max_digits=20, verbose_name="MRR")),
            ("currency", models.CharField(max_length=3)),
            (
                "mrr_base",
                models.DecimalField(
                    decimal_places=2,
                    editable=False,
                    max_digits=20,
                    null=True,
                    verbose_name="MRR in the workspace's currency",
                ),
            ),
            ("quantity", models.PositiveIntegerField(blank=True, null=True, verbose_name="licences")),
            (
                "billing_period",
                models.CharField(
                    blank=True,
                    choices=[
                        ("monthly", "Monthly"),
                        ("quarterly", "Quarterly"),
                        ("yearly", "Yearly"),
                        ("other", "Other"),
                    ],
                    max_length=12,
                ),
            ),
            ("starts_on", models.DateField(blank=True, null=True)),
            ("ends_on", models.DateField(blank=True, null=True)),
            ("trial_starts_on", models.DateField(blank=True, null=True)),
            ("trial_ends_on", models.DateField(blank=True, null=True)),
            ("renews_on", models.DateField(blank=True, null=True)),
            ("auto_renew", models.BooleanField(blank=True, null=True)),
            (
                "account",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="subscriptions", to="accounts.account"
                ),
            ),
            (
                "status",
                models.ForeignKey(
                    db_column="status",
                    db_index=False,
                    on_delete=django.db.models.deletion.PROTECT,
                    to="accounts.subscriptionstatus",
                ),
            ),
        ],
        options={
            "ordering": ("id",),
            "indexes": [models.Index(fields=["renews_on", "id"], name="subscription_by_renewal")],
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("external_id", ""), _negated=True), name="subscription_has_external_id"
                ),
                models.CheckConstraint(condition=models.Q(("mrr__gte", 0)), name="subscription_mrr_not_negative"),
                models.CheckConstraint(
                    condition=models.Q(
                        ("ends_on__isnull", True),
                        ("starts_on__isnull", True),
                        ("ends_on__gte", models.F("starts_on")),
                        _connector="OR",
                    ),
                    name="subscription_ends_after_start",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("trial_ends_on__isnull", True),
                        ("trial_starts_on__isnull", True),
                        ("trial_ends_on__gte", models.F("trial_starts_on")),
                        _connector="OR",
                    ),
                    name="subscription_trial_ends_after_start",
                ),
                models.CheckConstraint(
                    condition=models.Q(("currency__regex", "^[A-Z]{3}$")), name="subscription_currency_is_a_code"
                ),
                models.CheckConstraint(
                    condition=models.Q(("billing_period__in", ["", "monthly", "quarterly", "yearly", "other"])),
                    name="subscription_billing_period_known",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="AttributeDefinition",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            (
                "subject",
                models.CharField(
                    choices=[
                        ("account", "Account"),
                        ("user", "User"),
                        ("relationship", "Relationship"),
                        ("subscription", "Subscription"),
                    ],
                    default="account",
                    max_length=12,
                ),
            ),
            (
                "key",
                models.CharField(
                    help_text="Used in rules, files and the API; never changes.",
                    max_length=60,
                    validators=[
                        django.core.validators.RegexValidator(
                            "^[a-z][a-z0-9_]*$", "Use small letters, digits and _, beginning with a letter."
                        )
                    ],
                ),
            ),
            ("name", models.CharField(max_length=120)),
            (
                "kind",
                models.CharField(
                    choices=[
                        ("text", "Text"),
                        ("number", "Number"),
                        ("money", "Money"),
                        ("percent", "Percent"),
                        ("boolean", "Yes or no"),
                        ("date", "Date"),
                        ("datetime", "Date and time"),
                        ("choice", "Choice"),
                        ("list", "List"),
                        ("link", "Link"),
                    ],
                    max_length=10,
                ),
            ),
            (
                "choices",
                models.JSONField(blank=True, default=list, help_text="For a choice: the list of allowed values."),
            ),
            ("description", models.CharField(blank=True, max_length=255)),
            ("active", models.BooleanField(default=True)),
        ],
        options={
            "ordering": ("subject", "name", "id"),
            "constraints": [
                models.UniqueConstraint(
                    django.db.models.functions.text.Lower("key"), models.F("subject"), name="attribute_key_unique"
                ),
                models.CheckConstraint(condition=models.Q(("key", ""), _negated=True), name="attribute_has_key"),
                models.CheckConstraint(
                    condition=models.Q(("subject__in", ["account", "user", "relationship", "subscription"])),
                    name="attribute_subject_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        (
                            "kind__in",
                            [
                                "text",
                                "number",
                                "money",
                                "percent",
                                "boolean",
                                "date",
                                "datetime",
                                "choice",
                                "list",
                                "link",
                            ],
                        )
                    ),
                    name="attribute_kind_known",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="AttributeChange",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            (
                "subject",
                models.CharField(
                    choices=[
                        ("account", "Account"),
                        ("user", "User"),
                        ("relationship", "Relationship"),
                        ("subscription", "Subscription"),
                    ],
                    max_length=12,
                ),
            ),
            ("object_id", models.BigIntegerField()),
            ("key", models.CharField(max_length=80)),
            ("old", models.JSONField(null=True)),
            ("new", models.JSONField(null=True)),
            ("at", models.DateTimeField(help_text="When the value became true, by the sender's clock.")),
            ("source", models.CharField(max_length=80)),
            ("recorded_at", models.DateTimeField(auto_now_add=True)),
        ],
        options={
            "ordering": ("-at", "-id"),
            "indexes": [models.Index(fields=["subject", "object_id", "key", "at"], name="attribute_change_of")],
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("subject__in", ["account", "user", "relationship", "subscription"])),
                    name="attribute_change_subject_known",
                )
            ],
        },
    ),
]
