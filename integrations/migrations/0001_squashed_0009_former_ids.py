"""All that 0001 to 0009 come to, in one step: what a new database gets. A database that has those takes it as done."""

from django.conf import settings
from django.db import migrations

from core.migrating import CreateModels
from integrations.migrations import _connections, _destinations, _imports, _sources


class Migration(migrations.Migration):
    initial = True
    replaces = [
        ("integrations", "0001_sources_and_messages"),
        ("integrations", "0002_connections"),
        ("integrations", "0003_imports"),
        ("integrations", "0004_intake"),
        ("integrations", "0005_visitors"),
        ("integrations", "0006_merges_and_choices"),
        ("integrations", "0007_destinations"),
        ("integrations", "0008_shared_visitors"),
        ("integrations", "0009_former_ids"),
    ]
    dependencies = [
        ("accounts", "0014_departures"),
        ("segments", "0007_invariants"),
        ("usage", "0016_inferred_accounts"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        CreateModels([*_sources.TABLES, *_connections.TABLES, *_destinations.TABLES, *_imports.TABLES]),
    ]
