"""All that 0001 to 0013 come to, in one step: what a new database gets. A database that has those takes it as done."""

from django.conf import settings
from django.db import migrations

from alerts.migrations import _alerts, _comparisons, _milestones, _notices, _playbooks, _rules, _tasks
from core.migrating import CreateModels


class Migration(migrations.Migration):
    initial = True
    replaces = [
        ("alerts", "0001_alerts"),
        ("alerts", "0002_tasks"),
        ("alerts", "0003_playbooks"),
        ("alerts", "0004_notices"),
        ("alerts", "0005_replays"),
        ("alerts", "0006_milestones"),
        ("alerts", "0007_playbooks_by_milestone"),
        ("alerts", "0008_milestone_notices_and_channel_caps"),
        ("alerts", "0009_known_choices"),
        ("alerts", "0010_comparisons"),
        ("alerts", "0011_held_by_the_stay"),
        ("alerts", "0012_past_known_from"),
        ("alerts", "0013_tasks_done_when"),
    ]
    dependencies = [
        ("accounts", "0015_mrr_by_day"),
        ("segments", "0007_invariants"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        CreateModels(
            [
                *_rules.TABLES,
                *_alerts.TABLES,
                *_milestones.TABLES,
                *_notices.TABLES,
                *_playbooks.TABLES,
                *_comparisons.TABLES,
                *_tasks.TABLES,
            ]
        ),
    ]
