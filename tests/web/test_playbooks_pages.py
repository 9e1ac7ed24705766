"""The pages of playbooks: list, one with its accounts, the editor step by step, who may do what."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from accounts.models import Account, TeamMember
from alerts.milestones.editing import save_milestone, set_milestone_active
from alerts.models import Enrolment, Playbook
from alerts.playbooks.editing import Coming, save_playbook
from alerts.playbooks.enrolling import enrol_by_hand
from alerts.playbooks.running import run_playbooks
from alerts.playbooks.signing import keys_for
from segments.models import Segment
from tests import factories
from tests.query_counts import QueryCount, query_count

__all__ = ["query_count"]
pytestmark = pytest.mark.django_db
CALL = {"key": "call", "kind": "task", "title": "Call {{ account.name }}", "role": "csm", "wait": True}
REST = {"key": "rest", "kind": "delay", "days": 3, "working": True}


@pytest.fixture
def small() -> Segment:
    """A segment that accounts may enter."""
    return factories.segment("Small", {"field": "account.licences", "op": "at_most", "value": 5})


@pytest.fixture
def book(small: Segment) -> Playbook:
    """A playbook with one account in it."""
    made = save_playbook(None, name="Rescue", definition={"steps": [CALL, REST]}, coming=Coming(small))
    enrol_by_hand(made, [factories.account("Harbour")])
    run_playbooks()
    return made


def browser(access: str = TeamMember.Access.MANAGER) -> Client:
    """Of a colleague."""
    client = Client()
    client.force_login(factories.member(access).user)
    return client


def text(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, path
    return answer.content.decode()


def test_administrators_see_what_a_webhook_is_signed_with(small: Segment) -> None:
    step = {"key": "tell", "kind": "webhook", "url": "https://hooks.example/in"}
    made = save_playbook(None, name="Tell", definition={"steps": [step]}, coming=Coming(small))
    assert keys_for(step["url"])[0] in text(browser(TeamMember.Access.ADMIN), f"/playbooks/{made.pk}/")
    assert "whsec_" not in text(browser(), f"/playbooks/{made.pk}/")


def test_the_list_and_one_of_them(book: Playbook, query_count: QueryCount) -> None:
    manager = browser()
    with query_count("playbooks"):
        assert "joins Small" in text(manager, "/playbooks/")
    one = Enrolment.objects.get()
    shown = text(manager, f"/playbooks/{book.pk}/?enrolment={one.pk}")
    assert "1 of 2" in shown and "wait until it is done" in shown and "Call Harbour" in shown
    assert "step 1 of 2" in text(manager, f"/accounts/{one.account_id}/")
    stopped = manager.post(f"/playbooks/enrolments/{one.pk}/do/", {"do": "stop"}, follow=True).content.decode()
    assert "Stopped for Harbour" in stopped and "Stopped by hand" in stopped
    assert (
        "goes on" in manager.post(f"/playbooks/enrolments/{one.pk}/do/", {"do": "resume"}, follow=True).content.decode()
    )
    path = f"/playbooks/{book.pk}/do/"
    for sent, said in (
        ({"do": "enrol", "account": "Nobody"}, "No account that you may see"), ({"do": "enrol"}, "Type the name"),
        ({"do": "enrol", "account": "Harbour"}, "already"), ({"do": "dance"}, "Nothing was asked for"),
        ({"do": "off"}, "is off"), ({"do": "enrol", "account": "Harbour"}, "switched off"), ({"do": "on"}, "is on"),
        ({"do": "delete"}, "deleted with its history"),
    ):  # fmt: skip
        assert said in manager.post(path, sent, follow=True).content.decode(), sent
    assert "No playbook yet" in text(manager, "/playbooks/")


def test_only_managers_change_playbooks_and_colleagues_bring_accounts_in(book: Playbook) -> None:
    csm, viewer = browser(TeamMember.Access.CSM), browser(TeamMember.Access.VIEWER)
    factories.account("Quay")
    path = f"/playbooks/{book.pk}/"
    assert "Edit</a>" not in text(csm, path) and csm.get(f"{path}edit/").status_code == 403
    assert csm.post(f"{path}do/", {"do": "off"}).status_code == 403
    assert (
        "is in Rescue now" in csm.post(f"{path}do/", {"do": "enrol", "account": "Quay"}, follow=True).content.decode()
    )
    assert "Bring in" not in text(viewer, path)
    assert viewer.post(f"{path}do/", {"do": "enrol", "account": "Quay"}).status_code == 403
    assert viewer.post(f"/playbooks/enrolments/{Enrolment.objects.all()[0].pk}/do/").status_code == 403
    assert Client().get("/playbooks/").status_code == 302


def inputs(html: str) -> dict[str, Any]:
    """What a browser would send of the editor's form."""
    found: dict[str, Any] = {}
    form = html.split('id="playbook-form"')[-1] if 'id="playbook-form"' in html else html
    for tag in re.findall(r"<input [^>]*>", form):
        name, value = re.search(r'name="([^"]+)"', tag), re.search(r'value="([^"]*)"', tag)
        box = re.search(r'type="(checkbox|radio)"', tag)
        if name and (not box or " checked" in tag):
            found[name[1]] = value[1] if value else "on"
    for name, body in re.findall(r'<textarea [^>]*name="([^"]+)"[^>]*>(.*?)</textarea>', form, re.S):
        found[name] = body
    for name, body in re.findall(r'<select [^>]*name="([^"]+)"[^>]*>(.*?)</select>', form, re.S):
        chosen = re.search(r'<option value="([^"]*)" selected', body) or re.search(r'<option value="([^"]*)"', body)
        found[name] = chosen[1] if chosen else ""
    return {name: value for name, value in found.items() if name != "csrfmiddlewaretoken"}


