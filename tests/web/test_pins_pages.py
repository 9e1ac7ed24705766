"""Pinning on screen: from the segment's page and from the account's, with an undo each."""

from __future__ import annotations

import pytest
from django.test import Client

from segments.models import AccountMembership, Pin
from segments.refresh import refresh_due
from tests.web.conftest import Company
from tests.web.reading import text
from tests.web.test_actions import said, undo_token

pytestmark = pytest.mark.django_db


def names(key: str) -> set[str]:
    """The members of a segment after what is due was done."""
    refresh_due()
    found = AccountMembership.objects.filter(segment__key=key, left_at=None)
    return set(found.values_list("account__name", flat=True))


def pin(client: Client, company: Company, account: str, kind: str = "in", **more: str) -> list[str]:
    """Pin into the segment Large as the form does; the notices."""
    data = {"segment": str(company.segments["large"].pk), "account": account, "kind": kind, "reason": "Board"} | more
    return said(client.post("/pins/add/", data))


def test_a_manager_pins_an_account_in_and_takes_it_back(manager: Client, company: Company) -> None:
    data = {
        "segment": company.segments["large"].pk,
        "account": "Alder",
        "kind": "in",
        "reason": "Board",
        "until": "2199-12-01",
    }
    answer = manager.post("/pins/add/", data)
    assert said(answer) == ["Alder pinned into Large until 1 Dec 2199. The members follow within seconds."]
    assert "Alder" in names("large")
    manager.post(f"/undo/{undo_token(answer)}/")
    assert "Alder" not in names("large")


def test_undoing_a_second_pin_brings_the_first_one_back(manager: Client, company: Company) -> None:
    pin(manager, company, "Alder")
    data = {"segment": company.segments["large"].pk, "account": "Alder", "kind": "out", "reason": "Mistake"}
    answer = manager.post("/pins/add/", data)
    manager.post(f"/undo/{undo_token(answer)}/")
    assert "Alder" in names("large") and Pin.objects.open().get().reason == "Board"


def test_unpinning_leaves_it_to_the_rule_and_can_be_undone(manager: Client, company: Company) -> None:
    pin(manager, company, "Birch", "out")
    assert "Birch" not in names("large")
    answer = manager.post(f"/pins/{Pin.objects.get().pk}/end/")
    assert said(answer)[-1] == "Birch unpinned. The rule of Large decides again."
    assert "Birch" in names("large")
    manager.post(f"/undo/{undo_token(answer)}/")
    assert "Birch" not in names("large")


def test_the_pages_say_who_pinned_what_until_when(manager: Client, company: Company) -> None:
    pin(manager, company, "Alder", until="2199-12-01")
    large = company.segments["large"]
    words = text(manager.get(f"/segments/{large.pk}/pins/").content.decode())
    assert "Alder Pinned in Board 1 Dec 2199" in words
    words = text(manager.get(f"/accounts/{company.accounts['Alder'].pk}/").content.decode())
    assert f"Large Pinned in by {company.manager.name} until 1 Dec 2199: Board" in words
    words = text(manager.get(f"/segments/{large.pk}/edit/").content.decode())
    assert "Pins change it: 1 brought in, 0 kept out." in words
    manager.post(f"/pins/{Pin.objects.get().pk}/end/")
    words = text(manager.get(f"/segments/{large.pk}/pins/").content.decode())
    assert "No account is pinned." in words and "Past pins Alder" in words


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"account": "Nobody"}, "There is no single account “Nobody”. Choose one from the list."),
        ({"reason": ""}, "Give a reason"),
        ({"until": "soon"}, "“soon” is not a date"),
        ({"until": "2001-01-01"}, "The last day is past."),
        ({"segment": "x"}, "Choose a segment."),
    ],
)
def test_what_cannot_be_pinned_is_said(manager: Client, company: Company, data: dict[str, str], says: str) -> None:
    (notice,) = pin(manager, company, **{"account": "Alder"} | data)
    assert notice.startswith("Not pinned. ") and says in notice
    assert not Pin.objects.exists()


def test_others_read_pins_and_change_none(csm: Client, manager: Client, company: Company) -> None:
    pin(manager, company, "Alder")
    assert csm.post("/pins/add/", {"account": "Alder"}).status_code == 403
    assert csm.post(f"/pins/{Pin.objects.get().pk}/end/").status_code == 403
    html = csm.get(f"/segments/{company.segments['large'].pk}/pins/").content.decode()
    assert "Alder" in html and "Unpin" not in html
