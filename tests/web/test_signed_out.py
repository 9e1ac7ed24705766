"""What somebody sees whose session has ended: the sentence, and the way back to the page they were on."""

from __future__ import annotations

import pytest
from django.test import Client, override_settings

from tests.web.conftest import Company
from tests.web.reading import text

HERE = "http://testserver"
WORDS = "You were signed out. Sign in to continue; the page will reopen."


@pytest.mark.parametrize(
    ("where", "back"),
    [
        (f"{HERE}/segments/7/edit/?from=x", "%2Fsegments%2F7%2Fedit%2F%3Ffrom%3Dx"),
        ("https://evil.example/segments/", "%2F"),
        (f"{HERE}//evil.example/", "%2F"),
        ("", "%2F"),
    ],
)
def test_a_part_is_not_replaced_by_the_log_in_page(client: Client, db: None, where: str, back: str) -> None:
    headers = {"HX-Request": "true", "HX-Target": "list", "HX-Current-URL": where}
    answer = client.get("/accounts/?q=a", headers=headers)
    html = answer.content.decode()
    assert answer.status_code == 401 and "HX-Request" in answer["Vary"] and "<html" not in html
    assert "You were signed out. Sign in to continue; this page will reopen." in text(html)
    assert html.count(f'href="/login/?next={back}&amp;signed_out=1"') == 2
    assert client.post("/segments/rule/", {"do": "update"}, headers=headers).status_code == 401


def test_the_log_in_page_says_why_it_is_shown(client: Client, company: Company) -> None:
    fresh = client.get("/segments/")
    assert fresh["Location"] == "/login/?next=/segments/" and "HX-Request" in fresh["Vary"]
    assert "You were signed out" not in text(client.get(fresh["Location"]).content.decode())
    client.cookies["sessionid"] = "0" * 32
    assert WORDS in text(client.get("/segments/?q=x", follow=True).content.decode())


def test_a_form_that_was_not_taken_leads_back_to_its_page(client: Client, company: Company) -> None:
    sent = client.post("/segments/rule/", headers={"Referer": f"{HERE}/segments/new/"})
    assert sent["Location"] == "/login/?next=%2Fsegments%2Fnew%2F&signed_out=unsaved"
    assert "what you sent was not saved" in text(client.get(sent["Location"]).content.decode())
    user = company.manager.user
    user.set_password("a long enough phrase")
    user.save()
    words = {"username": user.username, "password": "a long enough phrase", "next": "/segments/new/"}
    assert client.post(sent["Location"], words)["Location"] == "/segments/new/"
    assert client.post("/logout/")["Location"] == "/login/"


@override_settings(AXES_ENABLED=True)
def test_after_five_wrong_passwords_a_page_says_for_how_long(client: Client, company: Company) -> None:
    words = {"username": company.csm.user.username, "password": "wrong"}
    answers = [client.post("/login/?next=/segments/", words) for _ in range(5)]
    assert [one.status_code for one in answers] == [200, 200, 200, 200, 429]
    page = answers[-1].content.decode()
    assert "Signing in is paused" in page and "Try again in 15 minutes" in page and "web/base.css" in page
    assert 'href="/login/?next=/segments/"' in page and answers[-1]["Retry-After"] == "900"
