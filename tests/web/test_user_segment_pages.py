"""The pages of segments of users: the builder, the list, members, pins, recipients, and the users themselves."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import AttributeDefinition, EndUser
from core.models import Workspace
from segments.models import Segment, UserMembership
from segments.refresh import refresh_due
from tests import factories
from tests.web.reading import text

pytestmark = pytest.mark.django_db
CHAMPION = {"field": "relationship.role", "op": "is", "value": "Champion"}
FORM = {"name": "Champions", "visible": "1", "active": "1", "subject": "user", "n.match": "all"}
CONDITION = {"n.0.field": "relationship.role", "n.0.op": "is", "n.0.value": "Champion"}


@pytest.fixture
def people(company: Any) -> dict[str, EndUser]:
    """Ann in two accounts, champion in one; Bo, champion in an account of the manager's; Cy in none."""
    found = {name: factories.end_user(name, email=f"{name.lower()}@x.example") for name in ("Ann", "Bo", "Cy")}
    factories.relationship(company.accounts["Alder"], found["Ann"], "Champion")
    factories.relationship(company.accounts["Cedar"], found["Ann"], "Reader")
    factories.relationship(company.accounts["Birch"], found["Bo"], "Champion")
    return found


@pytest.fixture
def champions(people: Any) -> Segment:
    return factories.segment("Champions", CHAMPION, subject="user")


def body(answer: Any) -> str:
    assert answer.status_code == 200, answer.status_code
    return str(b"".join(answer.streaming_content).decode() if answer.streaming else answer.content.decode())


def test_made_in_the_builder_and_fixed_after(manager: Client, people: Any) -> None:
    page = body(manager.get("/segments/new/?subject=user"))
    assert "every user matches" in page and 'name="subject" value="user"' in page and "user_segment" not in page
    made = manager.post("/segments/new/", FORM | CONDITION)
    assert made.status_code == 302
    segment = Segment.objects.get(name="Champions")
    assert segment.subject == "user" and segment.rule["rules"] == [CHAMPION]
    changed = manager.post(f"/segments/{segment.pk}/edit/", FORM | CONDITION | {"subject": "account", "version": "1"})
    assert changed.status_code == 302
    segment.refresh_from_db()
    assert segment.subject == "user"
    page = body(manager.get(f"/segments/{segment.pk}/edit/"))
    assert "Segment of users" in page and "users match" in page and "in 2 accounts" in page


def test_a_step_adds_a_condition_on_users_without_a_group(manager: Client, people: Any) -> None:
    part = body(
        manager.post("/segments/rule/", {"subject": "user", "root": "n", "n.match": "all", "do": "add:n:user.email"})
    )
    assert 'name="n.0.field" value="user.email"' in part
    part = body(manager.post("/segments/rule/", {"root": "n", "n.match": "all", "do": "add:n:user.email"}))
    assert 'name="n.0.rows" value="users"' in part


def test_a_rule_about_accounts_names_a_segment_of_users_in_a_group(manager: Client, champions: Segment) -> None:
    part = body(manager.post("/segments/rule/", {"root": "n", "n.match": "all", "do": "add:n:user_segment"}))
    assert 'name="n.0.rows" value="users"' in part and '<option value="champions"' in part
    part = body(manager.post("/segments/rule/", {"root": "n", "n.match": "all", "do": "add:n:segment"}))
    assert '<option value="champions"' not in part and '<option value="large"' in part


def test_the_preview_counts_people_and_a_wrong_node_says_why(manager: Client, champions: Segment) -> None:
    part = body(manager.post("/segments/preview/", FORM | CONDITION | {"root": "n"}))
    assert "of 3 users match" in part and "in 2 accounts" in part and "Ann" in part
    wrong = {"n.0.rows": "users", "n.0.quantifier": "any", "n.0.match": "all", "n.0.0.field": "user.email",
             "n.0.0.op": "is_set"}  # fmt: skip
    part = body(manager.post("/segments/preview/", FORM | wrong | {"root": "n"}))
    assert "every condition is about the user already" in part


def test_a_user_is_checked_in_each_account(manager: Client, people: Any) -> None:
    for typed in ("Ann", "ann@x.example"):
        part = body(manager.post("/segments/check-account/", FORM | CONDITION | {"check": typed}))
        assert "A match in Alder." in part and "Cedar" in part and "does not match" in part
    part = body(manager.post(f"/segments/check-account/?user={people['Ann'].pk}", FORM | CONDITION))
    assert "A match in Alder." in part
    part = body(manager.post("/segments/check-account/", FORM | CONDITION | {"check": "Zed"}))
    assert "No user that you may see is called “Zed”." in part
    assert '<option value="Ann">' in body(manager.get("/users/names/?check=ann@"))


def test_the_list_tells_both_kinds_apart(manager: Client, champions: Segment) -> None:
    page = body(manager.get("/segments/"))
    assert f'<a href="/segments/{champions.pk}/edit/">Champions</a> <span class="tag">Users</span>' in page
    assert 'href="/users/?segment=champions"' in page and 'href="/accounts/?segment=large"' in page
    assert (
        "champions"
        not in body(manager.get("/accounts/")).lower().split("<main")[-1].split("tablist")[1].split("</ul>")[0]
    )


