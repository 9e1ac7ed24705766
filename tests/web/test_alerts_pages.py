"""The pages of alerts: the inbox in every state, what is done to one and to many, the rules."""

from __future__ import annotations

import datetime as dt
import html
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from accounts.models import Account, TeamMember
from alerts.editing import save_alert_rule
from alerts.models import Alert, AlertRule, Enrolment
from alerts.work.doing import add_task
from core.clock import moment
from csbox.pipeline import refresh_everything
from segments.refresh import refresh_due
from tests import factories
from tests.playbooks.conftest import playbook
from tests.query_counts import QueryCount
from tests.sharing import shared_rows
from web.alert_inbox import rows_of

pytestmark = pytest.mark.django_db
FEW = {"match": "all", "rules": [{"field": "account.licences", "op": "at_most", "value": 5}]}


@pytest.fixture(scope="module")
def _raised(django_db_setup: None, django_db_blocker: Any) -> Iterator[AlertRule]:
    with shared_rows(django_db_blocker, _two_alerts) as rule:
        yield rule


@pytest.fixture
def raised(_raised: AlertRule, db: None) -> AlertRule:
    """A rule with alerts about two accounts."""
    return AlertRule.objects.get(pk=_raised.pk)


def _two_alerts() -> AlertRule:
    accounts = [factories.account(name, stated_licences=30) for name in ("Harbour", "Quay")]
    refresh_everything()
    rule = save_alert_rule(None, name="Few licences", condition=FEW, message="{{ account.name }} is down")
    refresh_due()
    Account.objects.filter(pk__in=[one.pk for one in accounts]).update(stated_licences=3)
    refresh_everything()
    return rule


def test_the_inbox_shows_why_and_lets_one_close_snooze_assign_and_undo(
    browser: Client, me: TeamMember, raised: AlertRule
) -> None:
    text = browser.get("/alerts/").content.decode()
    assert "Harbour is down" in text and "licences is at most 5" in text and 'Open <span class="n">2' in text
    first, second = Alert.objects.order_by("pk")
    assert "How it is now" not in text
    Account.objects.filter(pk=first.account_id).update(stated_licences=4)
    refresh_everything()
    later = browser.get(f"/alerts/?alert={first.pk}").content.decode()
    assert "How it is now" in later.split("Why it was raised")[1]
    assert browser.get(f"/api/v1/alerts/{first.pk}/").json()["now"]["met"] is True
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


def test_the_notice_after_closing_asks_how_it_went(browser: Client, raised: AlertRule) -> None:
    both = list(Alert.objects.values_list("pk", flat=True))
    closed = browser.post("/alerts/do/", {"do": "close", "alert": both}, follow=True).content.decode()
    assert [closed.index(f">{label}</button>") for label in ("Fixed", "Not fixed", "False alarm")]
    token = closed.split('name="closed" value="')[1].split('"')[0]
    stranger = Client()
    stranger.force_login(factories.member(TeamMember.Access.MANAGER).user)
    for client, value, sent in ((stranger, "outcome:false", token), (browser, "outcome:perfect", token),
                                (browser, "outcome:", token), (browser, "outcome:false", "x")):  # fmt: skip
        client.post("/alerts/do/", {"do": value, "closed": sent})
        assert set(Alert.objects.values_list("outcome", flat=True)) == {""}, (value, sent)
    said = browser.post("/alerts/do/", {"do": "outcome:false", "closed": token}, follow=True).content.decode()
    assert "2 alerts: false alarm." in said and set(Alert.objects.values_list("outcome", flat=True)) == {"false"}
    assert set(Alert.objects.values_list("ending", flat=True)) == {"closed"}
    browser.post(f"/undo/{said.split('/undo/')[1].split('/')[0]}/")
    assert set(Alert.objects.values_list("outcome", "ending")) == {("", "closed")}
    browser.post(f"/undo/{token}/")  # the closing itself can still be taken back
    assert Alert.objects.open().count() == 2
    outright = browser.post("/alerts/do/", {"do": "close:success", "alert": both}, follow=True).content.decode()
    assert 'name="closed"' not in outright and set(Alert.objects.values_list("outcome", flat=True)) == {"success"}


