"""All that 0001 to 0015 come to, in one step: what a new database gets. A database that has those takes it as done."""

from django.conf import settings
from django.db import migrations

from accounts.migrations import _accounts, _notes, _people, _subscriptions, _terms, _users_in_accounts
from core.migrating import CreateModels


class Migration(migrations.Migration):
    initial = True
    replaces = [
        ("accounts", "0001_initial"),
        ("accounts", "0002_terms"),
        ("accounts", "0003_list_indexes"),
        ("accounts", "0004_touched_accounts"),
        ("accounts", "0005_search_text"),
        ("accounts", "0006_fill_search_text"),
        ("accounts", "0007_indexes_of_lists"),
        ("accounts", "0008_erasures"),
        ("accounts", "0009_users_in_accounts"),
        ("accounts", "0010_folded_names"),
        ("accounts", "0011_intake"),
        ("accounts", "0012_mentions"),
        ("accounts", "0013_invariants"),
        ("accounts", "0014_departures"),
        ("accounts", "0015_mrr_by_day"),
    ]
    dependencies = [
        ("core", "0007_invariants"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        CreateModels([*_accounts.TABLES, *_people.TABLES, *_subscriptions.TABLES, *_notes.TABLES]),
        migrations.RunSQL(_users_in_accounts.CREATE, _users_in_accounts.DROP),
        migrations.RunPython(_terms.fill, migrations.RunPython.noop),
    ]
