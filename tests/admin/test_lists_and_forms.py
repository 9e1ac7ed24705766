"""The back office: every list and form opens, stays quick on long tables, and says who may do what."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from accounts.access import apply_access
from accounts.models import (
    Account,
    AccountLevel,
    AccountStatus,
    AssignmentRole,
    EndUser,
    ExchangeRate,
    Relationship,
    Team,
    TeamMember,
)
from core.backoffice import DEEPEST, CappedPaginator
from core.models import Workspace
from health.models import AccountHealth, ScoringRequest
from integrations import models as coming
from integrations.models import Connection, ConnectionRun, Import, ImportReject, ScheduledImport
from segments.refresh import refresh_due
from tests import factories
from tests.rows import any_row
from usage.models import AccountUsage, DailyUsage, DirtyDay, EventName, PrunedMonth, RecentDay, RecentMark

OURS = ("accounts", "alerts", "core", "health", "integrations", "segments", "usage")
MODELS = sorted(
    (model for model in admin.site._registry if model._meta.app_label in OURS), key=lambda model: model._meta.label
)


# Lists that one need not search or narrow, with the reason.
NOTHING_TO_SAY = "its rows are a day or a moment and nothing else, and the list empties itself or stays short"
SHORT = "a company keeps a handful of them"
UNSEARCHED: dict[Any, str] = {
    DirtyDay: NOTHING_TO_SAY,
    PrunedMonth: NOTHING_TO_SAY,
    RecentDay: NOTHING_TO_SAY,
    RecentMark: NOTHING_TO_SAY,
    ScoringRequest: NOTHING_TO_SAY,
    Workspace: "there is one row, and the list leads to it",
}
UNFILTERED: dict[Any, str] = UNSEARCHED | {
    AccountLevel: SHORT,
    AccountStatus: SHORT,
    AssignmentRole: SHORT,
    ExchangeRate: SHORT,
}


@pytest.fixture
def back_office(db: None) -> Client:
    """An administrator's browser."""
    return administrator("root")


def administrator(name: str) -> Client:
    """The browser of one who may do everything."""
    client = Client()
    client.force_login(User.objects.create_superuser(name, password=None))
    return client


@pytest.fixture(scope="module")
def furnished(django_db_setup: None, django_db_blocker: Any) -> Iterator[Client]:
    """An administrator's browser, and one of everything, made once for the tests that only look."""
    with django_db_blocker.unblock(), transaction.atomic():
        client = administrator("looker")
        grow(1)
        yield client
        transaction.set_rollback(True)


