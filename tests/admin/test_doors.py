"""Between a page and the admin's form of what it shows there is a way in both directions, for those who may open it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from accounts.access import apply_access
from accounts.models import Account, AccountLevel, Assignment, EndUser, Note, Relationship, Subscription
from alerts.editing import save_alert_rule
from alerts.milestones.editing import save_milestone
from alerts.models import AlertRule, AlertRuleVersion, Milestone, Playbook, PlaybookVersion, Task
from alerts.playbooks.editing import Coming, save_playbook
from alerts.work.doing import add_task
from health.backtest.models import BackTest
from health.editing import override_health, save_config, take_pulse
from health.models import HealthConfig, HealthConfigVersion, HealthOverride, Pulse
from integrations.destinations.editing import make_destination
from integrations.models import Connection, ConnectionRun, Destination, Import, ImportReject, ScheduledImport, Source
from integrations.tracking.keys import create_source
from segments.levels.deciding import save_level_rule
from segments.levels.models import LevelRule
from segments.models import Pin, Segment, SegmentVersion
from segments.pinning import pin_member
from tests import factories
from usage.traits.editing import save_trait
from usage.traits.models import Trait

FEW = factories.rule({"field": "account.licences", "op": "at_most", "value": 5})
MEASURE = {"key": "seats", "name": "Seats", "field": "account.licences", "good": 9, "poor": 2}
DEFINITION = {"dimensions": [{"key": "use", "name": "Use", "weight": 100, "measures": [MEASURE]}]}

# A record's own page; where several are named, the first is the one that its form leads to.
PAGES: list[tuple[type[Model], tuple[str, ...]]] = [
    (Account, ("account",)),
    (EndUser, ("user",)),
    (Segment, ("segment_edit", "segment_members", "segment_versions", "segment_pins", "segment_recipients")),
    (LevelRule, ("level_edit",)),
    (Trait, ("trait_edit",)),
    (HealthConfig, ("config_edit", "config_versions")),
    (BackTest, ("back_test",)),
    (AlertRule, ("alert_rule", "alert_rule_versions")),
    (Milestone, ("milestone_edit",)),
    (Playbook, ("playbook", "playbook_edit", "playbook_versions")),
    (Source, ("source",)),
    (Connection, ("connection",)),
    (Destination, ("destination",)),
    (Import, ("import",)),
    (ScheduledImport, ("schedule_edit",)),
]
# Pages that list records, and the admin's list of them.
LISTS: list[tuple[str, type[Model]]] = [
    ("users", EndUser),
    ("subscriptions", Subscription),
    ("segments", Segment),
    ("levels", AccountLevel),
    ("traits", Trait),
    ("health", HealthConfig),
    ("back_tests", BackTest),
    ("alert_rules", AlertRule),
    ("milestones", Milestone),
    ("playbooks", Playbook),
    ("sources", Source),
    ("connections", Connection),
    ("destinations", Destination),
    ("imports", Import),
    ("import_schedules", ScheduledImport),
]
# Records without a page of their own, and what they belong to.
BELONGING: list[tuple[type[Model], str, str]] = [
    (Subscription, "account", "account_id"),
    (Relationship, "account", "account_id"),
    (Assignment, "account", "account_id"),
    (Note, "account", "account_id"),
    (Task, "account", "account_id"),
    (Pulse, "account", "account_id"),
    (HealthOverride, "account", "account_id"),
    (Pin, "segment_pins", "segment_id"),
    (SegmentVersion, "segment_versions", "segment_id"),
    (HealthConfigVersion, "config_versions", "config_id"),
    (AlertRuleVersion, "alert_rule_versions", "rule_id"),
    (PlaybookVersion, "playbook_versions", "playbook_id"),
    (ConnectionRun, "connection", "connection_id"),
    (ImportReject, "import", "job_id"),
]
MANAGED = ("accounts", "segments", "usage")  # what managers may open in the admin


@pytest.fixture
def world(db: None) -> None:
    """One of everything that has a page, or belongs to something that has one."""
    of, somebody = factories.account("Acme", stated_licences=3), factories.end_user("Ada")
    factories.relationship(of, somebody)
    factories.subscription(of)
    factories.assign(of, factories.member())
    of.notes.create(text="Called.")
    add_task(of, title="Call")
    take_pulse(of, 3)
    override_health(of, band="poor", reason="Their sponsor left.")
    segment = factories.segment("Few", FEW["rules"][0])
    pin_member(segment=segment, member=of, kind="in", reason="Pilot")
    save_level_rule(AccountLevel.objects.all()[0], rule=FEW)
    save_trait(None, name="Logins", method="count", definition={"event": "Login"}, compute_now=False)
    save_config(None, name="Health", definition=DEFINITION)
    day = dt.date(2026, 1, 5)
    BackTest.objects.create(name="Health", definition=DEFINITION, first_day=day, last_day=day, steps=1, state="done")
    save_alert_rule(None, name="Few", condition=FEW)
    save_milestone(None, name="Set up", condition=FEW)
    steps = [{"key": "call", "kind": "task", "title": "Call"}]
    save_playbook(None, name="Rescue", definition={"steps": steps}, coming=Coming(segment))
    create_source("Web app")
    connected = Connection.objects.create(kind="stripe", name="Billing")
    connected.runs.create(state=ConnectionRun.State.DONE)
    make_destination(kind="webhook", name="Hook", address="https://hooks.example/in")
    schedule = ScheduledImport.objects.create(name="Nightly", kind="accounts", url="https://files.example/a.csv")
    job = Import.objects.create(kind="accounts", name="a.csv", state=Import.State.DONE, schedule=schedule)
    ImportReject.objects.create(job=job, line=2, reason="Why.")


Visitor = Callable[[str], Client]


@pytest.fixture
def visitor(world: None) -> Visitor:
    """The browser of a colleague with some access, let into the admin or not as it says."""

    def enter(access: str) -> Client:
        member = factories.member(access)
        apply_access(member)
        member.user.refresh_from_db()
        client = Client()
        client.force_login(member.user)
        return client

    return enter


def the(model: type[Model]) -> Any:
    """The record of a kind."""
    found = model._default_manager.order_by("pk").first()
    assert found is not None, model
    return found


def form(record: Model) -> str:
    """Its form in the admin."""
    return reverse(f"admin:{record._meta.app_label}_{record._meta.model_name}_change", args=[record.pk])


def listing(model: type[Model]) -> str:
    """The admin's list of a model."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def page(name: str, record: Any) -> str:
    """A page about a record."""
    key = {"milestone_edit": "key", "level_edit": "level_id"}.get(name, "pk")
    return reverse(name, args=[getattr(record, key)])


