"""The timeline of an account: every source with time, who and cause; one filter; pages that begin below a place."""

from __future__ import annotations

import datetime as dt
import html
import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.facts import Fact, record_subscriptions
from accounts.models import Account, AttributeChange, Note
from alerts import handling
from alerts.editing import save_alert_rule
from alerts.milestones.editing import save_milestone
from alerts.milestones.marking import mark_reached
from alerts.models import Alert
from alerts.playbooks.editing import save_playbook
from alerts.playbooks.enrolling import enrol_by_hand
from alerts.work.doing import add_task, finish
from core.clock import moment
from csbox.pipeline import refresh_everything
from health.editing import end_override, override_health, take_pulse
from segments.models import Pin
from segments.pinning import pin_member
from segments.questions import Reader
from segments.refresh import refresh_due
from tests import factories
from tests.query_counts import QueryCount
from tests.web.conftest import Company
from tests.web.reading import text
from web.timeline import SHOW, SOURCES, timeline_of
from web.timeline.paging import A_PAGE

pytestmark = pytest.mark.django_db
FEW = {"match": "all", "rules": [{"field": "account.licences", "op": "at_most", "value": 5}]}


@pytest.fixture
def busy(company: Company) -> Account:
    """An account of which every kind of entry exists."""
    fir, by = company.accounts["Fir"], company.csm.user
    rule = save_alert_rule(None, name="Few licences", condition=FEW, message="{{ account.name }} is down")
    milestone = save_milestone(None, name="Few seats", condition=FEW)
    refresh_everything()
    mark_reached(milestone, [fir], reason="They told us.", by=by)
    call = add_task(fir, "Call them", assignee=company.csm, by=by)
    finish([call], outcome="success", note="They stay.", by=by)
    steps = [{"key": "rest", "kind": "delay", "days": 3, "working": True}]
    enrol_by_hand(save_playbook(None, name="Rescue", definition={"steps": steps}), [fir], by=by)
    Account.objects.filter(pk=fir.pk).update(stated_licences=3)
    refresh_due()
    refresh_everything()
    alert = Alert.objects.get(rule=rule, account=fir)
    handling.comment(alert, "Called them twice.", by=by)
    handling.close([alert], outcome="success", reason="They bought more.", by=by)
    now = timezone.now()
    Note.objects.create(account=fir, text="They liked it.", author=company.csm, at=now)
    Note.objects.create(account=fir, kind="call", text="Spoke about renewal.", author=company.csm, at=now)
    override_health(fir, band="good", reason="Signed again.", author=by)
    end_override(fir)
    take_pulse(fir, 2, note="Quiet.", author=by)
    pin_member(company.segments["large"], company.accounts["Cedar"], kind=Pin.Kind.IN, reason="Large soon.", author=by)
    refresh_due()
    contract = {"account": fir.external_id, "status": "active", "mrr": "100", "plan": "Growth"}
    record_subscriptions([Fact("s-1", contract, now - dt.timedelta(days=9))], source="crm")
    record_subscriptions([Fact("s-1", {"mrr": "250"}, now - dt.timedelta(days=2))], source="crm")
    AttributeChange.objects.create(
        subject="account", object_id=fir.pk, key="plan", old="Starter", new="Growth", at=now, source="crm"
    )
    return fir


def entries(account: Account, show: str = "") -> list[str]:
    """Every entry in words, page after page."""
    found, before = [], ""
    while True:
        page = timeline_of(account, show, before, {}, Reader.now(moment()))
        found += [" | ".join(filter(None, [one.title, one.text, one.who])) for one in page.entries]
        if not page.before:
            return found
        before = page.before


