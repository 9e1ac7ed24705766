"""The tables of playbooks, and of who came into them."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import accounts.models.traits

TABLES = [
    migrations.CreateModel(
        name="Playbook",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            (
                "key",
                models.SlugField(
                    help_text="Names the playbook in rules, links and the API.", max_length=80, unique=True
                ),
            ),
            ("name", models.CharField(max_length=120)),
            ("name_folded", accounts.models.traits.FoldedField(blank=True, default="", editable=False, of="name")),
            ("description", models.TextField(blank=True, max_length=2000)),
            ("active", models.BooleanField(default=True)),
            (
                "entry",
                models.CharField(
                    choices=[
                        ("hand", "By hand"),
                        ("segment", "It joins a segment"),
                        ("alert", "An alert is opened"),
                        ("reached", "It reaches a milestone"),
                        ("overdue", "It is overdue with a milestone"),
                    ],
                    default="hand",
                    max_length=8,
                ),
            ),
            (
                "include_existing",
                models.BooleanField(
                    default=False, help_text="Also accounts of which it holds already when the playbook is switched on."
                ),
            ),
            (
                "again",
                models.CharField(
                    choices=[("never", "Never"), ("always", "Every time"), ("after", "After some days")],
                    default="never",
                    max_length=8,
                ),
            ),
            (
                "again_days",
                models.PositiveSmallIntegerField(default=0, help_text="Days after the end of the last time."),
            ),
            ("definition", models.JSONField(default=dict)),
            ("version", models.PositiveIntegerField(default=0, editable=False)),
            ("since", models.DateTimeField(editable=False)),
            ("error", models.CharField(blank=True, editable=False, max_length=500)),
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
                "rule",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="playbooks",
                    to="alerts.alertrule",
                ),
            ),
            (
                "segment",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="playbooks",
                    to="segments.segment",
                ),
            ),
            (
                "milestone",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="playbooks",
                    to="alerts.milestone",
                ),
            ),
        ],
        options={
            "ordering": ("name_folded", "id"),
            "constraints": [
                models.UniqueConstraint(fields=("name_folded",), name="playbook_name_unique"),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("entry", "segment"), ("segment__isnull", False)),
                        models.Q(models.Q(("entry", "segment"), _negated=True), ("segment__isnull", True)),
                        _connector="OR",
                    ),
                    name="playbook_entry_by_segment_has_one",
                ),
                models.CheckConstraint(
                    condition=models.Q(("entry", "alert"), ("rule__isnull", True), _connector="OR"),
                    name="playbook_rule_of_entry_by_alert",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("again", "after"), ("again_days__gte", 1), ("again_days__lte", 3650)),
                        models.Q(models.Q(("again", "after"), _negated=True), ("again_days", 0)),
                        _connector="OR",
                    ),
                    name="playbook_again_after_days",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("entry__in", ["reached", "overdue"]), ("milestone__isnull", True), _connector="OR"
                    ),
                    name="playbook_milestone_of_entry_by_one",
                ),
                models.CheckConstraint(
                    condition=models.Q(("entry__in", ["hand", "segment", "alert", "reached", "overdue"])),
                    name="playbook_entry_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(("again__in", ["never", "always", "after"])), name="playbook_again_known"
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="PlaybookVersion",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("number", models.PositiveIntegerField()),
            ("definition", models.JSONField()),
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
                "playbook",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="versions",
                    to="alerts.playbook",
                ),
            ),
        ],
        options={
            "ordering": ("-number",),
            "constraints": [models.UniqueConstraint(fields=("playbook", "number"), name="playbook_version_unique")],
        },
    ),
    migrations.CreateModel(
        name="Enrolment",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            (
                "state",
                models.CharField(
                    choices=[
                        ("running", "Running"),
                        ("finished", "Finished"),
                        ("goal", "Goal reached"),
                        ("exited", "Left by the exit rule"),
                        ("stopped", "Stopped by hand"),
                        ("failed", "Failed"),
                    ],
                    default="running",
                    max_length=8,
                ),
            ),
            ("step", models.CharField(blank=True, max_length=60)),
            ("due_at", models.DateTimeField(blank=True, null=True)),
            ("started_at", models.DateTimeField()),
            ("ended_at", models.DateTimeField(blank=True, null=True)),
            ("error", models.CharField(blank=True, max_length=500)),
            (
                "account",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="enrolments",
                    to="accounts.account",
                ),
            ),
            (
                "alert",
                models.ForeignKey(
                    editable=False,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="enrolments",
                    to="alerts.alert",
                ),
            ),
            (
                "enrolled_by",
                models.ForeignKey(
                    editable=False,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
            (
                "membership",
                models.ForeignKey(
                    db_index=False,
                    editable=False,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to="segments.accountmembership",
                ),
            ),
            (
                "playbook",
                models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="enrolments",
                    to="alerts.playbook",
                ),
            ),
            (
                "version",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="enrolments", to="alerts.playbookversion"
                ),
            ),
            (
                "milestone_change",
                models.ForeignKey(
                    db_index=False,
                    editable=False,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="enrolments",
                    to="alerts.milestonechange",
                ),
            ),
        ],
        options={
            "ordering": ("-id",),
            "indexes": [
                models.Index(fields=["account", "playbook", "-started_at"], name="enrolments_of_account"),
                models.Index(fields=["playbook", "-id"], name="enrolments_of_playbook"),
                models.Index(condition=models.Q(("state", "running")), fields=["due_at"], name="enrolments_due"),
                models.Index(
                    condition=models.Q(("membership__isnull", False)), fields=["membership"], name="enrolments_of_stay"
                ),
                models.Index(
                    condition=models.Q(("milestone_change__isnull", False)),
                    fields=["milestone_change"],
                    name="enrolments_of_change",
                ),
            ],
            "constraints": [
                models.UniqueConstraint(
                    condition=models.Q(("state", "running")),
                    fields=("playbook", "account"),
                    name="one_running_enrolment",
                ),
                models.UniqueConstraint(
                    condition=models.Q(("membership__isnull", False)),
                    fields=("playbook", "membership"),
                    name="one_enrolment_per_stay",
                ),
                models.UniqueConstraint(
                    condition=models.Q(("alert__isnull", False)),
                    fields=("playbook", "alert"),
                    name="one_enrolment_per_alert",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("ended_at__isnull", True), ("state", "running")),
                        models.Q(
                            models.Q(("state", "running"), _negated=True),
                            ("due_at__isnull", True),
                            ("ended_at__isnull", False),
                        ),
                        _connector="OR",
                    ),
                    name="enrolment_that_is_over_says_when",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("ended_at__isnull", True), ("ended_at__gte", models.F("started_at")), _connector="OR"
                    ),
                    name="enrolment_ends_after_it_started",
                ),
                models.UniqueConstraint(
                    condition=models.Q(("milestone_change__isnull", False)),
                    fields=("playbook", "milestone_change"),
                    name="one_enrolment_per_milestone_change",
                ),
                models.CheckConstraint(
                    condition=models.Q(("state__in", ["running", "finished", "goal", "exited", "stopped", "failed"])),
                    name="enrolment_state_known",
                ),
            ],
        },
    ),
]
