"""Members of a segment on any day, its size over time, and who came and went, on one page and as CSV."""

from __future__ import annotations

import datetime as dt

import pytest
from django.test import Client

from accounts.models import Account
from core.clock import moment
from core.models import Workspace
from segments.editing import save_segment
from segments.models import AccountMembership, Segment
from tests.web.conftest import Company
from tests.web.reading import text


@pytest.fixture
def past(company: Company) -> Segment:
    """Birch has been in for ten days, Fir left five days ago, Elän came today."""
    large, now = company.segments["large"], moment().now
    stays = AccountMembership.objects.filter(segment=large)
    stays.filter(account__name__in=("Birch", "Fir")).update(entered_at=now - dt.timedelta(days=10))
    stays.filter(account__name="Fir").update(left_at=now - dt.timedelta(days=5))
    return large


def ago(days: int) -> str:
    return (moment().today - dt.timedelta(days=days)).isoformat()


def test_members_of_a_past_day_are_shown_and_downloaded(manager: Client, past: Segment) -> None:
    path = f"/segments/{past.pk}/members/"
    now = text(manager.get(path).content.decode())
    assert "2 members now" in now and "Elän" in now
    then = manager.get(f"{path}?on={ago(7)}").content.decode()
    assert "2 members at the end of" in text(then) and 'href="/accounts/' in then
    table = text(then[then.index('id="members"') : then.index('id="moves"')])
    assert "Birch" in table and "Fir" in table and "Elän" not in table
    assert "No account that you may see was in it on that day." in text(
        manager.get(f"{path}?on={ago(30)}").content.decode()
    )
    answer = manager.get(f"{path}export/?on={ago(7)}")
    lines = b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()  # type: ignore[attr-defined]
    assert lines[0] == "account,name,entered_at,left_at" and [line.split(",")[1] for line in lines[1:]] == [
        "Birch",
        "Fir",
    ]
    assert ago(7) in answer["Content-Disposition"]
    answer = manager.get(f"{path}export/?on={ago(30)}")
    lines = b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()  # type: ignore[attr-defined]
    assert lines == [f"account,name,entered_at,left_at,known from {ago(10)}"], (
        "nobody is known of, not: nobody was in it"
    )
    assert f"known_from_{ago(10)}" in answer["Content-Disposition"]


@pytest.mark.parametrize(("asked", "said"), [("soon", "Enter a date such as"), ("2200-01-01", "That day lies ahead.")])
def test_a_day_that_cannot_be_shown_says_so(manager: Client, past: Segment, asked: str, said: str) -> None:
    page = manager.get(f"/segments/{past.pk}/members/?on={asked}").content.decode()
    assert said in text(page) and "2 members now" in text(page)


def test_the_size_is_a_line_with_a_sentence_and_a_table(manager: Client, past: Segment) -> None:
    made = manager.get(f"/segments/{past.pk}/members/?days=30").content.decode()
    assert 'class="marker"' not in made and "definition" not in text(made[made.index("The segment stayed") :])[:80]
    save_segment(past, name=past.name, rule=past.rule | {"match": "any"})
    page = manager.get(f"/segments/{past.pk}/members/?days=30").content.decode()
    assert page.count('class="chart ') == 2 and "The segment stayed at 2 between" in text(page)
    assert 'class="marker"' in page and ">v2<" in page and "Its definition changed 1 time." in text(page)
    table = text(page[page.index("<details") : page.index("</details>")])
    assert "Show as table" in table
    rows = page[page.index("<details") : page.index("</details>")].count("<tr>")
    assert rows == 12, "a head, the first day, nine days between, today"


def test_entries_and_exits_are_listed_with_their_cause(manager: Client, past: Segment) -> None:
    page = manager.get(f"/segments/{past.pk}/members/").content.decode()
    moves = text(page[page.index('id="moves"') :])
    assert "Elän ▲ joined" in moves and "Fir ▼ left" in moves and "Definition" in moves and "New data" in moves


def test_page_file_and_api_agree_about_a_day_with_an_account_that_was_archived_since(
    manager: Client, csm: Client, past: Segment
) -> None:
    Account.objects.filter(name="Fir").update(archived_at=moment().now)
    page, api = f"/segments/{past.pk}/members/", f"/api/v1/segments/{past.key}"

    def found(client: Client, day: str) -> list[set[str]]:
        """What the page, the CSV file and the API say who was a member."""
        shown = client.get(f"{page}?on={day}").content.decode()
        table = text(shown[shown.index('id="members"') : shown.index('id="moves"')])
        file = client.get(f"{page}export/?on={day}").streaming_content  # type: ignore[attr-defined]
        lines = b"".join(file).decode("utf-8-sig").splitlines()[1:]
        told = client.get(f"{api}/members/?on={day}").json()["results"]
        return [
            {name for name in ("Birch", "Fir", "Elän") if name in table},
            {line.split(",")[1] for line in lines},
            {one["name"] for one in told},
        ]

    for client in (manager, csm):
        assert found(client, ago(7)) == [{"Birch", "Fir"}] * 3
        assert found(client, ago(0)) == [{"Birch", "Elän"}] * 3
        sizes = {one["on"]: one["members"] for one in client.get(f"{api}/sizes/?days=10").json()["results"]}
        assert (sizes[ago(7)], sizes[ago(1)]) == (2, 1)
        moves = client.get(f"{api}/movements/?days=10").json()["results"]
        assert ("Fir", False) in {(one["name"], one["joined"]) for one in moves}
    Workspace.objects.update(csm_reach=Workspace.Reach.OWN)
    assert found(csm, ago(7)) == [set()] * 3, "who sees some accounts sees those of them that are live"
    assert {one["name"] for one in csm.get(f"{api}/movements/?days=10").json()["results"]} == {"Elän"}


def test_a_person_who_sees_some_accounts_sees_their_membership_alone(
    csm: Client, manager: Client, past: Segment
) -> None:
    Account.objects.filter(name="Fir").update(archived_at=moment().now)
    assert "Fir Archived" in text(manager.get(f"/segments/{past.pk}/members/?on={ago(7)}").content.decode())
    workspace = Workspace.get()
    workspace.csm_reach = Workspace.Reach.OWN
    workspace.save()
    page = text(csm.get(f"/segments/{past.pk}/members/?on={ago(7)}").content.decode())
    assert "Birch" not in page and "Fir" not in page and "0 members" in page
