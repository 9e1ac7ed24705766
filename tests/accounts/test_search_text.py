"""The text that lists are searched in: kept with every write, and no account is lost that has none."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from accounts.facts import Fact, record_accounts
from accounts.models import Account
from core.clock import moment
from tests import factories

pytestmark = pytest.mark.django_db
LONG = "😀" * 255  # four bytes each, as long as a name may be


def found(text: str) -> set[str]:
    """The names of the accounts that hold the text."""
    return set(Account.objects.holding(text).values_list("name", flat=True))


def text_of(name: str) -> str | None:
    """What is stored for an account."""
    return Account.objects.get(name=name).search_text


def test_name_domain_and_id_are_searched_whatever_their_case() -> None:
    factories.account("Café STRASSE", domain="Shop.Example", external_id="A-77")
    for text in ("CAFÉ", "straße", "shop.ex", "a-77"):
        assert found(text) == {"Café STRASSE"}, text
    assert found("") == {"Café STRASSE"}
    assert found("cafe") == {"Café STRASSE"}, "whoever has no accents on the keyboard finds it, too"
    assert found("%") == found("cafè") == set()


def test_the_end_of_one_and_the_beginning_of_the_next_are_no_match() -> None:
    factories.account("Alpha", domain="beta.example", external_id="gamma")
    assert found("alphabeta") == found("alpha beta") == found("alpha\nbeta") == set()


def test_it_follows_every_way_of_writing() -> None:
    account = factories.account("Old")
    account.name = "Renamed"
    account.save()
    Account.objects.bulk_create([Account(external_id="b1", name="ÉCLAIR", domain="b.example")])
    record_accounts([Fact("b1", {"domain": "C.Example"}, moment().now)], source="test")
    assert found("old") == found("b.example") == set()
    assert found("renamed") == {"Renamed"}
    assert found("c.example") == {"ÉCLAIR"}
    assert text_of("ÉCLAIR") == "eclair\x1féclair\x1fc.example\x1fb1"


def test_what_is_too_long_for_an_index_is_stored_and_found_all_the_same() -> None:
    factories.account(LONG, domain="d" * 255, external_id="x" * 254 + "7")
    factories.account("Short")
    assert text_of(LONG) is None
    assert found("😀😀") == found("dddd") == found("xx7") == {LONG}
    assert found("short") == {"Short"}


def test_rows_written_by_a_program_that_does_not_know_it_are_found() -> None:
    factories.account("Known")
    factories.account("Unknown", domain="u.example")
    Account.objects.filter(name="Unknown").update(search_text=None)
    assert found("known") == {"Known", "Unknown"}
    assert found("u.example") == {"Unknown"}


def test_the_accounts_there_are_get_theirs_from_their_folds() -> None:
    factories.account("Grösse", domain="G.Example")
    factories.account("Without domain", external_id="w1")
    factories.account(LONG, domain="d" * 255)
    wanted = dict(Account.objects.values_list("pk", "search_text"))
    Account.objects.update(search_text=None)
    fill: Any = importlib.import_module("accounts.migrations.0006_fill_search_text").fill
    with connection.schema_editor() as editor:
        fill(apps, editor)
        fill(apps, editor)
    assert dict(Account.objects.values_list("pk", "search_text")) == wanted


def test_a_search_can_be_answered_from_the_index_alone() -> None:
    with connection.cursor() as cursor:
        sql, params = Account.objects.live().holding("nt 29").order_by().values("pk", "mrr").query.sql_with_params()
        # Not enable_indexscan: from PostgreSQL 18 on, that ends scans of an index alone as well.
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        # In an empty table any other index costs the same, by what earlier tests have left in it.
        cursor.execute(
            "SELECT format('DROP INDEX %I', i.relname) FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid"
            " WHERE x.indrelid = 'accounts_account'::regclass AND i.relname <> 'account_listed'"
            " AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.oid)"
        )
        for (drop,) in cursor.fetchall():
            cursor.execute(drop)
        cursor.execute(f"EXPLAIN {sql}", params)
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Index Only Scan using account_listed" in plan, plan
