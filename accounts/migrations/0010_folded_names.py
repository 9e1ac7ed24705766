"""Names in the form in which É stands beside E: the keys of the names there are, a batch at a time."""

from __future__ import annotations

from typing import Any

from django.db import migrations, transaction

import accounts.models.traits
from core.intake import PARTED, name_key

BATCH, MOST_BYTES = 5_000, 800
# Only what is not plain ASCII can have another key. `updated_at` stays: nothing was changed that anybody told.
_OTHERS = "octet_length({0}) <> char_length({0})"
_ACCOUNTS = f"""
SELECT id, name, domain, external_id FROM accounts_account
WHERE id > %s AND id <= %s AND ({" OR ".join(_OTHERS.format(name) for name in ("name", "domain", "external_id"))})
"""  # noqa: S608 - constants
_USERS = f"SELECT id, name FROM accounts_enduser WHERE id > %s AND id <= %s AND {_OTHERS.format('name')}"  # noqa: S608
_SET_ACCOUNTS = "UPDATE accounts_account SET name_folded = %s, search_text = %s WHERE id = %s"
_SET_USERS = "UPDATE accounts_enduser SET name_folded = %s WHERE id = %s"


def write_keys(apps: Any, schema_editor: Any) -> None:
    """Go through the ids of both tables; each batch is a transaction of its own."""
    with schema_editor.connection.cursor() as cursor:
        for table in ("accounts_account", "accounts_enduser"):
            cursor.execute(f"SELECT coalesce(min(id), 1), coalesce(max(id), 0) FROM {table}")  # noqa: S608
            first, last = cursor.fetchone()
            for after in range(first - 1, last, BATCH):
                with transaction.atomic(using=schema_editor.connection.alias):
                    _write(cursor, table, after)


def _write(cursor: Any, table: str, after: int) -> None:
    if table == "accounts_account":
        cursor.execute(_ACCOUNTS, [after, after + BATCH])
        cursor.executemany(_SET_ACCOUNTS, [_account(row) for row in cursor.fetchall()])
    else:
        cursor.execute(_USERS, [after, after + BATCH])
        cursor.executemany(_SET_USERS, [(name_key(name), pk) for pk, name in cursor.fetchall()])


def _account(row: tuple[int, str, str, str]) -> tuple[str, str | None, int]:
    pk, *texts = row
    keys = [name_key(text) for text in texts]
    text = PARTED.join(keys)
    return keys[0], text if len(text.encode()) <= MOST_BYTES else None, pk


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("accounts", "0009_users_in_accounts")]
    operations = [
        # Only the collation changes: no row is written anew, the indexes on names are.
        migrations.AlterField("account", "name_folded", accounts.models.traits.NameKeyField(of="name")),
        migrations.AlterField("enduser", "name_folded", accounts.models.traits.NameKeyField(of="name")),
        migrations.RunPython(write_keys, migrations.RunPython.noop),
    ]
