"""Texts carry their comparable form, whichever way a row is written."""

from __future__ import annotations

import pytest

from accounts.models import Account
from tests import factories

pytestmark = pytest.mark.django_db


def test_saving_folds_every_text_column_and_attribute() -> None:
    account = factories.account(
        " Café STRASSE ", industry="FinTech", attributes={"region": "EMEA", "tags": ["A", "b"], "n": 5}
    )
    account.refresh_from_db()
    assert account.name_folded == "café strasse"
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
    assert (account.name_folded, account.folded["country"]) == ("éclair", "fr")


def test_a_changed_text_changes_its_fold() -> None:
    account = factories.account("Old", industry="Retail")
    account.name, account.industry = "New", ""
    account.save()
    account.refresh_from_db()
    assert account.name_folded == "new"
    assert "industry" not in account.folded
