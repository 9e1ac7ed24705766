"""All that 0001 to 0007 come to, in one step: what a new database gets. A database that has those takes it as done."""

from django.conf import settings
from django.db import migrations

from core.migrating import CreateModels
from core.migrations import _tables


class Migration(migrations.Migration):
    initial = True
    replaces = [
        ("core", "0001_initial"),
        ("core", "0002_dailyjob"),
        ("core", "0003_idempotent_answers"),
        ("core", "0004_wake_ups"),
        ("core", "0005_intake"),
        ("core", "0006_work_days"),
        ("core", "0007_invariants"),
    ]
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("auth", "0012_alter_user_first_name_max_length"),  # the last one: changes to users would render all of ours
    ]
    operations = [
        CreateModels(_tables.TABLES),
    ]
