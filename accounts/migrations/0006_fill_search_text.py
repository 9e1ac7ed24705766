"""Write the search text of the accounts there are, from the folds they have, a batch at a time."""

from __future__ import annotations

from typing import Any

from django.db import migrations

BATCH = 5_000
# Rows that are written meanwhile have their text already. `updated_at` stays: nothing was changed that anybody told.
_FILL = """
UPDATE accounts_account AS a SET search_text = made.text
FROM (SELECT id, concat(name_folded, chr(31), folded ->> 'domain', chr(31), folded ->> 'external_id') AS text
      FROM accounts_account WHERE id > %(after)s AND id <= %(until)s) AS made
WHERE made.id = a.id AND a.search_text IS NULL AND octet_length(made.text) <= 800
"""


def fill(apps: Any, schema_editor: Any) -> None:
    """Go through the ids; each batch is a statement and so a transaction of its own."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(min(id), 1), coalesce(max(id), 0) FROM accounts_account")
        first, last = cursor.fetchone()
        for after in range(first - 1, last, BATCH):
            cursor.execute(_FILL, {"after": after, "until": after + BATCH})


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("accounts", "0005_search_text")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
