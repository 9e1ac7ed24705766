"""One folded text for the search of lists, NULL until the next migration has written it; NULL is searched as before."""

from __future__ import annotations

from django.db import migrations

import accounts.models.traits


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_touched_accounts")]
    operations = [
        migrations.AddField(
            model_name="account",
            name="search_text",
            field=accounts.models.traits.SearchTextField(
                default=None, editable=False, null=True, of=("name", "domain", "external_id")
            ),
        ),
    ]
