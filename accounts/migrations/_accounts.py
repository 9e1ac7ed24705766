"""The tables of accounts, their terms, and what is kept of each by day."""

import django.db.models.deletion
import django.db.models.fields.json
from django.db import migrations, models

import accounts.models.traits

TABLES = [
    migrations.CreateModel(
        name="LifecycleStage",
        fields=[
            ("key", models.SlugField(max_length=60, primary_key=True, serialize=False)),
            ("name", models.CharField(max_length=80)),
            ("position", models.PositiveIntegerField(default=0)),
            (
                "kind",
                models.CharField(
                    choices=[
                        ("trial", "Trial"),
                        ("onboarding", "Onboarding"),
                        ("live", "Live"),
                        ("cancelled", "Cancelled"),
                    ],
                    max_length=12,
                ),
            ),
        ],
        options={
            "ordering": ("position", "key"),
            "abstract": False,
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("kind__in", ["trial", "onboarding", "live", "cancelled"])),
                    name="stage_kind_known",
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="AccountLevel",
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
        name="AccountStatus",
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
        name="Account",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("attributes", models.JSONField(blank=True, default=dict)),
            ("folded", accounts.models.traits.FoldsField(blank=True, default=dict, editable=False)),
            ("stamps", models.JSONField(blank=True, default=dict, editable=False)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            (
                "external_id",
                models.CharField(help_text="The id your own systems use; never changes.", max_length=255, unique=True),
            ),
            ("name", models.CharField(max_length=255)),
            (
                "name_folded",
                accounts.models.traits.NameKeyField(
                    blank=True, db_collation="C", default="", editable=False, of="name"
                ),
            ),
            ("domain", models.CharField(blank=True, max_length=255)),
            ("industry", models.CharField(blank=True, max_length=120)),
            ("country", models.CharField(blank=True, max_length=120)),
            ("customer_since", models.DateField(blank=True, null=True)),
            ("churned_on", models.DateField(blank=True, null=True)),
            ("churn_reason", models.CharField(blank=True, max_length=255)),
            (
                "stated_mrr",
                models.DecimalField(
                    blank=True, decimal_places=2, max_digits=20, null=True, verbose_name="MRR without subscriptions"
                ),
            ),
            (
                "stated_licences",
                models.PositiveIntegerField(blank=True, null=True, verbose_name="licences without subscriptions"),
            ),
            (
                "mrr",
                models.DecimalField(
                    blank=True, decimal_places=2, editable=False, max_digits=20, null=True, verbose_name="MRR"
                ),
            ),
            ("licences", models.PositiveIntegerField(blank=True, editable=False, null=True)),
            ("plan", models.CharField(blank=True, editable=False, max_length=120)),
            ("renews_on", models.DateField(blank=True, editable=False, null=True)),
            ("trial_starts_on", models.DateField(blank=True, editable=False, null=True)),
            ("trial_ends_on", models.DateField(blank=True, editable=False, null=True)),
            ("archived_at", models.DateTimeField(blank=True, null=True)),
            (
                "parent",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="children",
                    to="accounts.account",
                ),
            ),
            (
                "level",
                models.ForeignKey(
                    blank=True,
                    db_column="level",
                    db_index=False,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    to="accounts.accountlevel",
                ),
            ),
            (
                "status",
                models.ForeignKey(
                    blank=True,
                    db_column="status",
                    db_index=False,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    to="accounts.accountstatus",
                ),
            ),
            (
                "stage",
                models.ForeignKey(
                    blank=True,
                    db_column="stage",
                    db_index=False,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    to="accounts.lifecyclestage",
                ),
            ),
            (
                "search_text",
                accounts.models.traits.SearchTextField(
                    default=None, editable=False, null=True, of=("name", "domain", "external_id")
                ),
            ),
        ],
        options={
            "ordering": ("name_folded", "id"),
            "indexes": [
                models.Index(condition=models.Q(("archived_at__isnull", True)), fields=["id"], name="account_live"),
                models.Index(fields=["name_folded", "id"], include=("archived_at",), name="account_by_name_live"),
                models.Index(
                    models.OrderBy(models.F("mrr"), descending=True, nulls_last=True),
                    models.F("name_folded"),
                    models.F("id"),
                    condition=models.Q(("archived_at__isnull", True)),
                    name="account_by_mrr_live",
                ),
                models.Index(
                    condition=models.Q(("archived_at__isnull", True)),
                    fields=["mrr", "name_folded", "id"],
                    name="account_by_mrr_up_live",
                ),
                models.Index(
                    condition=models.Q(("archived_at__isnull", True)),
                    fields=["renews_on", "name_folded", "id"],
                    name="account_by_renewal_live",
                ),
                models.Index(
                    models.OrderBy(models.F("renews_on"), descending=True, nulls_last=True),
                    models.F("name_folded"),
                    models.F("id"),
                    condition=models.Q(("archived_at__isnull", True)),
                    name="account_by_renewal_down",
                ),
                models.Index(
                    django.db.models.fields.json.KeyTextTransform("industry", "folded"),
                    models.F("name_folded"),
                    models.F("id"),
                    condition=models.Q(("archived_at__isnull", True)),
                    name="account_by_industry",
                ),
                models.Index(
                    django.db.models.fields.json.KeyTextTransform("plan", "folded"),
                    models.F("name_folded"),
                    models.F("id"),
                    condition=models.Q(("archived_at__isnull", True)),
                    name="account_by_plan",
                ),
                models.Index(
                    condition=models.Q(("archived_at__isnull", True)),
                    fields=["id"],
                    include=("search_text", "name_folded", "mrr", "licences", "renews_on", "stage", "level", "status"),
                    name="account_listed",
                ),
                models.Index(
                    condition=models.Q(("search_text__isnull", True)), fields=["id"], name="account_without_search_text"
                ),
            ],
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("external_id", ""), _negated=True), name="account_has_external_id"
                ),
                models.CheckConstraint(
                    condition=models.Q(("mrr__isnull", True), ("mrr__gte", 0), _connector="OR"),
                    name="account_mrr_not_negative",
                ),
                models.CheckConstraint(
                    condition=models.Q(("stated_mrr__isnull", True), ("stated_mrr__gte", 0), _connector="OR"),
                    name="account_stated_mrr",
                ),
                models.CheckConstraint(
                    condition=models.Q(("parent", models.F("id")), _negated=True), name="account_not_own_parent"
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("churned_on__isnull", True),
                        ("customer_since__isnull", True),
                        ("churned_on__gte", models.F("customer_since")),
                        _connector="OR",
                    ),
                    name="account_churned_after_it_came",
                    violation_error_message="An account cannot have churned before it became a customer. If it came back, clear the churn date.",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="TouchedAccount",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("at", models.DateTimeField(auto_now_add=True)),
            (
                "account",
                models.ForeignKey(
                    db_constraint=False,
                    db_index=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    to="accounts.account",
                ),
            ),
        ],
        options={
            "ordering": ("id",),
        },
    ),
    migrations.CreateModel(
        name="MrrDay",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("day", models.DateField()),
            ("mrr", models.DecimalField(decimal_places=2, max_digits=20, null=True, verbose_name="MRR")),
            ("recalled", models.BooleanField(db_default=False, default=False)),
            (
                "account",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="mrr_days",
                    to="accounts.account",
                ),
            ),
        ],
        options={
            "verbose_name": "MRR of a day",
            "verbose_name_plural": "MRR by day",
            "ordering": ("-day",),
            "constraints": [models.UniqueConstraint(fields=("account", "day"), name="one_mrr_per_account_and_day")],
        },
    ),
]
