"""Texts carry their comparable form, whichever way a row is written."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.db.models import F

from accounts.models import Account, EndUser
from core.intake import fold, name_key, unaccented
from tests import factories

pytestmark = pytest.mark.django_db


def test_saving_folds_every_text_column_and_attribute() -> None:
    account = factories.account(
        " Café STRASSE ", industry="FinTech", attributes={"region": "EMEA", "tags": ["A", "b"], "n": 5}
    )
    account.refresh_from_db()
    assert account.name_folded == "cafe strasse\x1fcafé strasse"
    assert account.folded["name"] == "café strasse"
    assert account.folded["industry"] == "fintech"
    assert account.folded["custom.region"] == "emea"
    assert account.folded["custom.tags"] == ["a", "b"]
    assert "custom.n" not in account.folded


def test_an_empty_text_is_missing() -> None:
    account = factories.account(industry="", attributes={"region": "  ", "tags": []})
    assert not {"industry", "custom.region", "custom.tags"} & account.folded.keys()


def test_bulk_writing_folds_too() -> None:
    Account.objects.bulk_create([Account(external_id="b1", name="ÉCLAIR", country="FR")])
    account = Account.objects.get(external_id="b1")
    assert (account.name_folded, account.folded["country"]) == ("eclair\x1féclair", "fr")


def test_a_changed_text_changes_its_fold() -> None:
    account = factories.account("Old", industry="Retail")
    account.name, account.industry = "New", ""
    account.save()
    account.refresh_from_db()
    assert account.name_folded == "new"
    assert "industry" not in account.folded


def test_accented_names_stand_beside_their_letters() -> None:
    names = ["Zeta", "Élan", "Eland", "Elan Ä", "éla", "Öst", "Ost", "Østre", "Æon", "aeon", "Łódź", "Lodz", "日本"]
    for name in names:
        factories.account(name)
        factories.end_user(name)
    # By hand: letters first whatever their accents, then those without accents before those with.
    wanted = ["aeon", "Æon", "éla", "Élan", "Elan Ä", "Eland", "Lodz", "Łódź", "Ost", "Öst", "Østre", "Zeta", "日本"]
    assert list(Account.objects.values_list("name", flat=True)) == wanted
    assert list(EndUser.objects.values_list("name", flat=True)) == wanted


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Café", "cafe\x1fcafé"),
        ("cafe\u0301", "cafe\x1fcafé"),
        ("Straße", "strasse"),
        ("한국", "한국"),
        ("", ""),
        (" A ", "a"),
        ("Đà Nẵng", "da nang\x1fđà nẵng"),
    ],
)
def test_the_key_of_a_name(text: str, key: str) -> None:
    assert name_key(text) == key
    assert fold(text) in name_key(text)
    assert name_key(text).startswith(unaccented(text))


def test_the_names_there_are_get_their_keys() -> None:
    made = [factories.account("Écoute", domain="é.example"), factories.account("Plain"), factories.account("Ü" * 255)]
    user = factories.end_user("Émile")
    wanted = dict(Account.objects.values_list("name", "search_text"))
    Account.objects.update(name_folded=F("folded__name"), search_text=None)
    Account.objects.filter(name="Plain").update(name_folded="plain", search_text=wanted["Plain"])
    EndUser.objects.update(name_folded="émile")
    write_keys: Any = importlib.import_module("accounts.migrations.0010_folded_names").write_keys
    with connection.schema_editor() as editor:
        write_keys(apps, editor)
        write_keys(apps, editor)
    assert dict(Account.objects.values_list("name", "search_text")) == wanted
    assert [Account.objects.get(pk=one.pk).name_folded for one in made] == [name_key(one.name) for one in made]
    user.refresh_from_db()
    assert user.name_folded == "emile\x1fémile"
