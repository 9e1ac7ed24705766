"""The pages of tasks: every view of the list, what is done to one and to many, writing one down, the calendar."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.test import Client

from accounts.models import Account, TeamMember
from alerts.models import Task
from alerts.work import doing
from core.clock import moment
from tests import factories
from tests.query_counts import QueryCount, query_count

__all__ = ["query_count"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def me() -> TeamMember:
    """A colleague."""
    return factories.member()


@pytest.fixture
def account(me: TeamMember) -> Account:
    """An account with a task of every kind."""
    found = factories.account("Harbour")
    today = moment().today
    for title, days in (("Late one", -3), ("Now", 0), ("Soon", 2), ("Some day", None)):
        due = None if days is None else today + dt.timedelta(days=days)
        doing.add_task(found, title, assignee=me, due_on=due)
    doing.add_task(found, "Nobody’s", text="With <b>text</b>")
    return found


def text(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, path
    return answer.content.decode()


def test_each_view_lists_what_it_says_and_empty_ones_say_what_to_do(
    browser: Client, account: Account, query_count: QueryCount
) -> None:
    with query_count("tasks"):
        listed = text(browser, "/tasks/")
    assert [found for found in re.findall(r'<h2 class="small">(.*?)</h2>', listed)] == [
        "Overdue", "Due today", "Later", "Without a day",
    ]  # fmt: skip
    for view, titles in (("overdue", ["Late one"]), ("today", ["Now"]), ("later", ["Soon", "Some day"])):
        assert re.findall(r"<b>([^<]*)</b><span", text(browser, f"/tasks/?view={view}")) == titles
    assert "Nobody’s" in text(browser, "/tasks/?who=nobody") and "&lt;b&gt;" in text(browser, "/tasks/?who=nobody")
    assert "Nothing done yet" in text(browser, "/tasks/?view=done&page=9&task=x")
    Task.objects.all().delete()
    assert "Nothing to do here" in text(browser, "/tasks/?who=team") and "Nothing is late" in text(
        browser, "/tasks/?view=overdue"
    )


def test_ticking_putting_off_giving_and_undoing(browser: Client, me: TeamMember, account: Account) -> None:
    late, now = Task.objects.get(title="Late one"), Task.objects.get(title="Now")
    done = browser.post("/tasks/do/", {"one": late.pk, "task": now.pk}, follow=True).content.decode()
    assert "Late one: done." in done
    late.refresh_from_db()
    assert (late.state, late.done_by, Task.objects.get(pk=now.pk).state) == ("done", me.user, "open")
    browser.post(f"/undo/{done.split('/undo/')[1].split('/')[0]}/")
    late.refresh_from_db()
    assert late.state == "open" and late.done_by is None
    both = {"task": [late.pk, now.pk]}
    assert (
        "2 tasks: due tomorrow." in browser.post("/tasks/do/", both | {"do": "tomorrow"}, follow=True).content.decode()
    )
    other = factories.member()
    browser.post("/tasks/do/", both | {"do": "assign", "to": other.key})
    assert Task.objects.filter(assignee=other).count() == 2
    browser.post("/tasks/do/", {"task": now.pk, "do": "done", "outcome": "success", "note": "They renew."})
    assert "They renew." in text(browser, f"/tasks/?view=done&who=everybody&task={now.pk}")
    browser.post("/tasks/do/", {"task": now.pk, "do": "edit", "title": "Then", "text": "", "due": "", "note": "No."})
    now.refresh_from_db()
    assert (now.title, now.due_on, now.note) == ("Then", None, "No.")


@pytest.mark.parametrize(
    "sent",
    [
        {"do": "done"}, {"do": "done", "task": "x"}, {"do": "done", "outcome": "perfect"}, {"do": "postpone"},
        {"do": "postpone", "until": "2001-01-01"}, {"do": "assign", "to": "nobody-at-all"}, {"do": "dance"},
        {"do": "edit", "title": " "},
    ],
)  # fmt: skip
def test_what_cannot_be_done_changes_nothing_and_says_so(
    browser: Client, account: Account, sent: dict[str, str]
) -> None:
    before = list(Task.objects.values())
    chosen = {"task": str(before[0]["id"])} if sent not in ({"do": "done"}, {"do": "done", "task": "x"}) else {}
    answer = browser.post("/tasks/do/", chosen | sent, follow=True)
    assert answer.status_code == 200 and 'id="notices"' in answer.content.decode()
    assert list(Task.objects.values()) == before


def test_a_task_is_written_down_on_both_pages_and_can_be_taken_back(browser: Client, account: Account) -> None:
    made = browser.post("/tasks/add/", {"account": "harb", "title": "Write", "due": "2031-01-01"}, follow=True)
    assert "No task was added" in made.content.decode()
    made = browser.post("/tasks/add/", {"account": "harb", "title": "Write", "to": "me"}, follow=True)
    assert "Task added for" in made.content.decode()
    page = text(browser, f"/accounts/{account.pk}/")
    assert "Write" in page and "Nobody’s" in page and 'name="account_id"' in page
    browser.post(f"/undo/{made.content.decode().split('/undo/')[1].split('/')[0]}/")
    assert not Task.objects.filter(title="Write").exists()
    nobody = browser.post("/tasks/add/", {"title": "Write"}, follow=True).content.decode()
    assert "Type the name of the account" in nobody


def test_a_viewer_reads_and_a_csm_in_a_restricted_workspace_sees_only_own_accounts(account: Account) -> None:
    from core.models import Workspace

    viewer, csm = Client(), Client()
    viewer.force_login(factories.member(TeamMember.Access.VIEWER).user)
    csm.force_login(factories.member().user)
    assert "Late one" in text(viewer, "/tasks/?who=everybody")
    assert viewer.post("/tasks/do/", {"task": 1, "do": "done"}).status_code == 403
    assert viewer.post("/tasks/add/", {"title": "x"}).status_code == 403
    factories.assign(account, factories.member())
    Workspace.get()
    Workspace.objects.update(csm_reach=Workspace.Reach.OWN)
    assert "Late one" not in text(csm, "/tasks/?who=everybody")
    task = Task.objects.get(title="Now")
    csm.post("/tasks/do/", {"task": task.pk, "do": "done"})
    task.refresh_from_db()
    assert task.state == "open" and Client().get("/tasks/").status_code == 302


def test_the_calendar_address_is_shown_once_and_can_be_closed(browser: Client, account: Account) -> None:
    assert "There is no address yet" in text(browser, "/tasks/calendar/")
    shown = browser.post("/tasks/calendar/", {"do": "renew"}).content.decode()
    (path,) = re.findall(r"http://testserver(/calendar/[^<]+\.ics)", shown)
    assert b"Late one (Harbour)" in Client().get(path).content
    assert path not in text(browser, "/tasks/calendar/") and "It was read last" in text(browser, "/tasks/calendar/")
    browser.post("/tasks/calendar/", {"do": "close"})
    assert Client().get(path).status_code == 404


def test_tasks_over_the_api(browser: Client, account: Account) -> None:
    Account.objects.filter(pk=account.pk).update(external_id="h")
    listed = browser.get("/api/v1/tasks/?when=overdue&assignee=nobody").json()["results"]
    assert listed == []
    assert browser.get("/api/v1/tasks/?whenn=today").status_code == 400
    ordered = browser.get("/api/v1/tasks/?ordering=due&page_size=2").json()
    assert [one["title"] for one in ordered["results"]] == ["Late one", "Now"] and ordered["next"]
    sent = {"account": "h", "title": "Write", "due_on": "2026-12-01"}
    made = browser.post("/api/v1/tasks/", sent, "application/json")
    assert made.status_code == 201 and made.json()["origin"] == "hand"
    path, match = f"/api/v1/tasks/{made.json()['id']}/", {"If-Match": made["ETag"]}
    for bad in ({"title": ""}, {"account": "x"}, {"assignee": "nobody"}, {"state": "done"}, {"due_on": "2090-01-01"}):
        assert browser.patch(path, bad, "application/json", headers=match).status_code == 400, bad
    changed = browser.patch(path, {"title": "Then"}, "application/json", headers=match)
    assert changed.json()["title"] == "Then"
    assert browser.patch(path, {"title": "x"}, "application/json", headers=match).status_code == 412
    done = browser.post(f"{path}finish/", {"outcome": "success", "note": "Yes."}, "application/json").json()
    assert (done["state"], done["outcome"], done["note"]) == ("done", "success", "Yes.")
    assert browser.post(f"{path}finish/", {}, "application/json").status_code == 409
    again = browser.post(f"{path}reopen/")
    assert again.json()["state"] == "open"
    assert browser.delete(path, headers={"If-Match": again["ETag"]}).status_code == 204
