"""The demo company: something for every page, the same from the same seed, loaded once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.core.management import CommandError
from django.db import transaction
from django.db.models import Count, F, Q
from django.test import override_settings

from accounts.models import (
    Account,
    Assignment,
    AttributeChange,
    EndUser,
    Erasure,
    Note,
    Relationship,
    Subscription,
    TeamMember,
)
from alerts.consequences import consequences_of
from alerts.models import Alert, AlertRule, Enrolment, Notice, Playbook, Task
from alerts.playbooks.running import run_playbooks
from core.clock import moment
from csbox.pipeline import refresh_everything
from integrations.demo import alerting, proving
from integrations.demo.company import invent
from integrations.demo.usage import happenings
from integrations.models import Import, Message, Outcome, ScheduledImport, SourceTally
from integrations.tracking.setting_aside import retry, set_aside
from segments.levels.models import LevelRule
from segments.models import Pin, RefreshRun, Segment
from segments.refresh import refresh_segments
from tests.integrations.explained import explanations_end_as_membership_does
from tests.integrations.reading import run
from usage.models import AccountUsage, Event
from usage.traits.models import Trait

pytestmark = [pytest.mark.django_db, pytest.mark.once]
NOW = dt.datetime(2026, 5, 20, 14, tzinfo=dt.UTC)
LOADED = dt.datetime.now(dt.UTC)


@pytest.fixture(autouse=True, scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with override_settings(DATA_DIR=tmp_path_factory.mktemp("data")):
        yield


@pytest.fixture(scope="module")
def company(_folder: None, django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """What loading it said. Loaded once; what a test does to it is taken back after the test."""
    with django_db_blocker.unblock(), transaction.atomic():
        with time_machine.travel(LOADED, tick=False):
            said = run("load_demo", "--accounts", "40")
        yield said
        transaction.set_rollback(True)


def test_there_is_something_for_every_page(company: str) -> None:
    today = moment().today
    stages = set(Account.objects.values_list("stage_id", flat=True))
    assert stages == {"trial", "onboarding", "live", "cancelled"}
    live = Account.objects.filter(stage="live")
    assert all(row.mrr and row.licences and row.plan for row in live)
    assert live.filter(renews_on__range=(today + dt.timedelta(days=5), today + dt.timedelta(days=400))).count() == len(
        live
    )
    assert Account.objects.filter(trial_ends_on__range=(today, today + dt.timedelta(days=14))).exists()
    silent = today - dt.timedelta(days=14)
    assert AccountUsage.objects.filter(account__in=live, last_seen_at__date__lt=silent).exists()
    assert AccountUsage.objects.filter(account__in=live, active_users_7d__gt=0).exists()
    low = AccountUsage.objects.filter(account__in=live, active_users_30d__lt=F("account__licences") * 0.3)
    assert low.exists()
    open_ones = Count("relationships", filter=Q(relationships__ended_at=None))
    assert EndUser.objects.annotate(n=open_ones).filter(n=2).count() == 1
    assert set(Relationship.objects.values_list("role", flat=True)) >= {"admin", "champion", "member"}
    assert set(Subscription.objects.values_list("currency", flat=True)) == {"USD", "EUR"}
    assert not Subscription.objects.filter(mrr_base=None).exists()
    assert set(Assignment.objects.values_list("role_id", flat=True)) == {"csm", "account-manager", "onboarding-manager"}
    assert Note.objects.filter(kind="call").exists() and Event.objects.filter(user=None).exists()
    assert AttributeChange.objects.filter(key="stage", old="trial").exists()
    traits = Trait.objects.all()
    assert {trait.subject for trait in traits} == {"account", "user"}
    assert all(trait.active and not trait.error for trait in traits)
    assert Account.objects.filter(level="at-risk").exists() and LevelRule.objects.get().error == ""
    assert Pin.objects.get().segment.name == "At risk"
    assert set(Playbook.objects.values_list("name", "error")) == {
        ("Renewal in 90 days", ""), ("Onboarding", ""), (proving.NAME, ""), ("Win back", ""),
        ("Trial about to end: task", ""),
    }  # fmt: skip
    assert set(Task.objects.values_list("state", flat=True)) == {"open", "done"}


def test_alerts_are_told_and_begin_something(company: str) -> None:
    told = {rule.name: consequences_of(rule) for rule in AlertRule.objects.all()}
    silent, trial = told[alerting.SILENT], told[alerting.TRIAL]
    assert [one.name for one in silent.playbooks] == ["Win back"] and silent.members
    assert [(one.name, one.active) for one in silent.channels] == [("Customer risks", False)], "nothing leaves the demo"
    assert [one.name for one in trial.playbooks] == ["Trial about to end: task"]
    refresh_everything()
    run_playbooks()
    for name, playbook in ((alerting.SILENT, "Win back"), (alerting.TRIAL, trial.playbooks[0].name)):
        alerted = set(Alert.objects.open().filter(rule__name=name).values_list("account", flat=True))
        began = set(Enrolment.objects.filter(playbook__name=playbook).values_list("account", flat=True))
        assert began == alerted != set(), name
    titles = set(Task.objects.filter(origin="playbook").values_list("title", flat=True))
    assert any(title.startswith("Call ") for title in titles) and any(title.endswith("missing") for title in titles)
    assert Notice.objects.filter(member=silent.members[0]).exists()
    assert not Notice.objects.exclude(channel=None).exists()


def test_every_segment_has_members_and_none_has_all(company: str) -> None:
    refresh_segments(RefreshRun.Trigger.HAND)
    sizes = dict(Segment.objects.values_list("name", "member_count"))  # those of alert rules and milestones apart
    assert len(sizes) == 13
    assert all(0 < size < 40 for size in sizes.values()), sizes
    assert not Segment.everything.exclude(error="").exists()


def test_nobody_can_log_in_before_a_password_is_given(company: str) -> None:
    assert TeamMember.objects.count() == 6
    assert not any(user.has_usable_password() for user in get_user_model().objects.filter(member__isnull=False))
    assert get_user_model().objects.get(username="admin").is_superuser


def test_a_second_load_does_nothing_and_force_adds_nothing_twice(company: str) -> None:
    counts = {model: model._default_manager.count() for model in (Account, EndUser, Subscription, Note, Event)}
    assert "nothing was loaded" in run("load_demo")
    with time_machine.travel(LOADED, tick=False):  # events happen up to the moment of the load
        run("load_demo", "--accounts", "40", "--force")
    assert {model: model._default_manager.count() for model in counts} == counts


def test_the_same_seed_and_day_give_the_same_company() -> None:
    def everything(seed: int) -> list[Any]:
        customers = invent(30, seed, NOW.date())
        return [*customers, *happenings(customers, seed, NOW, dt.UTC)]

    assert everything(7) == everything(7)
    assert everything(7) != everything(8)


def test_no_event_lies_in_the_future_or_before_its_account() -> None:
    customers = invent(30, 3, NOW.date())
    since = {customer.id: customer.since for customer in customers}
    facts = list(happenings(customers, 3, NOW, dt.UTC))
    assert all(since[fact.account] <= fact.at.date() and fact.at <= NOW for fact in facts if fact.account)
    assert len({fact.message_id for fact in facts}) == len(facts) > 5_000


def test_the_pages_about_what_comes_in_have_something_to_show(company: str) -> None:
    assert set(Message.objects.values_list("outcome", flat=True)) == set(Outcome.values)
    assert any(message.is_other_content for message in Message.objects.filter(outcome=Outcome.DUPLICATE))
    assert retry(set_aside()).recorded == 1
    job = Import.objects.get()
    assert (job.state, job.bad_rows) == ("done", 2) and job.updated > 0
    assert ScheduledImport.objects.get().active is False and Erasure.objects.get().state == "done"
    assert SourceTally.objects.count() > 60


def test_too_few_accounts_are_refused() -> None:
    with pytest.raises(CommandError, match="from 8 to"):
        run("load_demo", "--accounts", "3")


def test_every_explanation_ends_as_membership_does(company: str) -> None:
    assert Segment.objects.count() >= 12
    explanations_end_as_membership_does(moment().now)
