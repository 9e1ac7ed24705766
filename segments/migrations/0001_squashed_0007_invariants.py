"""All that 0001 to 0007 come to, in one step: what a new database gets. A database that has those takes it as done."""

from django.conf import settings
from django.db import migrations

from core.migrating import CreateModels
from segments.migrations import _membership, _segments


class Migration(migrations.Migration):
    initial = True
    replaces = [
        ("segments", "0001_initial"),
        ("segments", "0002_pins"),
        ("segments", "0003_levels"),
        ("segments", "0004_holds"),
        ("segments", "0005_accounts_of_a_run"),
        ("segments", "0006_user_segments"),
        ("segments", "0007_invariants"),
    ]
    dependencies = [
        ("accounts", "0009_users_in_accounts"),
        ("usage", "0008_feeds"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        CreateModels([*_segments.TABLES, *_membership.TABLES]),
    ]