def test_an_outcome_over_the_api(browser: Client, raised: AlertRule) -> None:
    one = Alert.objects.order_by("pk")[0]

    def send(outcome: str) -> Any:
        return browser.post(f"/api/v1/alerts/{one.pk}/outcome/", {"outcome": outcome}, "application/json")

    assert send("false").status_code == 409
    browser.post(f"/api/v1/alerts/{one.pk}/close/", {}, "application/json")
    assert send("perfect").status_code == 400 and send("false").json()["outcome"] == "false"
    assert send("success").json()["entries"][-1]["text"] == "Fixed."


def test_snoozing_has_four_ways(browser: Client, raised: AlertRule) -> None:
    one = Alert.objects.order_by("pk")[0]
    today, later = moment().today, moment().today + dt.timedelta(days=40)
    shown = browser.get("/alerts/").content.decode()
    for sent, until, worse in (
        ({"do": "snooze:tomorrow"}, today + dt.timedelta(days=1), False),
        ({"do": "snooze:week", "until": later}, today + dt.timedelta(days=7), False),
        ({"do": "snooze:date", "until": later}, later, False), ({"do": "snooze:worse", "until": later}, None, True),
    ):  # fmt: skip
        assert f'value="{sent["do"]}"' in shown
        browser.post("/alerts/do/", sent | {"alert": one.pk, "reason": "Away"})
        one.refresh_from_db()
        assert (one.snoozed_until, one.snoozed_till_worse, one.snooze_reason) == (until, worse, "Away"), sent


def test_very_many_of_a_rule_in_a_day_are_one_row_that_opens(
    browser: Client, raised: AlertRule, query_count: QueryCount
) -> None:
    others = [factories.account(f"Pier {n:02}", stated_licences=3) for n in range(24)]
    twin, third = Alert.objects.order_by("pk")
    day, before = moment().start_of(moment().today), moment().start_of(moment().today) - dt.timedelta(minutes=1)
    Alert.objects.filter(pk=third.pk).update(began_at=before, opened_at=before)  # of the day before: a row of its own
    common = {"rule": raised, "version": 1, "severity": "high", "began_at": day}
    Alert.objects.filter(pk=twin.pk).update(began_at=day, opened_at=day)

    def add(accounts: list[Account]) -> None:
        Alert.objects.bulk_create(Alert(account=one, opened_at=moment().now, **common) for one in accounts)

    add(others[:19])
    assert 'name="group"' not in browser.get("/alerts/").content.decode(), "20 still have a row each"
    add(others[19:20])
    text = browser.get("/alerts/").content.decode()
    key = f"{raised.pk}:{moment().today.isoformat()}"
    assert text.count('name="group"') == 1 and f'value="{key}"' in text and "Few licences: 21 accounts" in text
    assert text.count('name="alert" value="') == 22 + 2  # 21 inside, yesterday's; the forms of the one in full
    alone = browser.get(f"/alerts/?rule={raised.pk}&on={moment().today.isoformat()}").content.decode()
    assert 'name="group"' not in alone and "Only Few licences," in alone and alone.count("data-alert>") == 21
    add(others[20:])
    with query_count("alerts inbox"):  # of rows and of groups, however many there are
        browser.get("/alerts/")
    low = Alert.objects.get(account=others[0])
    Alert.objects.filter(pk=low.pk).update(severity="low")
    asked = {"group": key, "query": "state=open&severity=high", "do": "assign:me"}
    browser.post("/alerts/do/", asked)
    assert Alert.objects.filter(assignee__isnull=False).count() == 23, "neither yesterday’s nor what is not listed"
    wide = browser.post("/alerts/do/", {"scope": "filter", "query": "state=open", "do": "close"}, follow=True)
    assert "26 alerts: closed." in wide.content.decode() and not Alert.objects.open().exists()
    assert 'name="group"' not in browser.get("/alerts/?state=ended").content.decode()
    for odd in ("x", "1:", f"{raised.pk}:yesterday", ":", "1" * 30 + ":2026-01-01"):
        assert browser.post("/alerts/do/", {"group": odd, "do": "close"}, follow=True).status_code == 200
        assert browser.get(f"/alerts/?rule={odd}&on={odd}").status_code == 200


