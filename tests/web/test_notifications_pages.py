"""The pages of notifications: the inbox and the bell, what one is told, channels, names after an @, files on notes."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import NoteFile, TeamMember
from accounts.privacy.erasing import continue_erasures, request_erasure
from alerts.models import Notice, NoticeChannel, NoticeSettings, RuleChoice
from alerts.notifying.kinds import ALERT, MENTION
from alerts.notifying.telling import Telling, tell
from core.models import Workspace
from tests import factories
from tests.alerts.test_notices import FEW, save_alert_rule
from tests.query_counts import QueryCount
from tests.web.conftest import Company
from tests.web.reading import text

pytestmark = pytest.mark.django_db
PDF = b"%PDF-1.7\n%%EOF"


@pytest.fixture
def told(company: Company) -> Company:
    """The CSM was told of three things, one of them about an account of somebody else's."""
    alder, birch = company.accounts["Alder"], company.accounts["Birch"]
    for n, account in enumerate((alder, alder, birch)):
        kind = (ALERT, MENTION)[n % 2].key
        tell(
            [Telling(kind, str(n), f"Number {n}", company.csm.pk, account=account.pk, path=f"/accounts/{account.pk}/")]
        )
    return company


def words(client: Client, path: str = "/notifications/") -> str:
    """The page's words."""
    answer = client.get(path)
    assert answer.status_code == 200
    return text(answer.content.decode())


def test_the_inbox_and_the_bell(csm: Client, manager: Client, told: Company, query_count: QueryCount) -> None:
    csm.get("/notifications/")
    with query_count("notifications"):
        page = words(csm)
    assert "3 unread" in page and page.index("Number 2") < page.index("Number 0")
    assert "Notifications 3 unread" in words(csm, "/segments/") and "unread" not in words(manager, "/segments/")
    assert "Number 1" in (mentions := words(csm, "/notifications/?kind=mention")) and "Number 0" not in mentions
    newest = Notice.objects.order_by("-pk")[0]
    went = csm.post("/notifications/mark/", {"go": newest.pk})
    assert went.status_code == 302 and went["Location"] == f"/accounts/{told.accounts['Birch'].pk}/"
    assert "2 unread" in words(csm) and "Number 2" not in words(csm, "/notifications/?show=unread")
    done = csm.post("/notifications/mark/", {"do": "all", "next": "/notifications/?show=unread"}, follow=True)
    page = done.content.decode()
    assert "2 notifications marked as read" in text(page) and "Nothing unread" in text(page)
    csm.post(page.split('action="/undo/')[1].split('"')[0].join(["/undo/", ""]))
    assert "2 unread" in words(csm)
    ticked = [one.pk for one in Notice.objects.all()]
    assert "Nothing was changed" in text(
        manager.post("/notifications/mark/", {"do": "read", "notice": ticked}, follow=True).content.decode()
    ), "those of others are not one's own to mark"
    Workspace.objects.update_or_create(pk=1, defaults={"csm_reach": Workspace.Reach.OWN})
    assert "Number 2" not in words(csm) and "Number 1" in words(csm)
    assert csm.get("/notifications/?before=x&kind=x&show=9").status_code == 200


def test_many_are_paged_and_none_says_what_comes(csm: Client, manager: Client, company: Company) -> None:
    assert "Nobody told you anything yet" in words(manager)
    tell(Telling(ALERT.key, str(n), f"Number {n:02}", company.csm.pk) for n in range(35))
    first = csm.get("/notifications/").content.decode()
    link = first.split("?before=")[1].split('"')[0]
    second = words(csm, f"/notifications/?before={link}")
    assert "Number 05" in text(first) and "Number 04" not in text(first)
    assert "Number 04" in second and "Number 05" not in second and "Older" not in second


