"""What is changed in the back office passes the same gates as everywhere: facts, segment editing, history."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Account, Assignment, AttributeChange, AttributeDefinition, Relationship, Subscription
from alerts.milestones.editing import Expected, save_milestone
from alerts.models import Playbook
from alerts.playbooks.editing import Coming, save_playbook
from segments.models import RefreshRun, Segment
from segments.refresh import refresh_due, request_refresh
from tests import factories


@pytest.fixture
def back_office(db: None) -> Client:
    """An administrator's browser."""
    client = Client()
    client.force_login(User.objects.create_superuser("root", password=None))
    return client


def no_inlines() -> dict[str, str]:
    """The management forms of an account's inlines, which are only shown."""
    found = {}
    for prefix in ("assignments", "subscriptions", "relationships", "notes"):
        found |= {f"{prefix}-TOTAL_FORMS": "0", f"{prefix}-INITIAL_FORMS": "0"}
    return found


def account_form(**values: Any) -> dict[str, Any]:
    """A filled-in account form."""
    empty = dict.fromkeys(
        ("name", "domain", "industry", "country", "parent", "stage", "level", "status", "customer_since", "churned_on",
         "churn_reason", "stated_mrr", "stated_licences"), "",
    )  # fmt: skip
    return empty | {"attributes": "{}"} | no_inlines() | values


def test_an_account_is_added_and_changed_with_its_history(back_office: Client) -> None:
    AttributeDefinition.objects.create(key="region", name="Region", kind="text")
    add = reverse("admin:accounts_account_add")
    made = back_office.post(add, account_form(external_id="new", name="New AS", stage="live", stated_mrr="500"))
    assert made.status_code == 302, made.content
    account = Account.objects.get(external_id="new")
    assert (account.stage_id, str(account.mrr)) == ("live", "500.00")
    change = reverse("admin:accounts_account_change", args=[account.pk])
    body = account_form(name="Newer AS", stage="live", stated_mrr="500", attributes='{"region": "Fyn"}')
    assert back_office.post(change, body).status_code == 302
    account.refresh_from_db()
    assert account.name == "Newer AS" and account.attributes == {"region": "Fyn"}
    assert account.name_folded == "newer as" and account.stamps["name"][1] == "admin:root"
    changes = AttributeChange.objects.filter(object_id=account.pk, source="admin:root")
    assert {"name", "custom.region"} <= set(changes.values_list("key", flat=True))
    assert LogEntry.objects.filter(object_id=str(account.pk)).count() == 2
    assert b"Newer AS" in back_office.get(change).content


def test_a_value_that_facts_refuse_is_said_at_its_field(back_office: Client) -> None:
    account = factories.account("Kept")
    change = reverse("admin:accounts_account_change", args=[account.pk])
    for body, words in (
        (account_form(name="x", attributes='{"nothing": 1}'), "is not a field of accounts"),
        (account_form(name="x", stated_mrr="-1"), "between 0"),
        (account_form(name="x\x00y"), "ull characters"),
        (account_form(name="n" * 300), "255"),
        (account_form(name="x", attributes="{"), "valid JSON"),
    ):
        answer = back_office.post(change, body)
        assert answer.status_code == 200 and words in answer.content.decode(), words
    account.refresh_from_db()
    assert account.name == "Kept"


@pytest.mark.parametrize("written", ["taken", " taken "])
def test_an_external_id_that_is_taken_is_refused_and_nothing_is_lost(back_office: Client, written: str) -> None:
    account = factories.account("Kept", external_id="taken")
    user = factories.end_user("Kept", external_id="taken")
    sold = factories.subscription(account, external_id="taken", mrr=7)
    bought = {"account": account.pk, "status": "active", "mrr": "300", "currency": "USD", "auto_renew": "unknown"}
    for row, body in (
        (account, account_form(name="Other")),
        (user, {"name": "Other", "attributes": "{}"}),
        (sold, {**bought, "attributes": "{}"}),
    ):
        model = type(row)
        before = list(model.objects.values())
        add = reverse(f"admin:accounts_{model._meta.model_name}_add")
        answer = back_office.post(add, body | {"external_id": written})
        assert answer.status_code == 200 and "already exists" in answer.content.decode()
        assert list(model.objects.values()) == before


