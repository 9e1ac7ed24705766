"""The gallery on screen and over the API."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import Account
from segments.models import Segment
from segments.refresh import refresh_due
from tests import factories
from tests.api.conftest import ApiClient
from tests.web.conftest import Company
from tests.web.reading import text
from tests.web.test_actions import said, undo_token

pytestmark = pytest.mark.django_db


def test_each_is_shown_with_its_words_and_count_before_it_is_taken(manager: Client, company: Company) -> None:
    words = text(manager.get("/segments/gallery/").content.decode())
    assert "All accounts Every account Every account that is not archived. 6 Add All accounts" in words
    assert "In trial Lifecycle stage type is Trial Trying the product now. 1 Add In trial" in words


def test_taking_one_makes_an_ordinary_segment_and_can_be_undone(manager: Client, company: Company) -> None:
    answer = manager.post("/segments/gallery/take/", {"key": "in-trial"})
    assert said(answer) == ["In trial added to the segments. Its members follow within seconds."]
    refresh_due()
    made = Segment.objects.get(name="In trial")
    assert (made.member_count, made.visible, made.created_by) == (1, True, company.manager.user)
    assert "Same as In trial" in text(manager.get("/segments/gallery/").content.decode())
    manager.post(f"/undo/{undo_token(answer)}/")
    assert not Segment.objects.filter(name="In trial").exists()


def test_segments_of_users_are_offered_with_people_counted(manager: Client, company: Company) -> None:
    person = factories.end_user("Ann")
    for account in Account.objects.all()[:2]:
        factories.relationship(account, person, role="Champion")
    words = text(manager.get("/segments/gallery/").content.decode())
    assert "Users Users Segment Users now Actions All users Every user Everybody, in whatever account." in words
    assert (
        "Role: Champion Role in the account is “Champion” Users whose role is Champion. 1 Add Role: Champion" in words
    )
    manager.post("/segments/gallery/take/", {"key": "users-by-role-champion"})
    refresh_due()
    made = Segment.objects.get(name="Role: Champion")
    assert (made.subject, made.member_count) == ("user", 1)


def test_others_look_and_take_nothing(csm: Client, company: Company) -> None:
    assert csm.get("/segments/gallery/").status_code == 200
    assert csm.post("/segments/gallery/take/", {"key": "in-trial"}).status_code == 403


def test_an_unknown_key_is_not_found(manager: Client, company: Company) -> None:
    assert manager.post("/segments/gallery/take/", {"key": "x"}).status_code == 404


def test_the_api_offers_and_takes(company: Company) -> None:
    client, viewer = ApiClient(company.manager.user), ApiClient(company.csm.user)
    found = {row["key"]: row for row in client.get("segments/gallery/")["results"]}
    assert (found["in-trial"]["count"], found["in-trial"]["taken"]) == (1, None)
    made = client("POST", "segments/gallery/", {"key": "in-trial"})
    assert made.status_code == 201 and made.json()["rule"] == found["in-trial"]["rule"]
    assert {row["key"]: row["taken"] for row in viewer.get("segments/gallery/")["results"]}["in-trial"] == "in-trial"
    assert viewer("POST", "segments/gallery/", {"key": "silent"}).status_code == 403
    assert client("POST", "segments/gallery/", {"key": "x"}).status_code == 400