def test_a_record_leads_to_its_page_and_the_page_to_its_form(visitor: Visitor) -> None:
    client = visitor("admin")
    for model, names in PAGES:
        record = the(model)
        shown = client.get(form(record)).content.decode()
        assert f'href="{page(names[0], record)}"' in shown, model
        for name in names:
            answer = client.get(page(name, record))
            assert answer.status_code == 200, name
            assert f'href="{form(record)}"' in answer.content.decode(), name


def test_every_page_that_a_form_names_is_among_the_pairs() -> None:
    named = {office.page_name for office in admin.site._registry.values() if getattr(office, "page_name", "")}
    tried = {name for _, names in PAGES for name in names} | {name for _, name, _ in BELONGING}
    assert named <= tried


def test_a_page_that_lists_records_leads_to_the_admins_list(visitor: Visitor) -> None:
    client = visitor("admin")
    for name, model in LISTS:
        answer = client.get(reverse(name))
        assert answer.status_code == 200, name
        assert f'href="{listing(model)}"' in answer.content.decode(), name
    rows = client.get(reverse("subscriptions")).content.decode()
    assert f'href="{form(the(Subscription))}"' in rows


def test_a_record_without_a_page_leads_to_what_it_belongs_to(visitor: Visitor) -> None:
    client = visitor("admin")
    for model, name, key in BELONGING:
        record = the(model)
        shown = client.get(form(record)).content.decode()
        assert f'href="{reverse(name, args=[getattr(record, key)])}"' in shown, model


@pytest.mark.parametrize("access", ["manager", "csm", "viewer"])
def test_who_may_not_open_a_form_sees_no_way_to_it(visitor: Visitor, access: str) -> None:
    client = visitor(access)
    looked = [(page(name, the(model)), form(the(model)), model) for model, names in PAGES for name in names]
    looked += [(reverse(name), listing(model), model) for name, model in LISTS]
    looked += [(reverse("subscriptions"), form(the(Subscription)), Subscription)]
    opened = 0
    for address, door, model in looked:
        answer = client.get(address)
        if answer.status_code != 200:
            continue  # not a page of theirs
        opened += 1
        expected = access == "manager" and model._meta.app_label in MANAGED
        assert (f'href="{door}"' in answer.content.decode()) is expected, address
        assert (client.get(door).status_code == 200) is expected, door
    assert opened >= (30 if access == "manager" else 15)