def test_each_kind_is_told_with_who_and_cause(busy: Account, company: Company) -> None:
    me = company.csm.name
    assert entries(busy, "notes") == [f"Note | They liked it. | {me}"]
    assert entries(busy, "touchpoints") == [f"Call | Spoke about renewal. | {me}"]
    assert entries(busy, "alerts") == [
        f"Alert closed: Few licences | Fixed. They bought more. | {me}",
        f"Comment on the alert: Few licences | Called them twice. | {me}",
        "Alert opened: Few licences | Fir is down\nLicences is at most 5 (3)",
    ]
    assert entries(busy, "tasks") == [
        f"Task done: Call them | It worked. They stay. | {me}", f"Task added: Call them | For {me}, no day | {me}",
    ]  # fmt: skip
    assert entries(busy, "milestones") == [f"Milestone reached: Few seats | They told us. | {me}"]
    assert entries(busy, "playbooks") == ["Playbook ended: Rescue | Finished", f"Playbook began: Rescue | {me}"]
    assert entries(busy, "subscriptions") == [
        "Subscription Growth: MRR changed | 100.00 → 250.00 | from crm", "Subscription Growth added | from crm",
    ]  # fmt: skip
    assert entries(busy, "changes") == ["Plan changed | Starter → Growth | from crm"]
    assert f"Pulse 2 of 5 | Quiet. | {me}" in entries(busy, "health")
    assert "Health by hand (Good) ended | Signed again." in entries(busy, "health")
    assert f"Joined segment Large | Pinned in by hand: Large soon. | {me}" in entries(company.accounts["Cedar"])
    joined = next(one for one in entries(busy, "segments") if "Joined segment Growth plan" in one)
    assert joined == "Joined segment Growth plan | The segment was new"
    parts = [entry for show in SHOW if show for entry in entries(busy, show)]
    assert sorted(parts) == sorted(entries(busy)), "the filters part the whole"
    assert {one.show for one in SOURCES} == set(SHOW) - {""}


def test_pages_neither_repeat_nor_leave_out_whatever_is_written_meanwhile(busy: Account, company: Company) -> None:
    now = timezone.now() - dt.timedelta(days=1)
    for n in range(40):  # some at the same instant, in two sources
        at, kind = now - dt.timedelta(hours=n // 4), "call" if n % 2 else "note"
        Note.objects.create(account=busy, kind=kind, text=f"Number {n}", at=at)
    whole = entries(busy)
    assert len(whole) == len(set(whole)) > 50
    first = timeline_of(busy, "", "", {}, Reader.now(moment()))
    Note.objects.create(account=busy, text="Written meanwhile.")
    second = timeline_of(busy, "", first.before, {}, Reader.now(moment()))
    told = [" | ".join(filter(None, [one.title, one.text, one.who])) for one in second.entries]
    assert told == whole[A_PAGE : 2 * A_PAGE]
    assert [one.at for one in second.entries] == sorted((one.at for one in second.entries), reverse=True)


def test_the_page_filters_and_goes_on_and_odd_places_are_the_top(manager: Client, busy: Account) -> None:
    for n in range(A_PAGE + 3):
        Note.objects.create(account=busy, text=f"Number {n}", at=timezone.now() - dt.timedelta(days=5, hours=n))
    raw = manager.get(f"/accounts/{busy.pk}/?show=notes&from=q%3Dfir").content.decode()
    link = html.unescape(re.search(r'id="tl-older" href="([^"]+)"', raw).group(1))  # type: ignore[union-attr]
    assert "show=notes" in link and "from=q%3Dfir" in link
    part = manager.get(link, headers={"HX-Request": "true", "HX-Target": "timeline"}).content.decode()
    assert "Number 17" in text(part) and "Number 10" not in text(part) and "Newest" in part and "Older" not in part
    top = text(manager.get(f"/accounts/{busy.pk}/").content.decode())
    for odd in ("x", "1.note", "1.nobody.1", "99999999999999999.note.1", "-1.note.x", "1.note.²"):
        answer = manager.get(f"/accounts/{busy.pk}/", {"before": odd, "show": "nothing"})
        assert answer.status_code == 200 and text(answer.content.decode())[-400:] == top[-400:], odd
    empty = text(manager.get(f"/accounts/{factories.account().pk}/?show=notes").content.decode())
    assert "Nothing of this kind yet" in empty


def test_the_number_of_statements_does_not_grow(
    manager: Client, busy: Account, company: Company, query_count: QueryCount
) -> None:
    headers: Any = {"HX-Request": "true", "HX-Target": "timeline"}
    manager.get(f"/accounts/{busy.pk}/", headers=headers)
    with query_count("timeline"):
        manager.get(f"/accounts/{busy.pk}/", headers=headers)
    for n in range(30):
        Note.objects.create(account=busy, text=f"Number {n}", author=company.csm)
        take_pulse(busy, 1 + n % 5, note="", author=company.csm.user)
    with query_count("timeline"):
        manager.get(f"/accounts/{busy.pk}/", headers=headers)
