"""The editor of alert rules, what it shows before saving, versions, copies, the gallery, and who may."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Account, TeamMember
from alerts import handling
from alerts.editing import save_alert_rule
from alerts.models import Alert, AlertReplay, AlertRule
from alerts.replaying.running import work
from alerts.stock import STOCK
from csbox.pipeline import refresh_everything
from segments.models import Segment
from segments.refresh import refresh_due
from tests import factories
from tests.query_counts import QueryCount

pytestmark = pytest.mark.django_db
FEW = {"match": "all", "rules": [{"field": "account.licences", "op": "at_most", "value": 5}]}
FORM: dict[str, Any] = {
    "name": "Few licences", "message": "{{ account.name }} is down", "type": "Winter", "severity": "high",
    "active": "1", "hold": "2", "cooldown": "7", "refire": "entry", "role": "", "fallback": "", "subject": "account",
    "n.match": "all", "n.0.field": "account.licences", "n.0.op": "at_most", "n.0.value": "5",
    "c.match": "all", "c.0.field": "account.licences", "c.0.op": "at_least", "c.0.value": "10",
}  # fmt: skip


@pytest.fixture
def harbour() -> Account:
    """An account with few licences, among one with many."""
    factories.account("Quay", stated_licences=30)
    found = factories.account("Harbour", stated_licences=3)
    refresh_everything()
    return found


def test_a_rule_is_added_with_all_that_belongs_to_it_and_changed(
    browser: Client, me: TeamMember, harbour: Account
) -> None:
    target = factories.segment("Everybody", {"field": "account.name", "op": "is_set"})
    other = factories.member()
    assert "No conditions yet" in browser.get("/alerts/rules/new/?segment=everybody").content.decode()
    sent = FORM | {"segments": [target.key], "fallback": me.key, "round_robin": [me.key, other.key]}
    done = browser.post("/alerts/rules/new/", sent, follow=True).content.decode()
    assert "Few licences saved as version 1. It watches from now on." in done
    rule = AlertRule.objects.get()
    assert (rule.type, rule.severity, rule.hold_days, rule.cooldown_days) == ("Winter", "high", 2, 7)
    assert rule.condition == FEW and rule.clear == {"match": "all", "rules": [
        {"field": "account.licences", "op": "at_least", "value": 10}]}  # fmt: skip
    assert list(rule.segments.all()) == [target] and rule.fallback == me and set(rule.round_robin.all()) == {me, other}
    page = browser.get(f"/alerts/rules/{rule.pk}/").content.decode()
    for part in ("{{ account.name }} is down", 'value="Winter"', "It ends when that no longer holds and"):
        assert part in page, part
    assert "<b>1</b>" in page and "of 2 accounts meet the condition" in page.replace('id="pv-count"', "")
    assert "Harbour is down" in page
    changed = sent | {"version": "1", "hold": "3", "c.0.value": "12", "reason": "Too noisy"}
    browser.post(f"/alerts/rules/{rule.pk}/", changed)
    text = browser.get(f"/alerts/rules/{rule.pk}/versions/").content.decode()
    for part in ("Hold: 2 → 3 days", "To clear: Licences is at least 10 → Licences is at least 12", "Too noisy"):
        assert part in text, part
    stale = browser.post(f"/alerts/rules/{rule.pk}/", sent | {"version": "1", "name": "Mine"})
    assert stale.status_code == 422 and "was changed meanwhile" in stale.content.decode()
    assert 'value="Mine"' in stale.content.decode() and AlertRule.objects.get().name == "Few licences"
    back = browser.post(f"/alerts/rules/{rule.pk}/versions/1/restore/", follow=True).content.decode()
    assert "Version 1 restored as version 3" in back
    rule.refresh_from_db()
    assert (rule.hold_days, rule.version, rule.message, rule.fallback) == (2, 3, "{{ account.name }} is down", me)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": " "}, "Enter a name"),
        ({"message": "{{ account.nothing }}"}, "there is no such field"),
        ({"hold": "soon"}, "Enter a number of days from 0 to 365."),
        ({"cooldown": "366"}, "Enter a number of days from 0 to 365."),
        ({"refire": "lasting", "cooldown": ""}, "needs a cool-down"),
        ({"refire": "always"}, "Choose when an account gets another alert."),
        ({"segments": ["gone"]}, "has been deleted"),
        ({"fallback": "nobody"}, "is not there any more"),
        ({"severity": "terrible"}, "Choose a severity."),
        ({"n.0.value": ""}, 'field-error">'),
        ({"c.0.value": "many"}, "number"),
        ({"n.0.field": "account.gone"}, "account.gone"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_lost(
    browser: Client, harbour: Account, wrong: dict[str, Any], said: str
) -> None:
    answer = browser.post("/alerts/rules/new/", FORM | wrong)
    text = answer.content.decode()
    assert answer.status_code == 422 and said in text and not AlertRule.objects.exists()
    assert 'value="Winter"' in text and "Not saved" in text


def test_steps_without_scripts_and_the_parts_for_scripts(browser: Client, harbour: Account) -> None:
    more = browser.post("/alerts/rules/new/", FORM | {"do": "add:c:account.mrr"}).content.decode()
    assert 'name="c.1.field"' in more and 'value="5"' in more and not AlertRule.objects.exists()
    less = browser.post("/alerts/rules/part/", FORM | {"do": "remove:c.0"}).content.decode()
    assert 'name="c.0.field"' not in less and 'name="n.0.field"' in less
    said = browser.post("/alerts/rules/new/", FORM | {"do": "insert", "said": "account.mrr"}).content.decode()
    assert "is down {{ account.mrr }}" in said
    seen = browser.post("/alerts/rules/preview/", FORM | {"include_existing": "1"}).content.decode()
    assert "of 2 accounts meet the condition" in seen and "once it has held for 2 days" in seen
    bad = browser.post("/alerts/rules/preview/", FORM | {"n.0.value": "x"}).content.decode()
    assert "It comes when the rule is complete." in bad and "error-n-0" in bad


def test_a_change_tells_how_many_open_alerts_it_ends(browser: Client, harbour: Account) -> None:
    rule = raised(harbour)
    seen = browser.post("/alerts/rules/preview/", FORM | {"rule": rule.pk, "n.0.value": "2"}).content.decode()
    assert "1, 1 of them ends" in seen
    still = browser.post("/alerts/rules/preview/", FORM | {"rule": rule.pk}).content.decode()
    assert "of them end" not in still


def raised(account: Account, **given: Any) -> AlertRule:
    """A rule with an open alert about an account."""
    rule = save_alert_rule(None, name="Few licences", condition=FEW, include_existing=True, **given)
    refresh_due()
    refresh_everything()
    assert Alert.objects.open().filter(account=account).exists()
    return rule


def test_before_there_is_a_rule_the_pages_say_what_to_do(browser: Client) -> None:
    assert "No alert rule yet" in browser.get("/alerts/").content.decode()
    assert "No alert rule yet" in browser.get("/alerts/rules/").content.decode()
    factories.account()
    save_alert_rule(None, name="Few licences", condition=FEW)
    assert "Nothing asks for you" in browser.get("/alerts/").content.decode()
    assert "None here" in browser.get("/alerts/?state=ended&page=9999999&alert=x").content.decode()


def test_the_last_90_days_are_replayed_before_saving(browser: Client, harbour: Account) -> None:
    started = browser.post("/alerts/rules/replay/", FORM).content.decode()
    replay = AlertReplay.objects.get()
    assert "Waiting for the background worker" in started and f"/alerts/replays/{replay.pk}/" in started
    AlertReplay.objects.update(first_day=replay.last_day, steps=2)  # one day will do
    work(replay.pk)
    part = browser.get(f"/alerts/replays/{replay.pk}/", headers={"HX-Request": "true"}).content.decode()
    assert "<b>0</b>" in part and "would have been opened" in part and "What this cannot know" in part
    same = browser.post("/alerts/rules/preview/", FORM | {"replay": replay.pk}).content.decode()
    assert "Changed since" not in same
    other = browser.post("/alerts/rules/preview/", FORM | {"replay": replay.pk, "hold": "4"}).content.decode()
    assert "Changed since" in other
    again = browser.post("/alerts/rules/new/", FORM | {"do": "replay"}).content.decode()
    second = AlertReplay.objects.order_by("-pk")[0]
    assert 'value="Winter"' in again and second.pk != replay.pk
    gone = browser.post("/alerts/rules/new/", FORM | {"do": "cancel", "replay": second.pk}).content.decode()
    assert "The replay was cancelled." in gone and 'value="Winter"' in gone
    stranger = Client()
    stranger.force_login(factories.member(TeamMember.Access.MANAGER).user)
    assert stranger.get(f"/alerts/replays/{replay.pk}/").status_code == 404


def test_rules_are_cloned_switched_and_deleted_and_their_alerts_are_kept(browser: Client, harbour: Account) -> None:
    rule = raised(harbour, message="Down")
    copied = browser.post(f"/alerts/rules/{rule.pk}/clone/", follow=True).content.decode()
    copy = AlertRule.objects.exclude(pk=rule.pk).get()
    assert (copy.name, copy.active, copy.message) == ("Few licences (copy)", False, "Down")
    undo = copied.split("/undo/")[1].split("/")[0]
    browser.post(f"/undo/{undo}/")
    assert list(AlertRule.objects.all()) == [rule]
    browser.post(f"/alerts/rules/{rule.pk}/active/", {"active": "0"})
    rule.refresh_from_db()
    assert not rule.active
    browser.post(f"/alerts/rules/{rule.pk}/active/", {"active": "1"})
    refresh_due()
    alert = Alert.objects.get()
    done = browser.post(f"/alerts/rules/{rule.pk}/delete/", follow=True).content.decode()
    assert "Few licences deleted. Its 1 alert is kept." in done and not AlertRule.objects.exists()
    alert.refresh_from_db()
    assert (alert.ending, alert.rule.name) == ("deleted", "Few licences") and alert.ended_at
    assert not Segment.everything.filter(internal=True).exists()
    assert "Few licences" not in browser.get("/alerts/rules/").content.decode()
    assert "Down" in browser.get(f"/alerts/?state=ended&alert={alert.pk}").content.decode()
    assert browser.get(f"/alerts/rules/{rule.pk}/").status_code == 404
    lost = browser.post(f"/alerts/rules/{rule.pk}/", FORM).content.decode()
    assert "This rule was deleted meanwhile" in lost and 'value="Winter"' in lost and "/alerts/rules/new/" in lost
    refresh_everything()
    save_alert_rule(None, name="Few licences", condition=FEW)


def test_the_gallery_makes_ordinary_rules(browser: Client, harbour: Account) -> None:
    text = browser.get("/alerts/rules/gallery/").content.decode()
    assert all(stock.name in text for stock in STOCK)
    for stock in STOCK:
        browser.post("/alerts/rules/gallery/take/", {"key": stock.key})
    refresh_due()
    rules = AlertRule.objects.select_related("watch")
    assert rules.count() == len(STOCK) and not [one.watch.error for one in rules if one.watch and one.watch.error]
    assert f"as {STOCK[0].name}</span>" in browser.get("/alerts/rules/gallery/").content.decode()
    assert browser.post("/alerts/rules/gallery/take/", {"key": "nothing"}).status_code == 404


def test_the_list_shows_the_figures_and_proposes(
    browser: Client,
    query_count: QueryCount,
    harbour: Account,
) -> None:
    rule = raised(harbour)
    now = timezone.now()
    for place in range(9):
        account = factories.account(f"False {place}")
        rule.watch.account_memberships.create(  # type: ignore[union-attr]
            account=account, entered_at=now - dt.timedelta(days=9), left_at=now - dt.timedelta(days=8 if place else 1)
        )
        stay = account.memberships.get()
        Alert.objects.create(
            rule=rule, account=account, membership=stay, version=1, severity="high", began_at=stay.entered_at,
            opened_at=stay.entered_at, ended_at=now, ending="closed",
            outcome="false" if place else "success",
        )  # fmt: skip
    handling.close(Alert.objects.open(), outcome="success")
    save_alert_rule(None, name="Another", condition=FEW)
    browser.get("/alerts/rules/")
    with query_count("alert rules page"):
        text = browser.get("/alerts/rules/?days=30").content.decode()
    assert "8 of 10 judged alerts were false alarms" in text and "20%" in text
    assert "to raise the hold from 0 to" in text and "would have dropped 8 of them" in text
    with query_count("alert rule editor"):
        browser.get(f"/alerts/rules/{rule.pk}/")


def test_who_may_not_change_rules_reads_them(harbour: Account) -> None:
    rule = raised(harbour)
    client = Client()
    client.force_login(factories.member(TeamMember.Access.CSM).user)
    text = client.get(f"/alerts/rules/{rule.pk}/").content.decode()
    assert (
        "Only administrators and managers" in text
        and "at most 5" in text
        and "<form" not in text.split("<main")[1].split("</main")[0].split("notices")[0]
    )
    assert client.get(f"/alerts/rules/{rule.pk}/versions/").status_code == 200
    assert client.get("/alerts/rules/new/").status_code == 403
    for path in ("preview/", "part/", "replay/", "gallery/take/", f"{rule.pk}/", f"{rule.pk}/delete/",
                 f"{rule.pk}/clone/", f"{rule.pk}/active/", f"{rule.pk}/versions/1/restore/"):  # fmt: skip
        assert client.post(f"/alerts/rules/{path}", FORM).status_code == 403, path
