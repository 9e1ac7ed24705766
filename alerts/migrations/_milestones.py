"""The tables of milestones."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import accounts.models.traits

TABLES = [
    migrations.CreateModel(
        name="Milestone",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            (
                "key",
                models.SlugField(
                    help_text="Names the milestone in fields, links and the API.", max_length=60, unique=True
                ),
            ),
            ("name", models.CharField(max_length=80)),
            ("name_folded", accounts.models.traits.FoldedField(blank=True, default="", editable=False, of="name")),
            ("description", models.CharField(blank=True, max_length=500)),
            ("position", models.PositiveIntegerField(default=0)),
            ("condition", models.JSONField(default=dict)),
            (
                "start",
                models.CharField(
                    choices=[
                        ("account", "The start of the account"),
                        ("subscription", "The start of its first subscription"),
                        ("field", "A date of the account"),
                    ],
                    default="account",
                    max_length=12,
                    verbose_name="expected days count from",
                ),
            ),
            (
                "start_field",
                models.CharField(blank=True, help_text="The key of a date field of the account.", max_length=120),
            ),
            (
                "expected_days",
                models.PositiveSmallIntegerField(
                    blank=True,
                    help_text="Local days; an account that needs longer is overdue. Empty: never overdue.",
                    null=True,
                ),
            ),
            (
                "sticky",
                models.BooleanField(
                    default=True,
                    help_text="Once reached, it stays reached. Otherwise it is lost when the condition ends.",
                ),
            ),
            ("active", models.BooleanField(default=True)),
            ("version", models.PositiveIntegerField(default=0, editable=False)),
            (
                "live_version",
                models.PositiveIntegerField(
                    default=0, editable=False, help_text="The version by which accounts were last looked at."
                ),
            ),
            (
                "searched_version",
                models.PositiveIntegerField(
                    default=0, editable=False, help_text="The version for which the past was searched."
                ),
            ),
            (
                "looked_at",
                models.DateTimeField(
                    editable=False, help_text="The newest moment as of which every account was looked at.", null=True
                ),
            ),
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
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="milestone",
                    to="segments.segment",
                ),
            ),
            (
                "known_from",
                models.DateField(
                    editable=False,
                    help_text="The first day of the past that was searched; nothing is known of before.",
                    null=True,
                ),
            ),
        ],
        options={
            "ordering": ("position", "id"),
            "constraints": [
                models.UniqueConstraint(fields=("name_folded",), name="milestone_name_unique"),
                models.CheckConstraint(
                    condition=models.Q(("expected_days__isnull", True), ("expected_days__lte", 3650), _connector="OR"),
                    name="milestone_days_at_most_ten_years",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("start", "field"), models.Q(("start_field", ""), _negated=True)),
                        models.Q(models.Q(("start", "field"), _negated=True), ("start_field", "")),
                        _connector="OR",
                    ),
                    name="milestone_names_its_date",
                ),
                models.CheckConstraint(
                    condition=models.Q(("start__in", ["account", "subscription", "field"])),
                    name="milestone_start_known",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="MilestoneVersion",
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
                "milestone",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="versions",
                    to="alerts.milestone",
                ),
            ),
        ],
        options={
            "ordering": ("-number",),
            "constraints": [models.UniqueConstraint(fields=("milestone", "number"), name="milestone_version_unique")],
        },
    ),
    migrations.CreateModel(
        name="AccountMilestone",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            (
                "state",
                models.CharField(
                    choices=[
                        ("pending", "Pending"),
                        ("overdue", "Overdue"),
                        ("reached", "Reached"),
                        ("lost", "Lost"),
                        ("out", "Not aimed at"),
                    ],
                    default="pending",
                    max_length=8,
                ),
            ),
            ("since", models.DateTimeField()),
            ("aimed", models.BooleanField(default=True)),
            ("seen_from", models.DateTimeField()),
            ("starts_on", models.DateField(blank=True, null=True)),
            ("due_on", models.DateField(blank=True, null=True)),
            ("reached_at", models.DateTimeField(blank=True, null=True)),
            ("won_at", models.DateTimeField(blank=True, null=True)),
            ("lost_at", models.DateTimeField(blank=True, null=True)),
            ("reset_at", models.DateTimeField(blank=True, null=True)),
            ("dated", models.BooleanField(default=True)),
            ("by_hand", models.BooleanField(default=False)),
            (
                "account",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="milestones",
                    to="accounts.account",
                ),
            ),
            (
                "milestone",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="progress",
                    to="alerts.milestone",
                ),
            ),
        ],
        options={
            "ordering": ("milestone__position", "milestone_id"),
            "indexes": [models.Index(fields=["milestone", "state", "since"], name="progress_by_state")],
            "constraints": [
                models.UniqueConstraint(fields=("account", "milestone"), name="one_state_of_account_and_milestone"),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("state__in", ["reached", "lost"]), _negated=True),
                        models.Q(("reached_at__isnull", False), ("won_at__isnull", False)),
                        _connector="OR",
                    ),
                    name="milestone_reached_says_when",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("state__in", ["pending", "overdue"]), _negated=True),
                        models.Q(("reached_at__isnull", True), ("won_at__isnull", True)),
                        _connector="OR",
                    ),
                    name="milestone_waited_for_was_not_reached",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("won_at__isnull", True), ("won_at__gte", models.F("reached_at")), _connector="OR"
                    ),
                    name="milestone_won_after_reached",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("state", "lost"), _negated=True),
                        models.Q(("lost_at__gte", models.F("won_at")), ("lost_at__isnull", False)),
                        _connector="OR",
                    ),
                    name="milestone_lost_after_won",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("state", "reached"), _negated=True),
                        ("lost_at__isnull", True),
                        ("won_at__gte", models.F("lost_at")),
                        _connector="OR",
                    ),
                    name="milestone_won_again_after_lost",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("state", "overdue"), _negated=True), ("due_on__isnull", False), _connector="OR"
                    ),
                    name="milestone_overdue_has_a_due_day",
                ),
                models.CheckConstraint(
                    condition=models.Q(("state__in", ["pending", "overdue", "reached", "lost", "out"])),
                    name="milestone_progress_state_known",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="MilestoneNotices",
        fields=[
            (
                "milestone",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.CASCADE,
                    primary_key=True,
                    related_name="notices",
                    serialize=False,
                    to="alerts.milestone",
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
            "verbose_name": "notifications of a milestone",
            "verbose_name_plural": "notifications of milestones",
            "ordering": ("milestone_id",),
        },
    ),
]