def test_accounts_are_assigned_by_an_action_that_asks_whom(back_office: Client) -> None:
    accounts = [factories.account() for _ in range(3)]
    member = factories.member()
    listing = reverse("admin:accounts_account_changelist")
    chosen = {"action": "assign", "_selected_action": [one.pk for one in accounts[:2]]}
    asked = back_office.post(listing, chosen)
    assert asked.status_code == 200 and b"Assign 2 accounts" in asked.content
    done = back_office.post(listing, chosen | {"assign_now": "1", "role": "csm", "member": member.pk}, follow=True)
    assert "Assigned 2 accounts" in done.content.decode()
    ids = {one.pk for one in accounts[:2]}
    assert set(Assignment.objects.filter(member=member, ended_at=None).values_list("account", flat=True)) == ids
    deeds = LogEntry.objects.filter(change_message__contains="Assigned to Member")
    assert {int(deed.object_id) for deed in deeds} == ids


def test_accounts_are_exported_with_cells_that_no_spreadsheet_runs(back_office: Client) -> None:
    account = factories.account("=cmd|' /C calc'!A0")
    listing = reverse("admin:accounts_account_changelist")
    answer = back_office.post(listing, {"action": "export", "_selected_action": [account.pk]})
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    assert "'=cmd|" in text and ",=cmd" not in text


def test_an_account_is_archived_and_brought_back(back_office: Client) -> None:
    account = factories.account()
    listing = reverse("admin:accounts_account_changelist")
    back_office.post(listing, {"action": "archive", "_selected_action": [account.pk]})
    assert not Account.objects.live().exists()
    answer = back_office.post(listing + "?archived=yes", {"action": "bring_back", "_selected_action": [account.pk]})
    assert answer.status_code == 302
    assert Account.objects.live().exists()
    history = back_office.get(reverse("admin:accounts_account_history", args=[account.pk])).content.decode()
    assert "Archived." in history and "Brought back from the archive." in history


def test_a_subscription_moves_its_accounts_money(back_office: Client) -> None:
    account = factories.account()
    body = {"external_id": "s1", "account": account.pk, "status": "active", "mrr": "300", "currency": "USD",
            "plan": "Growth", "attributes": "{}", "auto_renew": "unknown"}  # fmt: skip
    answer = back_office.post(reverse("admin:accounts_subscription_add"), body)
    assert answer.status_code == 302, answer.content
    account.refresh_from_db()
    assert (str(account.mrr), account.plan) == ("300.00", "Growth")
    assert Subscription.objects.get().mrr_base == 300


def test_a_relationship_is_opened_changed_and_ended(back_office: Client) -> None:
    account, user = factories.account(), factories.end_user()
    body = {"account": account.pk, "user": user.pk, "role": "Admin", "started_at_0": "2026-01-02",
            "started_at_1": "00:00:00", "attributes": "{}"}  # fmt: skip
    answer = back_office.post(reverse("admin:accounts_relationship_add"), body)
    assert answer.status_code == 302, answer.content
    made = Relationship.objects.get()
    assert (made.role, made.started_at.year) == ("Admin", 2026)
    change = reverse("admin:accounts_relationship_change", args=[made.pk])
    assert back_office.post(change, {"role": "Owner", "attributes": "{}"}).status_code == 302
    made.refresh_from_db()
    assert made.role == "Owner" and made.ended_at is None
    listing = reverse("admin:accounts_relationship_changelist")
    back_office.post(listing, {"action": "end", "_selected_action": [made.pk]})
    made.refresh_from_db()
    assert made.ended_at is not None


def test_a_playbook_by_a_milestone_stays_so_when_it_is_changed(back_office: Client) -> None:
    condition = factories.rule({"field": "account.licences", "op": "at_least", "value": 5})
    milestone = save_milestone(None, name="Set up", condition=condition, expected=Expected(30))
    steps = {"steps": [{"key": "call", "kind": "task", "title": "Call"}]}
    playbook = save_playbook(None, name="Late", definition=steps, coming=Coming(milestone=milestone, overdue=True))
    change = reverse("admin:alerts_playbook_change", args=[playbook.pk])
    form = back_office.get(change).context["adminform"].form
    shown = {name: form[name].value() for name in form.fields}
    body = {name: value for name, value in shown.items() if value is not None and value is not False}
    body |= {"name": "Later", "definition": json.dumps(steps)}
    answer = back_office.post(change, body)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    playbook.refresh_from_db()
    assert (playbook.name, playbook.milestone, playbook.entry) == ("Later", milestone, Playbook.Entry.OVERDUE)
    refused = back_office.post(change, body | {"definition": '{"steps": [{"kind": "sing"}]}'})
    assert refused.status_code == 200 and "/steps/0" in refused.content.decode()


