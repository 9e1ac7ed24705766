"""The views that SQL traits may read, in a schema of their own: live accounts and what belongs to them.

They name their columns one by one, so a new column is never published by accident. A later migration that changes the
type of a named column drops its view first and makes it anew.
"""

from __future__ import annotations

from django.db import migrations

from usage.migrations._published import ACCOUNTS, NO_VIEWS

USAGE = """
CREATE VIEW published.events AS
    SELECT e.account_id, e.user_id, n.name, e.at, e.properties
    FROM public.usage_event e JOIN public.usage_eventname n ON n.id = e.name_id WHERE e.account_id IS NOT NULL;
CREATE VIEW published.daily_usage AS
    SELECT d.account_id, d.user_id, n.name, d.day, d.count
    FROM public.usage_dailyusage d JOIN public.usage_eventname n ON n.id = d.name_id;
"""


class Migration(migrations.Migration):
    dependencies = [("usage", "0004_traits"), ("accounts", "0002_terms")]
    operations = [migrations.RunSQL([ACCOUNTS, USAGE], NO_VIEWS)]
