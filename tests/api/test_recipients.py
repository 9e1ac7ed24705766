"""Recipients: the users of a segment's accounts, by role, once per person or once per relationship."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests import factories
from tests.api.conftest import ApiClient, Company


@pytest.fixture
def ann(company: Company) -> str:
    """A person in two accounts of the segment and in one that is not in it; the address of the segment's recipients."""
    outside = factories.account("Outside")
    ann = factories.end_user("Ann", external_id="ann", email="ann@example.com")
    for account, role in ((company.mine, "Owner"), (company.theirs, "owner "), (outside, "Owner")):
        factories.relationship(account, ann, role)
    gone = factories.relationship(company.mine, factories.end_user("Gone", external_id="gone"), "Owner")
    type(gone).objects.filter(pk=gone.pk).update(ended_at=timezone.now())
    return "segments/everyone/recipients/"


def rows(client: ApiClient, address: str, *names: str) -> list[tuple[Any, ...]]:
    """The named values of each row."""
    return sorted(tuple(row[name] for name in names) for row in client.get(address)["results"])


def test_a_person_of_two_accounts_comes_once_or_once_for_each(ann: str, admin: ApiClient) -> None:
    people = {row["user"]: row for row in admin.get(ann)["results"]}
    assert set(people) == {"ann", "u-fjord-lines", "u-orchid-labs", "u-zinc-works"}
    assert people["ann"]["accounts"] == ["fjord-lines", "orchid-labs"]
    found = rows(admin, f"{ann}?one=relationship", "user", "account")
    assert [pair for pair in found if pair[0] == "ann"] == [("ann", "fjord-lines"), ("ann", "orchid-labs")]
    assert len(found) == 5


def test_roles_are_compared_without_case_and_several_may_be_named(ann: str, admin: ApiClient) -> None:
    assert rows(admin, f"{ann}?roles=OWNER", "user") == [("ann",)]
    assert len(rows(admin, f"{ann}?roles=owner,%20admin", "user")) == 4
    assert rows(admin, f"{ann}?roles=nobody", "user") == []
    assert rows(admin, f"{ann}?roles=owner&one=relationship", "account") == [("fjord-lines",), ("orchid-labs",)]


def test_only_accounts_that_one_may_see_count(ann: str, as_: Callable[[str], ApiClient]) -> None:
    people = {row["user"]: row for row in as_("csm").get(ann)["results"]}
    assert set(people) == {"ann", "u-fjord-lines", "u-zinc-works"} and people["ann"]["accounts"] == ["fjord-lines"]


def test_pages_hold_everybody_once(ann: str, admin: ApiClient) -> None:
    for one in ("person", "relationship"):
        found, address = [], f"{ann}?page_size=2&one={one}"
        while address:
            answer = admin.get(address)
            found += [(row["user"], str(row.get("account"))) for row in answer["results"]]
            address = (answer["next"] or "").replace("http://testserver", "")
        assert len(found) == len(set(found)) == (4 if one == "person" else 5)


@pytest.mark.parametrize("query", ["one=account", "role=owner", "one=person&one=person"])
def test_unknown_parameters_and_values_are_refused(ann: str, admin: ApiClient, query: str) -> None:
    assert admin("GET", f"{ann}?{query}").status_code == 400


def test_the_page_and_its_csv_show_the_same_people(ann: str, company: Company) -> None:
    client = Client()
    client.force_login(company.members["manager"].user)
    address = f"/segments/{company.segment.pk}/recipients/"
    html = client.get(address).content.decode()
    assert "4 people" in html and "Fjord Lines, Orchid Labs" in html and "Gone" not in html
    html = client.get(f"{address}?roles=Owner&one=relationship").content.decode()
    assert "2 relationships" in html and "u-fjord" not in html
    answer = client.get(f"{address}?roles=Owner&export=csv")
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    assert text.splitlines()[1] == 'ann,Ann,ann@example.com,"fjord-lines, orchid-labs","Owner, owner "'
    assert "No user of these accounts fits." in client.get(f"{address}?one=x&roles=nobody&export=x").content.decode()
