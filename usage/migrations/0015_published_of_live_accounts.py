"""The published views of events and daily usage show live accounts only, as the others do: a trait in SQL that counts
them failed as soon as an account with events was archived."""

from __future__ import annotations

from importlib import import_module

from django.db import migrations

from usage.migrations._published import USAGE

BEFORE = import_module("usage.migrations.0011_absent").VIEWS


class Migration(migrations.Migration):
    dependencies = [("usage", "0014_invariants"), ("accounts", "0002_terms")]
    operations = [migrations.RunSQL(USAGE, BEFORE)]
