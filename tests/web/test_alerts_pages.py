"""The pages of alerts: the inbox in every state, what is done to one and to many, the rules."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from accounts.models import Account, TeamMember
from alerts.editing import save_alert_rule
from alerts.models import Alert, AlertRule
from csbox.pipeline import refresh_everything
from segments.refresh import refresh_due
from tests import factories

pytestmark = pytest.mark.django_db
FEW = {"match": "all", "rules": [{"field": "account.licences", "op": "at_most", "value": 5}]}


@pytest.fixture
def me() -> TeamMember:
    """A colleague."""
    return factories.member(TeamMember.Access.MANAGER)


@pytest.fixture
def browser(me: TeamMember) -> Client:
    """The colleague's."""
    client = Client()
    client.force_login(me.user)
    return client


@pytest.fixture
def raised() -> AlertRule:
    """A rule with alerts about two accounts."""
    accounts = [factories.account(name, stated_licences=30) for name in ("Harbour", "Quay")]
    refresh_everything()
    rule = save_alert_rule(None, name="Few licences", condition=FEW, message="{{ account.name }} is down")
    refresh_due()
    Account.objects.filter(pk__in=[one.pk for one in accounts]).update(stated_licences=3)
    refresh_everything()
    return rule


def test_empty_pages_say_what_to_do(browser: Client) -> None:
    assert "No alert rule yet" in browser.get("/alerts/").content.decode()
    assert "No alert rule yet" in browser.get("/alerts/rules/").content.decode()
    factories.account()
    save_alert_rule(None, name="Few licences", condition=FEW)
    assert "Nothing asks for you" in browser.get("/alerts/").content.decode()
    assert "None here" in browser.get("/alerts/?state=ended&page=9999999&alert=x").content.decode()


def test_the_inbox_shows_why_and_lets_one_close_snooze_assign_and_undo(
    browser: Client, me: TeamMember, raised: AlertRule
) -> None:
    text = browser.get("/alerts/").content.decode()
    assert "Harbour is down" in text and "licences is at most 5" in text and 'Open <span class="n">2' in text
    first, second = Alert.objects.order_by("pk")
    act: dict[str, Any] = {"alert": [first.pk, second.pk], "next": "/alerts/"}
    done = browser.post("/alerts/do/", act | {"do": "assign", "to": "me"}, follow=True).content.decode()
    assert "2 alerts: assigned to" in done and set(Alert.objects.values_list("assignee", flat=True)) == {me.pk}
    assert "Quay" in browser.get("/alerts/?mine=1").content.decode()
    browser.post("/alerts/do/", {"alert": first.pk, "do": "snooze", "for": "week", "reason": "Holiday"})
    assert first.account.name in browser.get("/alerts/?state=snoozed").content.decode()
    assert Alert.objects.get(pk=first.pk).snoozed_until is not None
    browser.post("/alerts/do/", {"alert": first.pk, "do": "wake"})
    closed = browser.post("/alerts/do/", act | {"alert": second.pk, "do": "close", "outcome": "success"}, follow=True)
    second.refresh_from_db()
    assert (second.ending, second.outcome) == ("closed", "success")
    undo = closed.content.decode().split("/undo/")[1].split("/")[0]
    browser.post(f"/undo/{undo}/")
    second.refresh_from_db()
    assert second.ended_at is None and second.outcome == ""
    browser.post("/alerts/do/", {"alert": second.pk, "do": "comment", "text": "Called them."})
    assert "Called them." in browser.get(f"/alerts/?alert={second.pk}").content.decode()


def test_the_alerts_of_one_account_are_a_list_that_its_page_leads_to(browser: Client, raised: AlertRule) -> None:
    harbour, quay = Account.objects.order_by("name")
    page = browser.get(f"/accounts/{harbour.pk}/").content.decode()
    assert f'href="/alerts/?account={harbour.pk}">1</a>' in page
    text = browser.get(f"/alerts/?account={harbour.pk}").content.decode()
    assert "Harbour is down" in text and "Quay is down" not in text and "Only Harbour" in text
    for odd in ("x", "999999", "0" * 30):
        assert "is down" not in browser.get(f"/alerts/?account={odd}").content.decode()


@pytest.mark.parametrize(
    "sent",
    [
        {"do": "close"},
        {"do": "close", "alert": "x"},
        {"do": "close", "outcome": "perfect"},
        {"do": "snooze"},
        {"do": "snooze", "until": "yesterday"},
        {"do": "assign", "to": "nobody-at-all"},
        {"do": "comment", "text": " "},
        {"do": "dance"},
    ],
)
def test_what_cannot_be_done_changes_nothing_and_says_so(
    browser: Client, raised: AlertRule, sent: dict[str, str]
) -> None:
    before = list(Alert.objects.values())
    chosen = {"alert": Alert.objects.values_list("pk", flat=True)[0]} if len(sent) > 1 or sent["do"] != "close" else {}
    answer = browser.post("/alerts/do/", chosen | sent, follow=True)
    assert answer.status_code == 200 and 'id="notices"' in answer.content.decode()
    assert list(Alert.objects.values()) == before


def test_a_viewer_reads_and_a_stranger_sees_nothing(raised: AlertRule) -> None:
    client = Client()
    client.force_login(factories.member(TeamMember.Access.VIEWER).user)
    assert "Harbour is down" in client.get("/alerts/").content.decode()
    assert client.post("/alerts/do/", {"alert": 1, "do": "close"}).status_code == 403
    assert Client().get("/alerts/").status_code == 302


def test_the_list_of_rules_and_their_form_in_the_back_office(browser: Client, raised: AlertRule) -> None:
    text = browser.get("/alerts/rules/").content.decode()
    assert "Few licences" in text and "at most 5" in text
    root = Client()
    root.force_login(User.objects.create_superuser("root", password=None))
    address = f"/admin/alerts/alertrule/{raised.pk}/change/"
    assert root.get(address).status_code == 200
    form = {
        "name": "Fewer", "type": "Risk", "severity": "high", "active": "on", "message": "", "hold_days": 2,
        "cooldown_days": 0, "refire": "entry", "condition.match": "all", "condition.0.field": "account.licences",
        "condition.0.op": "at_most", "condition.0.value": "4", "clear.match": "all",
    }  # fmt: skip
    answer = root.post(address, form)
    assert answer.status_code == 302, answer.content.decode()[:3000]
    raised.refresh_from_db()
    assert (raised.name, raised.hold_days, raised.clear, raised.version) == ("Fewer", 2, None, 2)
    assert raised.condition["rules"][0]["value"] == 4