def test_members_pins_and_recipients(manager: Client, champions: Segment, people: dict[str, EndUser]) -> None:
    page = body(manager.get(f"/segments/{champions.pk}/members/"))
    assert "Matches today in" in page and "Ann" in page and "Alder" in page and "Cedar" not in page
    lines = body(manager.get(f"/segments/{champions.pk}/members/export/")).splitlines()
    assert lines[0].lstrip("\ufeff") == "user,name,email,matches_today_in,entered_at,left_at" and len(lines) == 3
    data = {"segment": champions.pk, "account": "cy@x.example", "kind": "in", "reason": "Asked"}
    assert manager.post("/pins/add/", data).status_code == 302
    refresh_due()
    assert UserMembership.objects.filter(user=people["Cy"], left_at=None).exists()
    page = body(manager.get(f"/segments/{champions.pk}/pins/"))
    assert "Cy" in page and "Pin a user" in page
    page = body(manager.get(f"/segments/{champions.pk}/recipients/?one=relationship"))
    assert "ann@x.example" in page and "Alder" in page and "Cedar" not in page


def test_the_users_page_by_segment_search_and_page(manager: Client, champions: Segment, query_count: Any) -> None:
    page = body(manager.get("/users/"))
    assert "Ann" in page and "Cy" in page and "No account" in page and 'id="tab-champions"' in page
    page = body(manager.get("/users/?segment=champions"))
    assert "Role in the account is “Champion”" in page and "<b><a" in page and ">Cy<" not in page
    assert ">Bo<" in body(manager.get("/users/?q=bo%40x")) and ">Ann<" not in body(manager.get("/users/?q=bo%40x"))
    assert "No users match “zzz”" in body(manager.get("/users/?q=zzz"))
    assert manager.get("/users/?segment=gone&sort=nothing").status_code == 200
    lines = body(manager.get("/users/export/?segment=champions")).splitlines()
    assert len(lines) == 3 and lines[0].endswith("matches_in")


def test_a_user_with_the_reasons(manager: Client, champions: Segment, people: dict[str, EndUser]) -> None:
    page = body(manager.get(f"/users/{people['Ann'].pk}/"))
    assert "In 1 segment" in page and "A match in Alder." in page and "Cedar" in page
    page = body(manager.get(f"/users/{people['Cy'].pk}/"))
    assert "belongs to no account" in page and "Not a match as a user of no account." in page


def test_each_sees_the_users_of_their_accounts(
    csm: Client, manager: Client, champions: Segment, people: dict[str, EndUser]
) -> None:
    Workspace.objects.update(csm_reach="own")
    page = body(csm.get("/users/?segment=champions"))
    assert ">Ann<" in page and ">Bo<" not in page and "Birch" not in page
    assert csm.get(f"/users/{people['Bo'].pk}/").status_code == 404
    assert ">Bo<" not in body(csm.get(f"/segments/{champions.pk}/members/"))
    assert "No user that you may see" in body(
        manager.post("/segments/check-account/", FORM | CONDITION | {"check": "Bo Nobody"})
    )


def test_the_number_of_statements_does_not_grow(manager: Client, champions: Segment, company: Any) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def counted(address: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert manager.get(address).status_code == 200
        return len(queries)

    addresses = ["/users/?segment=champions", f"/segments/{champions.pk}/members/", "/users/"]
    few = [counted(address) for address in addresses]
    for number in range(20):
        factories.relationship(company.accounts["Fir"], factories.end_user(f"More {number}"), "Champion")
    champions.requested_rev += 1
    champions.save()
    refresh_due()
    assert [counted(address) for address in addresses] == few


def test_a_users_page_has_their_attributes_and_what_is_true_of_them_in_each_account(
    manager: Client, company: Any, people: dict[str, EndUser]
) -> None:
    for subject, key, name in (
        ("user", "language", "Preferred language"), ("user", "seniority", "Seniority"),
        ("relationship", "seat", "Seat type"), ("relationship", "desk", "Desk"),
    ):  # fmt: skip
        AttributeDefinition.objects.create(subject=subject, key=key, name=name, kind="text")
    ann = people["Ann"]
    EndUser.objects.filter(pk=ann.pk).update(
        attributes={"language": "Welsh"}, stamps={"custom.language": ["2026-03-01T10:00:00+00:00", "crm"]}
    )
    ann.relationships.filter(account=company.accounts["Cedar"]).update(attributes={"seat": "Read only"})
    words = text(body(manager.get(f"/users/{ann.pk}/")))
    assert "Preferred language Welsh , from crm, 1 Mar 2026, 10:00 UTC" in words
    assert "Seniority – no value" in words  # one that the company has, and nobody has said
    assert "Until Seat type Alder" in words and "Desk" not in words
    assert "Cedar Reader" in words and "still there Read only" in words
