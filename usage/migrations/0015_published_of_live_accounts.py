"""The published views of events and daily usage show live accounts only, as the others do: a trait in SQL that counts
them failed as soon as an account with events was archived."""

from __future__ import annotations

from importlib import import_module

from django.db import migrations

VIEWS = """
CREATE OR REPLACE VIEW published.events AS
    SELECT e.account_id, e.user_id, n.name, e.at, e.properties, e.active
    FROM public.usage_event e JOIN public.usage_eventname n ON n.id = e.name_id
        JOIN public.accounts_account a ON a.id = e.account_id WHERE a.archived_at IS NULL;
CREATE OR REPLACE VIEW published.daily_usage AS
    SELECT d.account_id, d.user_id, n.name, d.day, d.count, d.absent
    FROM public.usage_dailyusage d JOIN public.usage_eventname n ON n.id = d.name_id
        JOIN public.accounts_account a ON a.id = d.account_id WHERE a.archived_at IS NULL;
"""
BEFORE = import_module("usage.migrations.0011_absent").VIEWS


class Migration(migrations.Migration):
    dependencies = [("usage", "0014_invariants"), ("accounts", "0002_terms")]
    operations = [migrations.RunSQL(VIEWS, BEFORE)]
