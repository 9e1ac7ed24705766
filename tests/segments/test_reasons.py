"""What an explanation shows of many: the age of a value, who decides a group, when a membership began or ended."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.billing import roll_up_billing
from accounts.facts import (
    SHAPES,
    Fact,
    RelationshipFact,
    record_accounts,
    record_relationships,
    record_subscriptions,
    record_users,
)
from accounts.fields import vocabulary
from accounts.models import Account, AttributeDefinition
from accounts.notes import write_note
from alerts.work.doing import add_task
from core.clock import moment
from health.models import AccountHealth, HealthDay
from segments.explaining import explain_rule
from segments.models import AccountMembership
from segments.rules.outcome import Outcome
from tests import factories
from tests.alerts.making import FEW, has, made_milestone, made_rule
from tests.factories import rule
from usage.models import AccountUsage, UserActivity
from usage.traits.editing import save_trait
from usage.traits.models import Trait

pytestmark = pytest.mark.django_db
AT = dt.datetime(2026, 11, 3, 10, 2, tzinfo=dt.UTC)
CHAMPION = {"field": "relationship.role", "op": "is", "value": "Champion"}
ADMIN_MAIL = {"field": "user.email", "op": "ends_with", "value": "@alder.example"}
BOSS = {"field": "user.title", "op": "is", "value": "Boss"}


def told(account: Account, *conditions: dict[str, Any]) -> Outcome:
    found = explain_rule(rule(*conditions), Account.objects.filter(pk=account.pk))
    assert found is not None
    return found.outcome.outcomes[0]


@pytest.fixture
def alder() -> Account:
    return factories.account("Alder", mrr=50)


def people(account: Account, *spelled: str) -> None:
    """Users by name; "c" in what follows makes a champion, "m" gives the address, "b" the title of boss."""
    for line in spelled:
        name, _, marks = line.partition(" ")
        email = f"{name.lower()}@{'alder' if 'm' in marks else 'other'}.example"
        user = factories.end_user(name, email=email, title="Boss" if "b" in marks else "")
        factories.relationship(account, user, "Champion" if "c" in marks else "")


def shown(account: Account, users: Any) -> list[str]:
    node = told(account, {"users": users, "where": rule(CHAMPION, ADMIN_MAIL, BOSS)})
    return [row.title for row in node.rows]


EVERY = ("Ann cmb", "Bo cmb", "Cy cmb", "Di cm", "Ed")


@pytest.mark.parametrize(
    ("users", "spelled", "names"),
    [
        ("all", EVERY, ["Di", "Ed", "Ann"]),  # who fails, the nearest first
        ("all", EVERY[:3], ["Ann", "Bo", "Cy"]),
        ("any", ("Ann", "Bo c", "Cy", "Di cb", "Ed m"), ["Di", "Bo", "Ed"]),  # nobody does: the nearest
        ("any", ("Zoe", "Yan m", *EVERY), ["Ann", "Bo", "Cy"]),
        ("none", (*EVERY[3:], "Ann cmb"), ["Ann", "Di", "Ed"]),  # who stands in the way
        ("none", ("Ed", "Flo", "Gil", "Di cm"), ["Di", "Ed", "Flo"]),
        ({"at_least": 4}, EVERY, ["Di", "Ed", "Ann"]),
        ({"at_least": 3}, ("Zoe", *EVERY), ["Ann", "Bo", "Cy"]),
        ({"at_least_percent": 80}, EVERY, ["Di", "Ed", "Ann"]),
        ({"at_least_percent": 60}, ("Zoe cm", *EVERY[:4]), ["Ann", "Bo", "Cy"]),
    ],
)
def test_who_decides_a_group_about_users_is_shown_first(
    alder: Account, users: Any, spelled: tuple[str, ...], names: list[str]
) -> None:
    people(alder, *spelled)
    assert shown(alder, users) == names


def test_how_near_somebody_is_follows_the_groups_within(alder: Account) -> None:
    people(alder, "Ann b", "Bo c", "Cy m", "Di cb")
    either = rule(CHAMPION, rule(ADMIN_MAIL, BOSS), match="any")
    not_boss = rule(BOSS, match="none")
    node = told(alder, {"users": "any", "where": rule(either, not_boss, ADMIN_MAIL)})
    # Ann: one of the mail and not being boss; with the mail she would still be boss. Cy lacks only one of two.
    assert [(row.title, row.outcomes[0].away) for row in node.rows] == [("Bo", 1), ("Cy", 1), ("Di", 2)]


def test_each_account_is_shown_its_own_people(alder: Account) -> None:
    birch = factories.account("Birch")
    people(alder, *EVERY)
    people(birch, "Fay cmb", "Gil")
    found = {
        row.pk: outcome
        for row, outcome in (
            (row, explain_rule(rule({"users": "all", "where": rule(CHAMPION)}), Account.objects.filter(pk=row.pk)))
            for row in (alder, birch)
        )
    }
    names = {pk: [row.title for row in one.outcome.outcomes[0].rows] for pk, one in found.items() if one}
    assert names == {alder.pk: ["Ed", "Ann", "Bo"], birch.pk: ["Gil", "Fay"]}


@pytest.mark.parametrize(("op", "met"), [("is", True), ("is_not", False)])
def test_of_a_bare_condition_on_users_the_value_that_decides_comes_first(alder: Account, op: str, met: bool) -> None:
    for number in range(7):
        factories.relationship(alder, factories.end_user(f"U{number}", title=f"Title {number}"))
    node = told(alder, {"field": "user.title", "op": op, "value": "title 6"})
    assert (node.met, node.actual) == (met, "Title 6, Title 0, Title 1, Title 2, Title 3")


WEEK = {"n": 7, "unit": "day"}
HOURS = {"n": 48, "unit": "hour"}


@pytest.mark.parametrize(
    ("stays", "op", "value", "actual"),
    [
        ([], "in", None, "not in it"),
        ([], "entered", WEEK, "never in it"),
        ([], "left", WEEK, "never in it"),
        ([(0, None)], "in", None, "in since 3 Nov 2026"),
        ([(0, 2)], "in", None, "not in it"),
        ([(0, 2)], "entered", WEEK, "entered on 3 Nov 2026"),
        ([(0, 2)], "left", WEEK, "left on 5 Nov 2026"),
        ([(0, 2), (4, None)], "entered", WEEK, "entered on 7 Nov 2026"),
        ([(0, 2), (4, None)], "left", WEEK, "left on 5 Nov 2026"),
        ([(0, None)], "left", WEEK, "never left it"),
        ([(0, 2)], "left", HOURS, "left on 5 Nov 2026 at 10:02"),
    ],
)
def test_a_membership_is_told_by_when_it_began_or_ended(
    alder: Account, stays: list[tuple[int, int | None]], op: str, value: Any, actual: str
) -> None:
    segment = factories.segment("Other", {"field": "account.mrr", "op": "more_than", "value": 1_000_000})
    for entered, left in stays:
        AccountMembership.objects.create(
            account=alder,
            segment=segment,
            entered_at=AT + dt.timedelta(days=entered),
            left_at=None if left is None else AT + dt.timedelta(days=left),
        )
    node = {"segment": segment.key, "op": op} | ({"value": value} if value else {})
    assert told(alder, node).actual == actual


def told_on(day: int) -> str:
    return f"2026-11-{day:02}T08:00:00.000000+00:00"


def facts(day: int, external_id: str, **values: Any) -> list[Fact]:
    return [Fact(external_id, values, dt.datetime.fromisoformat(told_on(day)))]


def ages(account: Account, days: dict[str, int]) -> dict[str, str]:
    """How old the values of some fields are said to be."""
    return {key: told(account, {"field": key, "op": "is_set"}).known_at for key in days}


def test_facts_are_as_old_as_their_writer_said_wherever_they_stand() -> None:
    for subject in ("account", "user"):
        for key in ("name", "status"):  # as columns are called, too
            AttributeDefinition.objects.create(subject=subject, key=key, name=f"Their {key}", kind="text")
    record_accounts(facts(1, "a", name="Alder", stage="live"), source="crm")
    record_accounts(facts(2, "a", stated_mrr=50, stated_licences=4, **{"custom.name": "A"}), source="crm")
    record_users(facts(3, "u", name="Ann", title="Boss", **{"custom.status": "B"}), source="crm")
    record_relationships([RelationshipFact("u", "a", facts(4, "")[0].at, {"role": "Champion"})], source="crm")
    roll_up_billing(moment())
    alder = Account.objects.get()
    stated = {"account.name": 1, "account.stage": 1, "account.stage_type": 1, "account.custom.name": 2,
              "account.mrr": 2, "account.licences": 2, "account.mrr_change_30d": 2, "user.name": 3,
              "user.custom.status": 3, "relationship.role": 4}  # fmt: skip
    assert ages(alder, stated) == {key: told_on(day) for key, day in stated.items()}
    silent = dict.fromkeys(("account.custom.status", "account.status", "account.plan", "user.custom.name"), 0)
    assert set(ages(alder, silent).values()) == {""}
    node = told(alder, {"users": "any", "where": rule(BOSS)})
    assert node.rows[0].outcomes[0].outcomes[0].known_at == told_on(3), "inside a group about users"

    sold = facts(5, "s", account="a", plan="Pro", mrr=9, status="active", trial_ends_on="2026-01-01")
    record_subscriptions(sold, source="crm")
    record_subscriptions(facts(6, "s", quantity=7, renews_on="2040-01-01"), source="crm")
    roll_up_billing(moment())
    billed = {"account.mrr": 5, "account.plan": 5, "account.trial_ends_on": 5, "account.licences": 6,
              "account.renews_on": 6, "subscription.licences": 6, "subscription.status_type": 5}  # fmt: skip
    assert ages(alder, billed) == {key: told_on(day) for key, day in billed.items()}


def test_a_stamp_is_named_as_the_write_side_names_it() -> None:
    stamped = [field for field in vocabulary().values() if field.stamp]
    columns = {f"{subject}.{column}" for subject, shape in SHAPES.items() for column in shape.columns}
    assert len(stamped) > 25 and {f"{field.owner}.{field.stamp}" for field in stamped} <= columns


def test_what_people_do_is_as_old_as_that(alder: Account, time_machine: Any) -> None:
    def day(number: int) -> None:
        time_machine.move_to(dt.datetime.fromisoformat(told_on(number)), tick=False)

    day(10)
    factories.assign(alder, factories.member())
    made_rule()
    milestone = made_milestone(condition=FEW)
    has(alder, 3)
    day(11)
    write_note(account=alder, kind="call", text="Hello", at=timezone.now())
    day(12)
    add_task(alder, "Call again")
    done = {"team.csm": 10, "team.csm_team": 10, "alerts.open": 10, "milestones.reached": 10,
            f"milestone.{milestone.key}": 10, "account.last_touchpoint_at": 11, "tasks.open": 12}  # fmt: skip
    found = ages(alder, done).items()
    assert {key: dt.datetime.fromisoformat(at) for key, at in found} == {
        key: dt.datetime.fromisoformat(told_on(number)) for key, number in done.items()
    }


def test_what_is_computed_is_as_old_as_its_computation(alder: Account, admin_client: Client) -> None:
    AccountUsage.objects.create(account=alder, active_users_30d=3, last_seen_at=AT)
    AccountHealth.objects.create(account=alder, score=80, band="good", computed_band="good", band_since=AT)
    for day in (1, 20):
        HealthDay.objects.create(account=alder, day=dt.date(2026, 11, day), score=80, band="good")
    user = factories.end_user("Ann")
    factories.relationship(alder, user)
    UserActivity.objects.create(account=alder, user=user, first_seen_at=AT, last_seen_at=AT)
    trait = save_trait(None, subject="user", name="Exports", method="count", definition={"event": "Export"})
    Trait.objects.filter(pk=trait.pk).update(computed_at=AT)
    at = AT.isoformat()
    assert told(alder, {"field": "account.active_users_30d", "op": "at_least", "value": 1}).known_at == at
    assert told(alder, {"field": "health.score", "op": "is_set"}).known_at == "2026-11-20"
    assert told(alder, {"field": "user.trait.exports", "op": "is_set"}).known_at == at
    seen = told(alder, {"users": "any", "where": rule({"field": "user.last_seen_at", "op": "is_set"})})
    assert seen.rows[0].outcomes[0].outcomes[0].known_at == at
    body = {"rule": rule({"field": "health.score", "op": "is_set"}), "account": alder.external_id}
    said = admin_client.post("/api/v1/segments/explain/", body, content_type="application/json").json()
    assert said["outcome"]["outcomes"][0]["known_at"] == "2026-11-20"
    factories.segment("Scored", {"field": "health.score", "op": "is_set"})
    page = admin_client.get(f"/accounts/{alder.pk}/segments/").content.decode()
    assert ', as of <time datetime="2026-11-20">20 Nov 2026</time>' in page
