"""The words that a new installation starts with; a company renames or extends them in the admin."""

from __future__ import annotations

from django.db import migrations

from accounts.migrations._terms import fill


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