def test_what_one_is_told_is_chosen_and_said_again_when_it_is_wrong(csm: Client, company: Company) -> None:
    rule = save_alert_rule(None, name="Few licences", condition=FEW)
    page = words(csm, "/notifications/settings/")
    assert "An alert is opened for me" in page and "Few licences" in page
    sent = {
        "way-alert": "digest", f"rule-{rule.pk}": "never", "quiet_from": "22:00", "quiet_to": "06:30", "cap": "5",
        "time_zone": "Europe/Oslo", "digest_at": "08:15", "weekly": "on",
    }  # fmt: skip
    assert csm.post("/notifications/settings/", sent).status_code == 302
    kept = NoticeSettings.objects.get()
    assert (kept.ways, kept.cap, kept.by_email, kept.weekly) == ({"alert": "digest"}, 5, False, True)
    assert (
        RuleChoice.objects.get().way == "never"
        and 'value="22:00"' in csm.get("/notifications/settings/").content.decode()
    )
    for wrong in (
        {"quiet_to": ""},
        {"cap": "0"},
        {"time_zone": "Mars"},
        {"digest_at": "25:00"},
        {"way-alert": "loudly"},
    ):
        answer = csm.post("/notifications/settings/", sent | wrong)
        assert answer.status_code == 422 and 'class="notice"' in answer.content.decode(), wrong
    assert NoticeSettings.objects.get().cap == 5


def test_channels_of_ones_own(csm: Client, company: Company) -> None:
    given = {"kind": "webhook", "name": "Mine", "address": "https://hooks.example/T0/secret-path"}
    page = csm.post("/notifications/channels/", given).content.decode()
    assert "whsec_" in page and "secret-path" not in page and "hooks.example…path" in page
    channel = NoticeChannel.objects.get()
    assert channel.member == company.csm and "secret-path" not in channel.address
    assert "whsec_" not in csm.get("/notifications/settings/").content.decode()
    told = csm.post("/notifications/channels/", given | {"address": "http://hooks.example/"}, follow=True)
    assert "Only https:// is asked" in text(told.content.decode())
    other = NoticeChannel.objects.create(kind="slack", name="Team", address="x")
    csm.post("/notifications/channels/", {"delete": other.pk})
    csm.post("/notifications/channels/", {"delete": channel.pk})
    assert list(NoticeChannel.objects.all()) == [other]


def test_names_after_an_at(csm: Client, company: Company) -> None:
    TeamMember.objects.filter(pk=company.manager.pk).update(name="Lucía Ferreira", key="lucia")
    found = csm.get("/colleagues/names/?q=FERR").json()["colleagues"]
    assert found == [{"key": "lucia", "name": "Lucía Ferreira"}]
    assert len(csm.get("/colleagues/names/").json()["colleagues"]) == 3
    company.manager.user.is_active = False
    company.manager.user.save()
    assert csm.get("/colleagues/names/?q=luc\x00").status_code in (200, 400)
    assert csm.get("/colleagues/names/?q=lucia").json()["colleagues"] == []


def test_the_api_is_ones_own_inbox(csm: Client, manager: Client, told: Company) -> None:
    mine = csm.get("/api/v1/notifications/?unread=true").json()["results"]
    assert [one["title"] for one in mine] == ["Number 2", "Number 1", "Number 0"]
    assert mine[0]["account"] == told.accounts["Birch"].external_id
    assert manager.get("/api/v1/notifications/").json()["results"] == []
    assert manager.get(f"/api/v1/notifications/{mine[0]['id']}/").status_code == 404
    answer = csm.post("/api/v1/notifications/mark/", {"ids": [mine[0]["id"]]}, content_type="application/json")
    assert answer.json() == {"changed": 1} and csm.get("/api/v1/notifications/?unread=false").json()["results"]
    assert csm.get("/api/v1/notifications/?nobody=1").status_code == 400
    chosen = csm.get("/api/v1/notification-settings/")
    assert chosen.json()["ways"]["alert"] == "now" and chosen.json()["digest_at"] == "07:30"
    change: Any = {"data": {"ways": {"alert": "digest"}, "cap": 9}, "content_type": "application/json"}
    assert csm.patch("/api/v1/notification-settings/", **change).status_code == 428
    done = csm.patch("/api/v1/notification-settings/", **change, headers={"If-Match": chosen["ETag"]})
    assert done.status_code == 200 and done.json()["ways"]["alert"] == "digest" and done.json()["cap"] == 9
    again = csm.patch("/api/v1/notification-settings/", **change, headers={"If-Match": chosen["ETag"]})
    assert again.status_code == 412
    bad = {"data": {"quiet_from": "22:00"}, "content_type": "application/json", "headers": {"If-Match": done["ETag"]}}
    assert csm.patch("/api/v1/notification-settings/", **bad).status_code == 400


