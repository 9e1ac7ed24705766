"""Indexes from which the list of accounts is read without the table, made while the table stays in use.

* by name, MRR and renewal, both ways: the page's order in full, archived accounts left out, so that the hundredth page
  costs no visit to the table;
* by industry and plan: a sort without an index puts every member in order first;
* `account_listed`: search, and filters on these columns, over a seventh of the table's size;
* `account_without_search_text`: the few that must be searched column by column.
"""

from __future__ import annotations

import django.db.models.fields.json
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("accounts", "0006_fill_search_text"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="account",
            index=models.Index(fields=["name_folded", "id"], include=("archived_at",), name="account_by_name_live"),
        ),
        AddIndexConcurrently(
            model_name="account",
            index=models.Index(
                models.OrderBy(models.F("mrr"), descending=True, nulls_last=True),
                models.F("name_folded"),
                models.F("id"),
                condition=models.Q(("archived_at__isnull", True)),
                name="account_by_mrr_live",
            ),
        ),
        AddIndexConcurrently(
            model_name="account",
            index=models.Index(
                condition=models.Q(("archived_at__isnull", True)),
                fields=["mrr", "name_folded", "id"],
                name="account_by_mrr_up_live",
            ),
        ),
        AddIndexConcurrently(
            model_name="account",
            index=models.Index(
                condition=models.Q(("archived_at__isnull", True)),
                fields=["renews_on", "name_folded", "id"],
                name="account_by_renewal_live",
            ),
        ),
        AddIndexConcurrently(
            model_name="account",
            index=models.Index(
                models.OrderBy(models.F("renews_on"), descending=True, nulls_last=True),
                models.F("name_folded"),
                models.F("id"),
                condition=models.Q(("archived_at__isnull", True)),
                name="account_by_renewal_down",
            ),
        ),
        AddIndexConcurrently(
            model_name="account",
            index=models.Index(
                django.db.models.fields.json.KeyTextTransform("industry", "folded"),
                models.F("name_folded"),
                models.F("id"),
                condition=models.Q(("archived_at__isnull", True)),
                name="account_by_industry",
            ),
        ),
        AddIndexConcurrently(
            model_name="account",
            index=models.Index(
                django.db.models.fields.json.KeyTextTransform("plan", "folded"),
                models.F("name_folded"),
                models.F("id"),
                condition=models.Q(("archived_at__isnull", True)),
                name="account_by_plan",
            ),
        ),
        AddIndexConcurrently(
            model_name="account",
            index=models.Index(
                condition=models.Q(("archived_at__isnull", True)),
                fields=["id"],
                include=("search_text", "name_folded", "mrr", "licences", "renews_on", "stage", "level", "status"),
                name="account_listed",
            ),
        ),
        AddIndexConcurrently(
            model_name="account",
            index=models.Index(
                condition=models.Q(("search_text__isnull", True)), fields=["id"], name="account_without_search_text"
            ),
        ),
        RemoveIndexConcurrently(
            model_name="account",
            name="account_by_name",
        ),
        RemoveIndexConcurrently(
            model_name="account",
            name="account_by_mrr",
        ),
        RemoveIndexConcurrently(
            model_name="account",
            name="account_by_renewal",
        ),
        RemoveIndexConcurrently(
            model_name="account",
            name="account_by_mrr_upwards",
        ),
        RemoveIndexConcurrently(
            model_name="account",
            name="account_by_renewal_latest",
        ),
    ]
