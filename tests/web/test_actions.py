"""What people do: assign, note, undo, prefer, sign in."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.contrib.messages import get_messages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client

from accounts.models import Account, Assignment, Note, TeamMember
from core.models import Workspace
from segments.models import Segment
from tests.web.conftest import Company
from tests.web.reading import text

pytestmark = pytest.mark.django_db


def said(answer: HttpResponse) -> list[str]:
    """The notices that an answer leaves."""
    return [str(message) for message in get_messages(answer.wsgi_request)]


def undo_token(answer: HttpResponse) -> str:
    """The token of the last notice."""
    return [message.extra_tags for message in get_messages(answer.wsgi_request)][-1]


def csms() -> dict[str, str]:
    """Who is the CSM of what."""
    rows = Assignment.objects.filter(role="csm", ended_at__isnull=True)
    return dict(rows.values_list("account__name", "member__key"))


def test_assigning_says_how_many_changed_and_undo_gives_them_back(manager: Client, company: Company) -> None:
    before = csms()
    ticked = [company.accounts[name].pk for name in ("Alder", "Birch", "Fir")]
    answer = manager.post("/accounts/assign/", {"account": ticked, "member": company.csm.key})
    assert said(answer) == [f"Assigned 2 accounts to {company.csm.name}."]  # Alder was theirs
    assert {name for name, key in csms().items() if key == company.csm.key} == {"Alder", "Birch", "Fir"}
    token = undo_token(answer)
    manager.post(f"/undo/{token}/")
    assert csms() == before
    assert said(manager.post(f"/undo/{token}/"))[-1] == "This can no longer be undone."


def test_history_keeps_who_had_the_account_before(manager: Client, company: Company) -> None:
    manager.post("/accounts/assign/", {"account": company.accounts["Birch"].pk, "member": company.csm.key})
    rows = Assignment.objects.filter(account=company.accounts["Birch"]).order_by("pk")
    assert [(row.member_id, row.ended_at is None) for row in rows] == [
        (company.manager.pk, False),
        (company.csm.pk, True),
    ]


def test_all_of_a_list_means_the_list_and_not_the_page(manager: Client, company: Company) -> None:
    back = f"/accounts/?segment={company.segments['growth'].key}"
    manager.post("/accounts/assign/", {"scope": "filter", "member": company.csm.key, "next": back})
    assert {name for name, key in csms().items() if key == company.csm.key} == {"Alder", "Elän", "Fir", "Gum"}


def test_a_list_of_more_than_is_done_at_once_says_so_before_and_after(
    manager: Client, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("liststate", "views.account_actions"):
        monkeypatch.setattr(f"web.{module}.COUNT_CAP", 2)
    assert "Select the first 2" in text(manager.get("/accounts/").content.decode())
    data = {"scope": "filter", "member": company.csm.key, "next": "/accounts/?sort=name"}
    answer = manager.post("/accounts/assign/", data)  # Alder was theirs
    assert said(answer) == [f"Assigned 1 account to {company.csm.name}. Only the first 2 of the list were looked at."]


def test_accounts_that_one_may_not_see_are_not_assigned(csm: Client, company: Company) -> None:
    Workspace.get()
    Workspace.objects.update(csm_reach=Workspace.Reach.OWN)
    csm.post("/accounts/assign/", {"account": company.accounts["Birch"].pk, "member": company.csm.key})
    assert csms()["Birch"] == company.manager.key


def test_another_person_cannot_use_my_undo(manager: Client, csm: Client, company: Company) -> None:
    answer = manager.post("/accounts/assign/", {"account": company.accounts["Fir"].pk, "member": company.csm.key})
    csm.post(f"/undo/{undo_token(answer)}/")
    assert csms()["Fir"] == company.csm.key


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", ""])
def test_the_way_back_never_leaves_the_site(manager: Client, company: Company, elsewhere: str) -> None:
    data = {"account": company.accounts["Fir"].pk, "member": company.csm.key, "next": elsewhere}
    assert manager.post("/accounts/assign/", data)["Location"] == "/accounts/"
    assert manager.post("/preferences/", {"theme": "dark", "next": elsewhere})["Location"] == "/"


def test_a_note_is_written_under_its_author_and_can_be_taken_back(csm: Client, company: Company) -> None:
    pk = company.accounts["Alder"].pk
    answer = csm.post(f"/accounts/{pk}/notes/", {"text": "  Renewal agreed.  ", "kind": "call"})
    note = Note.objects.get()
    assert (note.text, note.kind, note.author) == ("Renewal agreed.", "call", company.csm)
    page = text(csm.get(f"/accounts/{pk}/").content.decode())
    assert re.search(rf"Call Renewal agreed\. [^.]*, {company.csm.name}", page), page
    csm.post(f"/undo/{undo_token(answer)}/")
    assert not Note.objects.exists()


@pytest.mark.parametrize(
    "data", [{"text": "   "}, {"text": "x", "kind": "fax"}, {"text": "a\x00b"}, {"text": "x" * 10_001}, {}]
)
def test_a_note_that_cannot_be_kept_says_why(csm: Client, company: Company, data: dict[str, str]) -> None:
    answer = csm.post(f"/accounts/{company.accounts['Alder'].pk}/notes/", data)
    assert answer.status_code == 302 and said(answer) and not Note.objects.exists()


@pytest.mark.parametrize("place", ["/segments/new/", "/admin/accounts/account/add/"])
def test_a_name_of_ten_megabytes_is_refused_in_plain_words(admin_client: Client, place: str) -> None:
    before = Segment.objects.count(), Account.objects.count()
    answer = admin_client.post(place, {"name": "n" * 10_000_000, "external_id": "x"})
    assert answer.status_code == 413
    assert "This is too large A form may hold 5 MB. Nothing was changed" in text(answer.content.decode())
    assert (Segment.objects.count(), Account.objects.count()) == before


def test_more_fields_than_a_form_may_have_are_refused_in_plain_words(manager: Client) -> None:
    answer = manager.post("/segments/new/", {f"field{number}": "" for number in range(2_001)})
    assert answer.status_code == 413 and "A form may have 2,000 fields" in text(answer.content.decode())


def test_more_files_than_a_form_may_bring_are_refused_as_files(manager: Client) -> None:
    files = {f"file{number}": SimpleUploadedFile(f"{number}.csv", b"x") for number in range(101)}
    answer = manager.post("/segments/new/", files)
    assert answer.status_code == 413 and "A form may bring 100 files." in text(answer.content.decode())


def test_a_name_of_the_server_that_is_not_ours_and_a_broken_address_say_so(manager: Client) -> None:
    answer = manager.get("/accounts/", headers={"host": "elsewhere.example"})
    assert answer.status_code == 400 and "csbox does not answer to this name" in text(answer.content.decode())
    answer = manager.get("/accounts/?q=%ff")
    assert answer.status_code == 400 and "Part of it is not valid UTF-8" in text(answer.content.decode())


def test_a_viewer_reads_and_does_not_write(browse: Callable[[TeamMember], Client], company: Company) -> None:
    client, pk = browse(company.viewer), company.accounts["Alder"].pk
    assert "Add note" not in text(client.get(f"/accounts/{pk}/").content.decode())
    assert client.post(f"/accounts/{pk}/notes/", {"text": "x"}).status_code == 403


def test_the_theme_is_rendered_by_the_server(manager: Client, company: Company) -> None:
    manager.post("/preferences/", {"theme": "next"})
    assert b'data-theme="light"' in manager.get("/accounts/").content
    manager.post("/preferences/", {"theme": "purple", "density": "compact", "shortcuts": "off"})
    html = manager.get("/accounts/").content
    assert b'data-theme="light"' in html and b'data-density="compact"' in html and b'data-shortcuts="off"' in html


def test_an_administrator_without_a_team_keeps_preferences_for_the_session(admin_client: Client) -> None:
    admin_client.post("/preferences/", {"theme": "dark"})
    assert b'data-theme="dark"' in admin_client.get("/accounts/").content


def test_wrong_words_at_the_log_in_are_answered_beside_the_form(client: Client, company: Company) -> None:
    user = company.csm.user
    user.set_password("a long enough phrase")
    user.save()
    wrong = client.post("/login/", {"username": user.username, "password": "nope"})
    assert wrong.status_code == 200 and b'role="alert"' in wrong.content
    right = client.post(
        "/login/?next=/segments/", {"username": user.username, "password": "a long enough phrase", "next": "/segments/"}
    )
    assert right["Location"] == "/segments/"
    assert client.get("/login/").status_code == 302


def test_jumping_finds_accounts_segments_and_pages(manager: Client) -> None:
    words = text(manager.get("/jump/?q=gr").content.decode())
    assert "Growth plan" in words
    part = manager.get("/jump/?q=fir", headers={"HX-Request": "true", "HX-Target": "jump-results"}).content
    assert b"Fir" in part and b"<html" not in part
    assert "Nothing is called" in text(manager.get("/jump/?q=zzz").content.decode())


def test_get_changes_nothing(manager: Client, company: Company) -> None:
    pk = company.segments["growth"].pk
    for path in ("/accounts/assign/", "/preferences/", "/undo/x/", f"/segments/{pk}/move/", f"/segments/{pk}/clone/",
                 f"/segments/{pk}/delete/", f"/segments/{pk}/visibility/", "/segments/refresh/"):  # fmt: skip
        assert manager.get(path).status_code == 405


def test_a_post_without_its_token_is_refused(company: Company) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(company.manager.user)
    assert client.post("/preferences/", {"theme": "dark"}).status_code == 403


def test_ids_above_a_thousand_are_not_written_with_separators(manager: Client, company: Company) -> None:
    for model, pk in ((company.accounts["Fir"], 1_234_567), (company.segments["large"], 2_345_678)):
        type(model)._base_manager.filter(pk=model.pk).delete()
        model.pk = pk
        model.save(force_insert=True)
    pages = [
        manager.get(path).content.decode()
        for path in ("/accounts/", "/segments/", "/segments/2345678/edit/", "/accounts/1234567/")
    ]
    assert (
        'value="1234567"' in pages[0]
        and 'data-id="2345678"' in pages[1]
        and 'name="segment" value="2345678"' in pages[2]
    )
    assert not any("1,234,567" in page or "2,345,678" in page for page in pages)