def test_what_is_done_to_more_than_go_at_once_says_that_some_are_left(
    browser: Client, raised: AlertRule, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Alert.objects.open().count() == 2
    monkeypatch.setattr("web.views.alerts.MOST", 1)
    every = {"scope": "filter", "query": "state=open", "do": "close"}
    page = browser.post("/alerts/do/", every, follow=True).content.decode()
    assert "That was the newest 1 of them; press it again for the next." in page
    assert "press it again" not in browser.post("/alerts/do/", every, follow=True).content.decode()
    assert not Alert.objects.open().exists()


def test_pages_of_rows_go_on_after_groups(browser: Client, raised: AlertRule) -> None:
    now = moment().now
    days = [now - dt.timedelta(days=n) for n in range(60)]
    accounts = [factories.account(f"Pier {n:02}", stated_licences=3) for n in range(25)]
    Alert.objects.all().delete()
    ended = {"ended_at": now, "ending": "closed"}
    many = [(one, days[3], {}) for one in accounts]
    single = [(accounts[0], day, ended) for place, day in enumerate(days) if place != 3]
    Alert.objects.bulk_create(
        Alert(rule=raised, account=account, version=1, severity="high", began_at=at, opened_at=at, **how)
        for account, at, how in [*many, *single]
    )
    listed = Alert.objects.all()
    (first, more), (second, rest) = (rows_of(listed, moment().zone, page) for page in (1, 2))
    assert (len(first), more, len(second), rest) == (50, True, 10, False)
    assert [row.number for row in first[:5]] == [1, 1, 1, 25, 1] and len(first[3].members) == 25
    seen = [one.pk for row in (*first, *second) for one in row.alerts]
    assert len(seen) == len(set(seen)) == 84


def test_new_alerts_are_told_above_the_list_and_do_not_push_it(browser: Client, raised: AlertRule) -> None:
    text = browser.get("/alerts/?severity=medium").content.decode()
    address = html.unescape(re.search(r'id="new-alerts" hx-get="([^"]+)"', text).group(1))  # type: ignore[union-attr]
    part = {"HX-Request": "true", "HX-Target": "new-alerts"}
    assert "new alert" not in browser.get(address, headers=part).content.decode()
    for place in range(4):
        Alert.objects.create(
            rule=raised, account=factories.account(), version=1, severity="medium" if place else "low",
            began_at=moment().now, opened_at=moment().now, snoozed_till_worse=place == 3,
        )  # fmt: skip
    told = browser.get(address, headers=part).content.decode()
    assert ">2 new alerts. Show</a>" in told and 'href="/alerts/?severity=medium"' in told and "<html" not in told
    assert 'id="status"' in told
    again = html.unescape(re.search(r'hx-get="([^"]+)"', told).group(1))  # type: ignore[union-attr]
    assert 'id="status"' not in browser.get(again, headers=part).content.decode(), "said once"
    assert "<html" in browser.get(address).content.decode(), "the same address is a page"


def test_an_alert_suggests_playbooks_and_starts_one(browser: Client, me: TeamMember, raised: AlertRule) -> None:
    mine = playbook({"kind": "delay", "days": 3}, name="Rescue", rule=raised)
    playbook({"kind": "delay", "days": 3}, name="Call round")
    playbook({"kind": "delay", "days": 3}, name="Grow", segment=factories.segment("Low", FEW["rules"][0]))
    playbook({"kind": "delay", "days": 3}, name="Off", active=False)
    alert = Alert.objects.order_by("pk")[0]
    text = browser.get(f"/alerts/?alert={alert.pk}").content.decode()
    assert "begins by itself" in text and text.index(">Rescue</a>") < text.index(">Call round</a>")
    assert ">Grow</a>" not in text and ">Off</a>" not in text
    for kpi in ("<dt>Health</dt>", "<dt>MRR</dt>", "<dt>Renewal</dt>"):
        assert kpi in text
    done = browser.post("/alerts/do/", {"do": f"start:{mine.pk}", "alert": alert.pk}, follow=True).content.decode()
    assert f"{alert.account}: in Rescue now." in done and f'value="start:{mine.pk}"' not in done.split('id="alert"')[0]
    (run,) = Enrolment.objects.all()
    assert (run.account, run.playbook, run.enrolled_by) == (alert.account, mine, me.user)
    browser.post("/alerts/do/", {"do": f"start:{mine.pk}", "alert": alert.pk})
    assert Enrolment.objects.count() == 1


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


def test_alerts_are_handled_on_the_page_of_their_account(browser: Client, raised: AlertRule) -> None:
    alert = Alert.objects.select_related("account").order_by("pk")[0]
    here = f"/accounts/{alert.account_id}/"
    text = browser.get(here).content.decode()
    card = text.split('id="alerts"')[1].split("</section>")[0]
    assert alert.message in card and card.count('name="alert"') == 1 and f'value="{here}#alerts"' in card
    for do in ("close", "snooze:week", "snooze:tomorrow", "snooze:worse", "assign:me"):
        assert f'value="{do}"' in card
    closed = browser.post("/alerts/do/", {"alert": alert.pk, "do": "close", "next": f"{here}#alerts"}, follow=True)
    assert closed.redirect_chain[-1][0] == f"{here}#alerts" and 'id="alerts"' not in closed.content.decode()
    assert 'name="closed"' in closed.content.decode()
    viewer = Client()
    viewer.force_login(factories.member(TeamMember.Access.VIEWER).user)
    other = Alert.objects.open().get()
    shown = viewer.get(f"/accounts/{other.account_id}/").content.decode().split('id="alerts"')[1].split("</section>")[0]
    assert other.message in shown and "<form" not in shown


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


def test_filters_apply_at_once_and_without_scripts_by_their_button(browser: Client, raised: AlertRule) -> None:
    page = browser.get("/alerts/?state=open").content.decode()
    form = page[page.index('<form class="alert-filters"') : page.index("</form>", page.index("alert-filters"))]
    assert 'hx-get="/alerts/" hx-trigger="change, submit" hx-target="#inbox"' in form
    assert '<button class="btn no-js" type="submit">Show</button>' in form and 'action="/alerts/"' in form
    sent = {"HX-Request": "true", "HX-Target": "inbox"}
    asked = f"/alerts/?state=open&severity=medium&type=&rule={raised.pk}"
    answer = browser.get(asked, headers=sent)
    told = answer.content.decode()
    assert "<html" not in told and '<form class="alert-filters"' not in told
    assert answer["HX-Push-Url"] == f"/alerts/?state=open&severity=medium&rule={raised.pk}"
    assert (
        'id="alert-states" hx-swap-oob' in told and f"?state=snoozed&amp;severity=medium&amp;rule={raised.pk}" in told
    )
    assert 'id="alert-only" hx-swap-oob' in told and '<a href="?state=open&amp;severity=medium">All alerts</a>' in told
    assert 'id="status" hx-swap-oob' in told
    assert "<html" in browser.get(asked).content.decode()
    assert "<html" in browser.get(asked, headers=sent | {"HX-History-Restore-Request": "true"}).content.decode()


@pytest.mark.parametrize("path", ["/alerts/", "/tasks/?who=everybody", "/accounts/"])
def test_lists_with_something_to_do_with_many_select_ranges(browser: Client, raised: AlertRule, path: str) -> None:
    add_task(raised.alerts.all()[0].account, "Call")
    found = browser.get(path).content.decode()
    boxes = re.findall(r'<input[^>]*type="checkbox"[^>]*name="(?:alert|task|account)"', found)
    inside = found[found.index("data-range") :]
    assert boxes and all(box in inside for box in boxes)
