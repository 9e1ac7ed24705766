"""The pages of milestones: every view of the board, the editor with its preview, what people do with an account."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from accounts.models import TeamMember
from alerts.milestones.editing import Expected, save_milestone
from alerts.milestones.tasks import look_at_milestones
from alerts.models import AccountMilestone, Milestone, MilestoneChange
from core.clock import moment
from csbox.pipeline import refresh_everything
from tests import factories
from tests.query_counts import QueryCount

pytestmark = pytest.mark.django_db
MANY = {"match": "all", "rules": [{"field": "account.licences", "op": "at_least", "value": 10}]}
SOME = {"match": "all", "rules": [{"field": "account.licences", "op": "at_least", "value": 5}]}
FORM = {
    "name": "Team invited", "days": "14", "start": "account", "start_field": "", "sticky": "1", "active": "1",
    "version": "0", "n.match": "all", "n.0.field": "account.licences", "n.0.op": "at_least", "n.0.value": "5",
}  # fmt: skip


@pytest.fixture
def reached(me: TeamMember) -> list[Milestone]:
    """Two milestones and five accounts: two have reached both, one the first, two none and one of them is late."""
    factories.segment("Paying", {"field": "account.mrr", "op": "at_least", "value": 1})
    for name, licences, days in (
        ("Amber", 30, 50),
        ("Basalt", 20, 40),
        ("Cedar", 7, 30),
        ("Dune", 1, 60),
        ("Elm", 1, 2),
    ):
        account = factories.account(
            name, stated_licences=licences, stated_mrr=50, customer_since=moment().today - dt.timedelta(days=days)
        )
    factories.assign(account, me)
    refresh_everything()
    made = [
        save_milestone(None, name="Some licences", condition=SOME, expected=Expected(20)),
        save_milestone(None, name="Many licences", condition=MANY, sticky=False, expected=Expected(90)),
    ]
    look_at_milestones()
    return made


def test_empty_pages_say_what_to_do(browser: Client) -> None:
    for view in ("board", "table", "funnel", "stalled", "setup", "moon"):
        answer = browser.get(f"/milestones/?view={view}&segment=nothing&csm=nobody&days=x&page=9999999")
        assert answer.status_code == 200 and "No milestone yet" in answer.content.decode(), view


def test_every_view_shows_who_is_where(browser: Client, reached: list[Milestone], query_count: QueryCount) -> None:
    with query_count("milestones board"):
        board = browser.get("/milestones/").content.decode()
    assert "60" in board and "overdue" in board and board.index("Dune") < board.index("Elm") < board.index("Cedar")
    assert "Amber" not in board and "3 of 5 reached it" in board
    # Each card can be marked; only those that have reached an earlier milestone can go back to it.
    cards = re.findall(r'<li class="mcard.*?</li>', board, re.DOTALL)
    back = {re.search(r"<b>(\w+)</b>", card).group(1) for card in cards if "Reset Some licences" in card}  # type: ignore[union-attr]
    assert all("Mark reached" in card for card in cards) and len(cards) == 3 and back == {"Cedar"}
    with query_count("milestones table"):
        table = browser.get("/milestones/?view=table").content.decode()
    assert table.index("Amber") < table.index("Elm") and "on or before" in table and "40 days late" in table
    funnel = browser.get("/milestones/?view=funnel").content.decode()
    assert "3, 60%" in funnel and "on a day that is not known" in funnel
    stalled = browser.get("/milestones/?view=stalled&days=3").content.decode()
    assert "Dune" in stalled and "Elm" not in stalled and "none reached" in stalled
    setup = browser.get("/milestones/?view=setup").content.decode()
    assert "Licences is at least 5" in setup and "Can be lost" in setup
    mine = browser.get("/milestones/?view=table&csm=me&segment=paying").content.decode()
    assert "Elm" in mine and "Amber" not in mine
    wrong = browser.get("/milestones/?segment=gone&csm=gone").content.decode()
    assert "segment gone; CSM gone" in wrong


def test_a_milestone_is_added_previewed_changed_moved_and_deleted(browser: Client, reached: list[Milestone]) -> None:
    assert browser.get("/milestones/new/").status_code == 200
    preview = browser.post("/milestones/preview/", FORM).content.decode()
    assert (
        re.search(r'id="pv-count">3</b>', preview) and "Overdue</dt><dd>1<" in preview and 'id="alone-n-0"' in preview
    )
    assert "Enter a number of days" in browser.post("/milestones/preview/", FORM | {"days": "x"}).content.decode()
    assert browser.post("/milestones/new/", FORM).status_code == 302
    made = Milestone.objects.get(name="Team invited")
    assert (made.key, made.expected_days, made.position, made.version) == ("team-invited", 14, 3, 1)
    page = browser.get("/milestones/team-invited/").content.decode()
    assert "Days it took, by segment" in page and "Paying" in page
    for wrong, told in (
        ({"days": "many"}, "Enter a number of days"), ({"name": ""}, "Enter a name"),
        ({"name": "some LICENCES"}, "already a milestone"), ({"n.0.value": "x"}, "Not saved"),
        ({"start": "field"}, "Choose the date"), ({"version": "7"}, "was changed meanwhile"),
    ):  # fmt: skip
        answer = browser.post("/milestones/team-invited/", FORM | {"version": "1"} | wrong)
        assert answer.status_code == 422 and told in answer.content.decode(), wrong
    change = FORM | {"version": "1", "days": "", "sticky": "", "reason": "Too strict"}
    assert browser.post("/milestones/team-invited/", change).status_code == 302
    made.refresh_from_db()
    assert (made.expected_days, made.sticky, made.version) == (None, False, 2)
    moved = browser.post("/milestones/team-invited/move/", {"dir": "-1"}, follow=True).content.decode()
    assert "moved to place 2" in moved
    browser.post(f"/undo/{moved.split('/undo/')[1].split('/')[0]}/")
    assert list(Milestone.objects.values_list("name", flat=True))[2] == "Team invited"
    factories.segment("Reads", {"field": "milestone.team-invited", "op": "is", "value": "reached"})
    assert "is used by segment" in browser.post("/milestones/team-invited/delete/", follow=True).content.decode()
    assert browser.post("/milestones/many-licences/delete/").status_code == 302
    assert not Milestone.objects.filter(key="many-licences").exists()


def test_a_person_marks_resets_and_undoes_on_the_account_page(browser: Client, reached: list[Milestone]) -> None:
    row = AccountMilestone.objects.get(account__name="Dune", milestone=reached[0])
    here = f"/accounts/{row.account_id}/"
    text = browser.get(here).content.decode()
    assert "0 of 2 reached" in text and "40 days late" in text
    act: dict[str, Any] = {"account": row.account_id, "milestone": row.milestone_id, "next": here}
    assert "Say why" in browser.post("/milestones/do/", act | {"do": "reach"}, follow=True).content.decode()
    assert "Nothing was asked" in browser.post("/milestones/do/", act | {"do": "dance"}, follow=True).content.decode()
    done = browser.post("/milestones/do/", act | {"do": "reach", "reason": "By phone"}, follow=True).content.decode()
    assert "marked as reached" in done and "by hand" in done and "By phone" in done
    again = browser.post("/milestones/do/", act | {"do": "reach", "reason": "By phone"}, follow=True).content.decode()
    assert "has reached it already" in again
    token = done.split("/undo/")[1].split("/")[0]
    assert "Put back" in browser.post(f"/undo/{token}/", follow=True).content.decode()
    row.refresh_from_db()
    assert (row.state, row.by_hand, MilestoneChange.objects.filter(origin="hand").count()) == ("overdue", False, 2)
    browser.post("/milestones/do/", act | {"do": "reach", "reason": "By phone", "on": "2026-01-01"})
    assert (
        "reset" in browser.post("/milestones/do/", act | {"do": "reset", "reason": "x"}, follow=True).content.decode()
    )


def test_a_viewer_reads_and_a_stranger_sees_nothing(reached: list[Milestone]) -> None:
    client = Client()
    client.force_login(factories.member(TeamMember.Access.VIEWER).user)
    assert "Mark reached" not in client.get("/milestones/").content.decode()
    text = client.get("/milestones/some-licences/").content.decode()
    assert "Licences is at least 5" in text and "<form id" not in text
    for address in ("/milestones/new/", "/milestones/do/", "/milestones/preview/", "/milestones/some-licences/",
                    "/milestones/some-licences/move/", "/milestones/some-licences/delete/"):  # fmt: skip
        assert client.post(address).status_code == 403, address
    assert Client().get("/milestones/").status_code == 302


def test_the_form_in_the_back_office(reached: list[Milestone]) -> None:
    root = Client()
    root.force_login(User.objects.create_superuser("root", password=None))
    address = f"/admin/alerts/milestone/{reached[0].pk}/change/"
    assert root.get(address).status_code == 200
    form = {
        "name": "Fewer", "description": "", "expected_days": "3", "start": "account", "start_field": "", "sticky": "on",
        "active": "on", "condition.match": "all", "condition.0.field": "account.licences",
        "condition.0.op": "at_least", "condition.0.value": "4",
    }  # fmt: skip
    assert root.post(address, form | {"start": "field"}).status_code == 200
    answer = root.post(address, form)
    assert answer.status_code == 302, answer.content.decode()[:3000]
    reached[0].refresh_from_db()
    assert (reached[0].name, reached[0].expected_days, reached[0].version) == ("Fewer", 3, 2)