class TestFiles:
    @pytest.fixture(autouse=True)
    def _folder(self, settings: Any, tmp_path: Any) -> None:
        settings.MEDIA_ROOT = str(tmp_path)
        settings.STORAGES = settings.STORAGES | {
            "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": tmp_path}}
        }

    def add(self, client: Client, account: Any, *files: SimpleUploadedFile) -> str:
        """Write a note with files; the page's words."""
        given = {"kind": "note", "text": "See the file.", "files": list(files)}
        return text(client.post(f"/accounts/{account.pk}/notes/", given, follow=True).content.decode())

    def test_a_file_is_kept_handed_out_as_a_download_and_goes_with_its_note(
        self, csm: Client, company: Company, settings: Any, django_capture_on_commit_callbacks: Any
    ) -> None:
        alder = company.accounts["Alder"]
        page = self.add(csm, alder, SimpleUploadedFile("../Offer <1>.pdf", PDF, "text/html"))
        assert "Note added" in page and "Offer <1>.pdf 14 bytes" in page
        row = NoteFile.objects.get()
        assert row.file.name == f"notes/{row.uid.hex[:2]}/{row.uid.hex}" and default_storage.exists(row.file.name)
        answer = csm.get(f"/accounts/{alder.pk}/files/{row.uid}/")
        assert b"".join(answer.streaming_content) == PDF and answer["Content-Type"] == "application/pdf"  # type: ignore[attr-defined]
        assert answer["Content-Disposition"].startswith("attachment") and answer["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer["Content-Security-Policy"]
        assert csm.get(f"/accounts/{company.accounts['Birch'].pk}/files/{row.uid}/").status_code == 404
        with django_capture_on_commit_callbacks(execute=True):
            request_erasure("account", alder.external_id, by="test")
            continue_erasures()
        assert not NoteFile.objects.exists() and not default_storage.exists(row.file.name)

    def test_what_is_not_what_it_says_is_refused_and_no_note_is_written(
        self, csm: Client, company: Company, settings: Any
    ) -> None:
        settings.NOTE_FILE_BYTES = 1_048_576
        alder, up = company.accounts["Alder"], SimpleUploadedFile
        for file, said in (
            (up("a.pdf", b"<html>"), "not what its name says"), (up("a.html", b"<html>"), "a kind that is not taken"),
            (up("a.svg", b"<svg/>"), "a kind that is not taken"), (up("a", b"x"), "a kind that is not taken"),
            (up("a.txt", b"\x00\x01"), "not what its name says"), (up("a.txt", b""), "is empty"),
            (up("a.docx", b"PK\x03\x04"), "not what its name says"),
            (up("a.txt", b"x" * 1_048_577), "larger than 1 MB"),
        ):  # fmt: skip
            assert said in self.add(csm, alder, file), file.name
        many = [up(f"{n}.txt", b"x") for n in range(6)]
        assert "At most 5 files" in self.add(csm, alder, *many)
        assert not NoteFile.objects.exists() and not alder.notes.exists()
        assert factories.account()


def test_a_channel_of_everybodys_is_made_in_the_back_office(company: Company) -> None:
    root = Client()
    root.force_login(User.objects.create_superuser("root", password=None))
    given = {"kind": "webhook", "name": "Team", "posted_to": "https://hooks.example/T0/secret-path", "active": "on"}
    made = root.post("/admin/alerts/noticechannel/add/", given, follow=True).content.decode()
    channel = NoticeChannel.objects.get()
    assert "whsec_" in made and (channel.name, channel.member, channel.hint) == ("Team", None, "hooks.example…path")
    change = f"/admin/alerts/noticechannel/{channel.pk}/change/"
    assert "secret-path" not in root.get(change).content.decode()
    root.post(change, {"name": "Everybody", "posted_to": "", "active": "on"})
    address = channel.address
    channel.refresh_from_db()
    assert channel.name == "Everybody" and channel.address == address
    wrong = root.post("/admin/alerts/noticechannel/add/", given | {"posted_to": "ftp://x"})
    assert "is not a web address" in wrong.content.decode() and NoticeChannel.objects.count() == 1
