"""All that 0001 to 0010 come to, in one step: what a new database gets. A database that has those takes it as done."""

from django.conf import settings
from django.db import migrations

from core.migrating import CreateModels
from health.migrations import _configs, _scores


class Migration(migrations.Migration):
    initial = True
    replaces = [
        ("health", "0001_health"),
        ("health", "0002_backtest"),
        ("health", "0003_portfolio"),
        ("health", "0004_health_mix"),
        ("health", "0005_health_by_score"),
        ("health", "0006_redefined_requests"),
        ("health", "0007_back_test_of_new"),
        ("health", "0008_held_measures"),
        ("health", "0009_mrr_of_mixes"),
        ("health", "0010_figures"),
    ]
    dependencies = [
        ("accounts", "0003_list_indexes"),
        ("segments", "0007_invariants"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        CreateModels([*_configs.TABLES, *_scores.TABLES]),
    ]