def test_a_playbook_is_written_step_by_step(small: Segment) -> None:
    manager, anna = browser(), factories.member()
    form = inputs(text(manager, "/playbooks/new/"))
    assert form["s0.kind"] == "task" and form["s0.role"] == "csm"
    for do in ("new:branch", "new:assign", "new:delay", "up:s3", "add:s3rule:account.mrr", "new:webhook", "remove:s4"):
        form = inputs(manager.post("/playbooks/part/", form | {"do": do}).content.decode()) | {
            name: form[name] for name in ("name", "entry", "again", "again_days", "version", "description")
        }
    assert [form[f"s{place}.kind"] for place in range(4)] == ["task", "branch", "delay", "assign"]
    form = inputs(manager.post("/playbooks/part/", form | {"do": "add:s1rule:account.mrr"}).content.decode())
    form = inputs(manager.post("/playbooks/part/", form | {"do": "add:goal:account.licences"}).content.decode())
    form |= {"name": "Rescue", "entry": "segment:small", "again": "after", "again_days": "30", "active": "1"}
    wrong = manager.post("/playbooks/new/", form)
    shown = wrong.content.decode()
    assert wrong.status_code == 422 and "The title is missing." in shown and "Choose 1" not in shown
    assert 'href="#step-s0"' in shown and 'href="#goal-h"' in shown and 'value="Rescue"' in shown
    form |= {
        "s0.title": "Call {{ account.name }}", "s1rule.0.value": "100", "s1.otherwise": "end", "s2.amount": "2",
        "s3.role": "csm", "s3.several": anna.key, "goal.0.value": "50",
    }  # fmt: skip
    saved = manager.post("/playbooks/new/", form)
    assert saved.status_code == 302, re.findall(r'<li><a href="#[^"]*">(.*?)</a>', saved.content.decode())
    made = Playbook.objects.get()
    assert (made.entry, made.segment, made.again, made.again_days) == ("segment", small, "after", 30)
    assert [one["key"] for one in made.definition["steps"]] == ["call-accountname", "branch", "delay", "assign"]
    assert made.definition["steps"][2] == {"key": "delay", "kind": "delay", "days": 2, "working": True}
    assert made.definition["goal"]["rules"][0]["value"] == 50
    again = inputs(text(manager, f"/playbooks/{made.pk}/edit/"))
    manager.post(f"/playbooks/{made.pk}/edit/", again | {"do": "place:s3:0"})
    moved = inputs(manager.post("/playbooks/part/", again | {"do": "place:s3:0"}).content.decode())
    assert [moved[f"s{place}.kind"] for place in range(4)] == ["assign", "task", "branch", "delay"]
    unchanged = manager.post(f"/playbooks/{made.pk}/edit/", again | {"s3.several": anna.key})
    made.refresh_from_db()
    assert unchanged.status_code == 302 and made.version == 1
    stale = manager.post(f"/playbooks/{made.pk}/edit/", again | {"s3.several": anna.key, "version": "7"})
    assert stale.status_code == 422 and "was changed meanwhile" in stale.content.decode()
    assert Account.objects.count() == 0


@pytest.mark.parametrize("odd", ["²", "9" * 5_000])
def test_odd_digits_in_the_form_of_a_playbook_are_no_numbers(small: Segment, odd: str) -> None:
    manager = browser()
    form = inputs(text(manager, "/playbooks/new/")) | {"name": "Rescue", "again": "after", "s0.title": "Call"}
    gone = manager.post("/playbooks/new/", form | {"entry": f"rule:{odd}"})
    assert gone.status_code == 422 and "What brings accounts in was deleted." in gone.content.decode()
    assert manager.post("/playbooks/part/", form | {"do": f"place:s0:{odd}"}).status_code == 200
    days = manager.post("/playbooks/new/", form | {"entry": "hand", "again_days": odd}).content.decode()
    assert "Say after how many days, from 1 to 3650." in days


def test_a_step_says_with_which_milestone_its_task_is_done(small: Segment) -> None:
    manager = browser()
    assert "s0.done_when" not in inputs(text(manager, "/playbooks/new/"))  # there is none to choose
    live = save_milestone(None, name="Live", condition=small.rule)
    save_milestone(None, name="Unused", condition=small.rule, active=False)
    form = inputs(text(manager, "/playbooks/new/")) | {"name": "Onboard", "s0.title": "Go live"}
    assert form["s0.done_when"] == "" and 'value="unused"' not in text(manager, "/playbooks/new/")
    assert manager.post("/playbooks/new/", form | {"s0.done_when": "live"}).status_code == 302
    made = Playbook.objects.get()
    assert made.definition["steps"][0]["done_when"] == "live"
    assert "done when it reaches “Live”" in text(manager, f"/playbooks/{made.pk}/")
    set_milestone_active(live, False)
    again = inputs(text(manager, f"/playbooks/{made.pk}/edit/"))
    assert again["s0.done_when"] == "live"  # it stays chosen, though it is switched off
    wrong = manager.post(f"/playbooks/{made.pk}/edit/", again | {"s0.done_when": "gone"})
    assert wrong.status_code == 422 and "There is no milestone “gone”." in wrong.content.decode()
    refused = manager.post("/milestones/live/delete/", follow=True).content.decode()
    assert "Live is used by playbook “Onboard”. Remove it there first." in refused
