"""Write a drawn world to the database, in bulk and through the models."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection

from accounts.models import (
    Account,
    AccountLevel,
    Assignment,
    AssignmentRole,
    AttributeDefinition,
    EndUser,
    ExchangeRate,
    LifecycleStage,
    Note,
    Relationship,
    Subscription,
    SubscriptionStatus,
    Team,
    TeamMember,
)
from segments.models import AccountMembership, Segment, UserMembership
from tests.segments.event_worlds import EVENTS
from tests.segments.stays import SEGMENTS, USER_SEGMENTS
from tests.segments.worlds import CHOICES, CUSTOM, LEVELS, PEOPLE, RATES, ROLES, STAGES, STATUSES, TEAMS
from usage.models import AccountUsage, DailyUsage, Event, EventName, UserActivity
from usage.store.reading import folds_of

ACCOUNT = ("name", "domain", "industry", "churn_reason", "mrr", "licences", "renews_on", "customer_since")
SUBSCRIPTION = ("plan", "billing_period", "starts_on", "renews_on", "auto_renew")
PERSONS = 3  # of each world
TEXT = ("name", "domain", "industry", "churn_reason", "email", "title", "role", "plan", "billing_period")


def furnish() -> None:
    """What every world stands on: terms, people, custom attributes of every kind, rates and segments to name."""
    for model, terms in ((LifecycleStage, STAGES), (SubscriptionStatus, STATUSES), (AccountLevel, LEVELS)):
        for key, name, *kind in terms:
            values = {"name": name} | ({"kind": kind[0]} if kind else {})
            model.objects.update_or_create(key=key, defaults=values)
    for role in ROLES:
        AssignmentRole.objects.get_or_create(key=role, defaults={"name": role})
    for name in {team for team in TEAMS.values() if team}:
        Team.objects.get_or_create(name=name)
    for key, name in PEOPLE:
        login, _ = get_user_model().objects.get_or_create(username=key)
        team = Team.objects.filter(name=TEAMS[key]).first()
        TeamMember.objects.get_or_create(key=key, defaults={"user": login, "name": name, "team": team})
    for field, kind in CUSTOM.items():
        owner, _, key = field.split(".")
        choices = CHOICES if kind == "choice" else []
        AttributeDefinition.objects.get_or_create(
            subject=owner, key=key, defaults={"name": f"{owner} {kind}", "kind": kind, "choices": choices}
        )
    for currency, rate in RATES.items():
        ExchangeRate.objects.update_or_create(currency=currency, defaults={"rate": rate})
    for name in EVENTS:
        EventName.objects.get_or_create(name=name)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS usage_event_any PARTITION OF usage_event DEFAULT")
    for key in (*SEGMENTS, *USER_SEGMENTS):
        subject = "user" if key in USER_SEGMENTS else "account"
        made = {"name": key, "subject": subject, "rule": {"match": "all", "rules": []}}
        Segment.objects.get_or_create(key=key, defaults=made)


def store(*worlds: dict[str, Any]) -> None:
    """Worlds of one moment, together; their accounts' external ids are the oracle's ids."""
    people = iter(EndUser.objects.bulk_create(person for world in worlds for person in _people(world)))
    accounts = iter(Account.objects.bulk_create(_account(one) for world in worlds for one in world["accounts"]))
    members = {member.key: member for member in TeamMember.objects.all()}
    segments = {segment.key: segment for segment in Segment.objects.filter(key__in=(*SEGMENTS, *USER_SEGMENTS))}
    names = dict(EventName.objects.values_list("name", "pk"))
    rows: dict[Any, list[Any]] = {}
    for world in worlds:
        own_people, own_accounts = list(islice(people, PERSONS)), list(islice(accounts, len(world["accounts"])))
        for account, drawn in zip(own_accounts, world["accounts"], strict=True):
            for row in _rows_of(world, drawn, account, own_people, members, segments):
                rows.setdefault(type(row), []).append(row)
        for person, stays in zip(own_people, world["user_memberships"], strict=True):
            rows.setdefault(UserMembership, []).extend(
                UserMembership(user=person, **_stay(one, segments)) for one in stays
            )
        for row in _events(world, own_accounts, own_people, names):
            rows.setdefault(type(row), []).append(row)
    for model, made in rows.items():
        model.objects.bulk_create(made)


def _rows_of(
    world: dict[str, Any],
    drawn: dict[str, Any],
    account: Account,
    people: list[EndUser],
    members: dict[str, TeamMember],
    segments: dict[str, Segment],
) -> Iterator[Any]:
    """What belongs to an account, but for its events."""
    values, seen = drawn["values"], set()
    for user in drawn["users"]:
        person = people[user["person"]]
        yield _relationship(account, person, user)
        last = user["values"].get("user.last_seen_at")
        if last and person.pk not in seen:
            seen.add(person.pk)
            yield UserActivity(account=account, user=person, first_seen_at=last, last_seen_at=last)
    for number, one in enumerate(drawn["subscriptions"]):
        yield _subscription(account, number, one)
    for part in drawn["team"]:
        started = dt.datetime(2011, 1, 1, tzinfo=dt.UTC)
        ended = started if part["ended"] else None
        who = members[part["member"]]
        yield Assignment(account=account, member=who, role_id=part["role"], started_at=started, ended_at=ended)
    usage = {key: values.get(f"account.{key}") for key in ("active_users_30d", "events_30d", "last_seen_at")}
    usage = {key: value for key, value in usage.items() if value}
    if usage:
        yield AccountUsage(account=account, **usage)
    yield Note(account=account, kind=Note.Kind.NOTE, text="ours alone", at=world["now"])
    if values.get("account.last_touchpoint_at"):
        at = values["account.last_touchpoint_at"]
        yield Note(account=account, kind=Note.Kind.CALL, text="earlier", at=at - dt.timedelta(days=90))
        yield Note(account=account, kind=Note.Kind.CALL, text="talked", at=at)
    for stay in drawn["memberships"]:
        yield AccountMembership(account=account, **_stay(stay, segments))


def _stay(drawn: dict[str, Any], segments: dict[str, Segment]) -> dict[str, Any]:
    return {"segment": segments[drawn["segment"]], "entered_at": drawn["entered"], "left_at": drawn["left"]}


def _events(
    world: dict[str, Any], accounts: list[Account], people: list[EndUser], names: dict[str, int]
) -> Iterator[Any]:
    """The events of each account, and how many there are of each on a local day."""
    days: Counter[tuple[int, int, int | None, dt.date]] = Counter()
    number = 0
    for account, drawn in zip(accounts, world["accounts"], strict=True):
        for one in drawn["events"]:
            user = None if one["person"] is None else people[one["person"]].pk
            properties, name = one["properties"], names[one["event"]]
            days[name, account.pk, user, one["at"].astimezone(world["zone"]).date()] += 1
            told = {
                "properties": properties,
                "folded": folds_of(properties),
                "source": "drawn",
                "message_id": f"{world['name']}-{number}",
            }
            yield Event(account=account, user_id=user, name_id=name, at=one["at"], received_at=one["at"], **told)
            number += 1
    for (n, a, u, day), count in days.items():
        yield DailyUsage(name_id=n, account_id=a, user_id=u, day=day, count=count)


def _columns(values: dict[str, Any], owner: str, names: tuple[str, ...]) -> dict[str, Any]:
    found = {name: values.get(f"{owner}.{name}") for name in names}
    return {name: "" if value is None and name in TEXT else value for name, value in found.items()}


def _attributes(values: dict[str, Any], owner: str) -> dict[str, Any]:
    prefix = f"{owner}.custom."
    return {key.removeprefix(prefix): _json(value) for key, value in values.items() if key.startswith(prefix)}


def _json(value: Any) -> Any:
    if isinstance(value, dt.date):  # an instant is a date too
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value


def _people(world: dict[str, Any]) -> list[EndUser]:
    values: dict[int, dict[str, Any]] = {
        user["person"]: user["values"] for a in world["accounts"] for user in a["users"]
    }
    return [
        EndUser(
            external_id=f"{world['name']}u{number}",
            attributes=_attributes(values.get(number, {}), "user"),
            **_columns(values.get(number, {}), "user", ("name", "email", "title", "first_seen_at")),
        )
        for number in range(PERSONS)
    ]


def _account(drawn: dict[str, Any]) -> Account:
    values = drawn["values"]
    return Account(
        external_id=drawn["id"],
        stage_id=values.get("account.stage"),
        level_id=values.get("account.level"),
        archived_at=dt.datetime(2012, 1, 1, tzinfo=dt.UTC) if drawn["archived"] else None,
        attributes=_attributes(values, "account"),
        **_columns(values, "account", ACCOUNT),
    )


def _relationship(account: Account, person: EndUser, user: dict[str, Any]) -> Relationship:
    values = user["values"]
    started = values["relationship.started_at"]
    return Relationship(
        account=account,
        user=person,
        role=values.get("relationship.role") or "",
        started_at=started,
        ended_at=started if user["ended"] else None,
        attributes=_attributes(values, "relationship"),
    )


def _subscription(account: Account, number: int, values: dict[str, Any]) -> Subscription:
    return Subscription(
        external_id=f"{account.external_id}-s{number}",
        account=account,
        status_id=values["subscription.status"],
        currency="USD",
        mrr_base=values.get("subscription.mrr"),
        quantity=values.get("subscription.licences"),
        attributes=_attributes(values, "subscription"),
        **_columns(values, "subscription", SUBSCRIPTION),
    )