def segment_form(**values: Any) -> dict[str, Any]:
    """A filled-in segment form with one condition."""
    rule = {"rule.match": "all", "rule.0.field": "account.mrr", "rule.0.op": "at_least", "rule.0.value": "100"}
    shell = {"description": "", "visible": "on", "active": "on", "reason": "", "from_version": ""}
    inline = {f"{name}-{which}_FORMS": "0" for name in ("pins", "versions") for which in ("TOTAL", "INITIAL")}
    return rule | shell | inline | values


def test_a_segment_is_made_and_changed_with_the_rule_builder(back_office: Client) -> None:
    factories.account(mrr=150)
    made = back_office.post(reverse("admin:segments_segment_add"), segment_form(name="Big"))
    assert made.status_code == 302, made.content
    segment = Segment.objects.get(name="Big")
    assert segment.rule["rules"] == [{"field": "account.mrr", "op": "at_least", "value": 100}]
    assert segment.version == 1 and segment.due
    refresh_due()
    change = reverse("admin:segments_segment_change", args=[segment.pk])
    page = back_office.get(change).content.decode()
    assert "data-rule-builder" in page and 'name="rule.0.value"' in page
    body = segment_form(name="Bigger", from_version="1") | {"rule.0.value": "200", "reason": "Inflation"}
    assert back_office.post(change, body).status_code == 302
    segment.refresh_from_db()
    assert (segment.name, segment.version) == ("Bigger", 2)
    assert segment.versions.first().reason == "Inflation"  # type: ignore[union-attr]
    stale = back_office.post(change, segment_form(name="Late", from_version="1"))
    assert stale.status_code == 200 and "was changed meanwhile" in stale.content.decode()


def test_what_is_wrong_with_a_rule_is_said_at_its_field_and_nothing_is_saved(back_office: Client) -> None:
    factories.segment("Taken")
    add = reverse("admin:segments_segment_add")
    for body, words in (
        (segment_form(name="Bad") | {"rule.0.value": "lots"}, "number"),
        (segment_form(name="Bad") | {"rule.0.field": "account.gone"}, "There is no field"),
        (segment_form(name=" TAKEN "), "already a segment named"),
        (segment_form(name=""), "required"),
    ):
        answer = back_office.post(add, body)
        assert answer.status_code == 200 and words in answer.content.decode(), words
    assert Segment.objects.count() == 1


def test_a_step_without_scripts_changes_the_form_and_saves_nothing(back_office: Client) -> None:
    add = reverse("admin:segments_segment_add")
    answer = back_office.post(add, segment_form(name="Draft", do="add:rule:account.name"))
    assert answer.status_code == 200 and 'name="rule.1.field"' in answer.content.decode()
    assert not Segment.objects.exists()


def test_the_actions_of_segments(back_office: Client) -> None:
    first, second = factories.segment("First"), factories.segment("Second", {"segment": "first", "op": "in"})
    factories.account()
    refresh_due()
    listing = reverse("admin:segments_segment_changelist")

    def act(name: str, *segments: Segment) -> str:
        chosen = [segment.pk for segment in segments]
        answer = back_office.post(listing, {"action": name, "_selected_action": chosen}, follow=True)
        return answer.content.decode()

    act("move_up", second)
    assert list(Segment.objects.order_by("position").values_list("name", flat=True)) == ["Second", "First"]
    act("move_down", second)
    assert list(Segment.objects.order_by("position").values_list("name", flat=True)) == ["First", "Second"]
    assert "used by segment “Second”" in act("deactivate", first)
    act("hide", second)
    act("refresh_now", second)
    second.refresh_from_db()
    assert not second.visible and second.due
    act("show", second)
    second.refresh_from_db()
    assert second.visible
    act("clone", second)
    copy = Segment.objects.get(name="Second (copy)", visible=False)
    act("deactivate", copy)
    copy.refresh_from_db()
    assert not copy.active
    act("activate", copy)
    copy.refresh_from_db()
    assert copy.active and copy.due
    deeds = [deed.change_message for deed in LogEntry.objects.filter(object_id=str(second.pk)).order_by("pk")]
    assert deeds == ["Moved up.", "Moved down.", "Hidden from Accounts 360.", "Shown on Accounts 360."]
    # One whose rule names what is gone cannot be copied; the others are, and what was not is said.
    Segment.objects.filter(pk=first.pk).update(rule={"match": "all", "rules": [{"field": "gone.x", "op": "is_set"}]})
    assert "First cannot be cloned: " in act("clone", first, second)
    assert sorted(Segment.objects.values_list("name", flat=True)) == [
        "First",
        "Second",
        "Second (copy 2)",
        "Second (copy)",
    ]
    with CaptureQueriesContext(connection) as queries:
        act("hide", *Segment.objects.all())
    assert len([one for one in queries if one["sql"].startswith('INSERT INTO "django_admin_log"')]) == 1