def listing(model: Any) -> str:
    """The address of a model's list."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def schedule(name: str) -> ScheduledImport:
    """A file that is fetched every day."""
    return ScheduledImport.objects.create(name=name, kind="accounts", url="https://files.example/a.csv")


def grow(number: int) -> None:
    """So many more of everything."""
    for i in range(number):
        of = factories.account(parent=factories.account(), stage_id="live", level_id=None)
        factories.relationship(of)
        factories.subscription(of)
        factories.assign(of, factories.member())
        of.notes.create(text="Called.", user=factories.end_user(), author=factories.member())
        connected = Connection.objects.create(kind="stripe", name=f"Billing {number} {i}")
        connected.runs.create(state=ConnectionRun.State.DONE)
        connected.links.create(kind="customer", remote_id="cus", account=of)
        job = Import.objects.create(kind="accounts", name=f"{i}.csv", schedule=schedule(f"{number} {i}"))
        ImportReject.objects.create(job=job, line=2, reason="Why.")
        any_row(coming.SyncedValue)
        any_row(coming.Outgoing)
        rule = {"field": "account.mrr", "op": "at_least", "value": i}
        factories.segment(f"Segment {number} {i}", rule, refreshed=False)
    refresh_due()


def test_every_model_of_ours_is_in_the_back_office() -> None:
    known = {model._meta.label for model in admin.site._registry}
    ours = {model._meta.label for label in OURS for model in apps.get_app_config(label).get_models()}
    # Members are read at their segment, values of traits at their account; a receipt has no key a form could name.
    unlisted = {
        "accounts.UserInAccount",
        "segments.AccountMembership",
        "segments.UserMembership",
        "usage.MessageReceipt",
    }
    unlisted |= {"usage.AccountTraits", "usage.UserTraits"}
    # What only undoing reads, and answers that repeat what a sender was told.
    unlisted |= {"integrations.ImportedRow", "core.IdempotentAnswer"}
    # A piece of a file is not to be looked at by itself.
    unlisted |= {"usage.AccountTraits", "usage.UserTraits", "accounts.ExportPart"}
    # What came by hour and by event is summed up in the rhythm of its feed.
    unlisted |= {"usage.FeedArrival", "usage.FeedHour", "usage.FeedEvent"}
    # A mark is there for seconds.
    unlisted |= {"usage.PlacingMark", "integrations.SyncMark"}
    assert ours - unlisted <= known


def test_a_list_asks_the_same_number_of_questions_however_long_it_is(back_office: Client) -> None:
    def asked(model: Any) -> int:
        with CaptureQueriesContext(connection) as queries:
            answer = back_office.get(listing(model), follow=True)
        assert answer.status_code == 200, model
        return len(queries)

    grow(1)
    for model in MODELS:
        asked(model)  # what is kept in the process is there from now on
    few = {model: asked(model) for model in MODELS}
    grow(12)
    many = {model: asked(model) for model in MODELS}
    # One more is allowed: a filter appears once there is something to choose.
    grown = {model._meta.label: (few[model], many[model]) for model in MODELS if many[model] > few[model] + 1}
    assert not grown
    assert not {model._meta.label: count for model, count in few.items() if count >= 25}


def test_every_list_is_searched_and_narrowed_but_for_those_that_say_why() -> None:
    offices = {model: admin.site._registry[model] for model in MODELS}
    assert {model for model, office in offices.items() if not office.search_fields} == set(UNSEARCHED)
    filtered = {model for model, office in offices.items() if office.list_filter or office.date_hierarchy}
    assert set(MODELS) - filtered == set(UNFILTERED)


def test_what_a_list_shows_of_other_records_is_read_with_it() -> None:
    wrong = {}
    for model in MODELS:
        office = admin.site._registry[model]
        shown = {item.name for item in model._meta.fields if item.remote_field} & set(office.list_display)
        together = office.list_select_related
        if together is not True and (left := shown - {path.split("__")[0] for path in together or ()}):
            wrong[model._meta.label] = left
    assert not wrong


@pytest.mark.django_db
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_every_choice_of_a_filter_narrows_and_never_fails(furnished: Client, model: Any) -> None:
    opened = furnished.get(listing(model), follow=True)
    if "cl" not in (opened.context or {}):
        assert model in UNFILTERED
        return
    changelist = opened.context["cl"]
    for spec in changelist.filter_specs:
        choices = [choice["query_string"] for choice in spec.choices(changelist)]
        for chosen in {choices[0], choices[-1]}:  # "All" or what stands for it, and one that narrows
            answer = furnished.get(listing(model) + chosen)
            assert answer.status_code == 200, chosen  # a lookup that is not allowed leads away
            assert "e=1" not in chosen


@pytest.mark.django_db
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_a_search_finds_or_finds_nothing_and_never_fails(furnished: Client, model: Any) -> None:
    if model in UNSEARCHED:
        return
    for text in ("ACCOUNT", "%", "'", "Ærø", "a" * 5_000):
        assert furnished.get(listing(model), {"q": text}).status_code == 200
    assert furnished.get(listing(model), {"q": "\x00"}).status_code == 400


@pytest.mark.django_db
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_every_form_opens_and_its_history(furnished: Client, model: Any) -> None:
    shown = admin.site._registry[model]
    row = model._default_manager.order_by().first()
    if row is not None and shown.list_display_links is not None:
        for way in ("change", "history"):
            assert furnished.get(f"{listing(model)}{quote(row.pk)}/{way}/").status_code == 200
    new = furnished.get(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add"))
    assert new.status_code in (200, 403)


def test_an_account_with_thousands_of_people_opens_with_the_first_of_them(back_office: Client) -> None:
    of = factories.account("Huge")
    people = EndUser.objects.bulk_create(EndUser(external_id=f"p{i}", name=f"P {i}") for i in range(3_000))
    Relationship.objects.bulk_create(Relationship(account=of, user=one) for one in people)
    with CaptureQueriesContext(connection) as queries:
        answer = back_office.get(reverse("admin:accounts_account_change", args=[of.pk]))
    assert answer.status_code == 200 and len(queries) < 40
    assert len(answer.content) < 400_000
    assert f"account__id__exact={of.pk}".encode() in answer.content


def test_the_list_of_accounts_shows_users_health_and_trends_read_for_its_page_only(back_office: Client) -> None:
    first, second = factories.account("Acme"), factories.account("Zenith")
    for _ in range(2):
        factories.relationship(first)
    ended = factories.relationship(first)
    Relationship.objects.filter(pk=ended.pk).update(ended_at=timezone.now())
    AccountUsage.objects.create(account=first, active_users_30d=9, active_users_before_30d=12)
    AccountHealth.objects.create(account=first, band="poor", score=41, score_30d=50, band_since=timezone.now())
    for number in range(60):
        factories.account(f"Filler {number:02}")
    with CaptureQueriesContext(connection) as queries:
        rows = back_office.get(listing(Account), {"o": "1"}).context["cl"].result_list
    shown = {row.name: {key: strip_tags(str(value)) for key, value in row.page_figures.items()} for row in rows}
    assert shown["Acme"] == {"people": "2", "health": "Poor 41 ▼ 9", "active": "9 ▼ 3"}
    assert len(shown) == 50 and "Zenith" not in shown
    [counting] = [one["sql"] for one in queries if "accounts_relationship" in one["sql"]]
    asked = re.findall(r"\d+", counting.partition(" IN (")[2].partition(")")[0])
    assert len(asked) == 50 and str(first.pk) in asked and str(second.pk) not in asked


def test_users_are_told_apart_by_belonging_to_an_account(back_office: Client) -> None:
    of, left = factories.account(), factories.account()
    stays = factories.relationship(of, factories.end_user("Zoe")).user
    factories.relationship(left, stays)
    goes = factories.relationship(left, factories.end_user("Zoltan"))
    Relationship.objects.filter(pk=goes.pk).update(ended_at=timezone.now())
    for value, found, number in (("yes", stays, "2"), ("no", goes.user, None)):
        page = back_office.get(listing(EndUser), {"in_account": value, "q": "zo"})
        [row] = page.context["cl"].result_list
        shown = row.page_figures.get("accounts")
        assert row == found and (strip_tags(shown) if shown else None) == number


def test_teams_are_told_apart_by_having_members(back_office: Client) -> None:
    full, empty = Team.objects.create(name="North"), Team.objects.create(name="South")
    for _ in range(2):
        factories.member(team=full)
    for value, found in (("yes", [full]), ("no", [empty])):
        page = back_office.get(listing(Team), {"with_members": value})
        assert list(page.context["cl"].result_list) == found


def test_daily_usage_is_found_by_whose_it_is(back_office: Client) -> None:
    name = EventName.objects.create(name="Login")
    first, second, user = factories.account("Acme"), factories.account("Zenith"), factories.end_user("Adé Lund")
    for of, somebody in ((first, None), (second, user), (second, None)):
        DailyUsage.objects.create(account=of, user=somebody, name=name, day="2026-01-05", count=1)
    for text, number in (("acm", 1), ("ade", 1), (second.external_id, 2), ("nobody", 0), ("", 3)):
        rows = back_office.get(listing(DailyUsage), {"q": text}).context["cl"].result_list
        assert len(rows) == number, text
    rows = back_office.get(listing(DailyUsage), {"name__id__exact": "99999999999"}).context["cl"].result_list
    assert not rows


def test_a_list_counts_no_further_than_its_pages_go(db: None) -> None:
    Account.objects.bulk_create(Account(external_id=f"b{i}", name=f"B {i}") for i in range(DEEPEST + 50))
    assert CappedPaginator(Account.objects.order_by("pk"), 50).count == DEEPEST


def test_the_index_is_in_the_order_in_which_people_look(back_office: Client) -> None:
    text = back_office.get(reverse("admin:index")).content.decode()
    titles = ["Customers", "Segments", "Usage", "Team", "Settings", "Background work"]
    places = [text.index(f">{title}<") if f">{title}<" in text else text.index(title) for title in titles]
    assert places == sorted(places)
    assert "Back to Accounts 360" in text


@pytest.fixture
def members(db: None) -> dict[str, TeamMember]:
    """A colleague of every access, let in or not as it says."""
    found = {access: factories.member(access) for access in TeamMember.Access.values}
    for member in found.values():
        apply_access(member)
    return found


def browsers(members: dict[str, TeamMember]) -> Iterator[tuple[str, Client]]:
    """A browser for each."""
    for access, member in members.items():
        client = Client()
        member.user.refresh_from_db()
        client.force_login(member.user)
        yield access, client


def test_only_administrators_and_managers_get_in(members: dict[str, TeamMember]) -> None:
    for access, client in browsers(members):
        status = client.get(reverse("admin:index")).status_code
        assert status == (200 if access in ("admin", "manager") else 302), access


def test_managers_run_accounts_and_segments_and_no_log_ins(members: dict[str, TeamMember]) -> None:
    allowed = {"accounts_account_add", "segments_segment_add", "accounts_subscription_add"}
    refused = {"auth_user_add", "accounts_teammember_add", "accounts_exchangerate_add", "auth_group_changelist"}
    for access, client in browsers(members):
        for name in allowed | refused:
            status = client.get(reverse(f"admin:{name}")).status_code
            expected = {"admin": 200, "manager": 200 if name in allowed else 403}.get(access, 302)
            assert status == expected, (access, name)


def test_access_is_taken_away_as_it_is_given(members: dict[str, TeamMember]) -> None:
    member = members["admin"]
    member.access = "viewer"
    member.save()
    apply_access(member)
    member.user.refresh_from_db()
    assert not member.user.is_staff and not member.user.groups.exists()


def test_changing_access_in_the_form_is_enough(back_office: Client, db: None) -> None:
    member = factories.member("csm")
    address = reverse("admin:accounts_teammember_change", args=[member.pk])
    body = {"name": member.name, "team": "", "access": "manager", "preferences": "{}"}
    assert back_office.post(address, body).status_code == 302
    assert User.objects.get(pk=member.user.pk).is_staff


def test_nothing_can_be_put_into_the_queue(back_office: Client) -> None:
    for name in ("schedule", "ormq", "success"):
        assert back_office.get(f"/admin/django_q/{name}/").status_code == 404
        assert back_office.post(f"/admin/django_q/{name}/add/", {"func": "os.system"}).status_code in (403, 404)