def test_the_members_of_segments_are_exported(back_office: Client) -> None:
    of, left = factories.account("=Acme", mrr=500), factories.account("Leaver", mrr=600)
    big = factories.segment("Big", {"field": "account.mrr", "op": "at_least", "value": 100})
    factories.segment("Not asked for")
    Account.objects.filter(pk=left.pk).update(stated_mrr=1, mrr=1)
    request_refresh(Segment.objects.filter(pk=big.pk), RefreshRun.Trigger.HAND)
    refresh_due()
    answer = back_office.post(
        reverse("admin:segments_segment_changelist"), {"action": "export_members", "_selected_action": [big.pk]}
    )
    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    head, *rows = list(csv.reader(io.StringIO(text)))
    assert head == ["segment", "external_id", "name", "mrr", "since"]
    assert [row[:4] for row in rows] == [["Big", of.external_id, "'=Acme", "500.00"]]


def test_what_belongs_to_an_account_is_added_from_its_form_and_leads_back_to_it(back_office: Client) -> None:
    of, person, colleague = factories.account("Acme"), factories.end_user(), factories.member()
    home = reverse("admin:accounts_account_change", args=[of.pk])
    ways = re.findall(r'href="(/admin/accounts/(\w+)/add/\?account=[^"]+)"', back_office.get(home).content.decode())
    filled = {
        "assignment": {"role": "csm", "member": colleague.pk},
        "subscription": {"external_id": "s1", "status": "active", "mrr": "300", "currency": "USD", "attributes": "{}",
                         "auto_renew": "unknown"},
        "relationship": {"user": person.pk, "started_at_0": "2026-01-02", "started_at_1": "00:00:00",
                         "attributes": "{}"},
        "note": {"kind": "call", "text": "Called.", "at_0": "2026-01-02", "at_1": "09:00:00"},
    }  # fmt: skip
    assert {kind for _, kind in ways} == set(filled)
    for address, kind in ways:
        address = html.unescape(address)
        opened = back_office.get(address)
        assert str(opened.context["adminform"].form["account"].value()) == str(of.pk), kind
        answer = back_office.post(address, {"account": of.pk} | filled[kind])
        assert answer.status_code == 302 and answer["Location"] == home, (kind, answer.content)
        assert of._meta.get_field(f"{kind}s").related_model.objects.filter(account=of).count() == 1, kind
    shown = back_office.get(home).content.decode()
    assert f"/admin/accounts/note/?account__id__exact={of.pk}" in shown
    away = reverse("admin:accounts_note_add", query={"account": of.pk, "_back": "https://elsewhere.example/"})
    assert back_office.post(away, {"account": of.pk} | filled["note"])["Location"] == "/admin/accounts/note/"


def test_a_segment_that_is_used_cannot_be_deleted_and_another_can(back_office: Client) -> None:
    first, second = factories.segment("First"), factories.segment("Second", {"segment": "first", "op": "in"})
    address = reverse("admin:segments_segment_delete", args=[first.pk])
    assert "used by the segment “Second”" in back_office.get(address).content.decode()
    back_office.post(address, {"post": "yes"})
    assert Segment.objects.filter(pk=first.pk).exists()
    back_office.post(reverse("admin:segments_segment_delete", args=[second.pk]), {"post": "yes"})
    assert not Segment.objects.filter(pk=second.pk).exists()


def test_the_errors_of_a_run_can_be_looked_at(back_office: Client) -> None:
    segment = factories.segment("Broken")
    Segment.objects.update(rule={"match": "all", "rules": [{"field": "account.custom.gone", "op": "is_set"}]})
    back_office.post(
        reverse("admin:segments_segment_changelist"), {"action": "refresh_now", "_selected_action": [segment.pk]}
    )
    run = refresh_due()
    assert run is not None
    page = back_office.get(reverse("admin:segments_refreshrun_change", args=[run.pk])).content.decode()
    assert "account.custom.gone" in page
    listed = back_office.get(reverse("admin:segments_segment_changelist")).content.decode()
    assert "Frozen" in listed
