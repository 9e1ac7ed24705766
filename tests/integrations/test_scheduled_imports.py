"""Scheduled imports, against a real web server and a bucket that checks signatures; and what must never be asked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core import serializers

from accounts.models import Account
from core.fetching import CheckedPool, FetchFailed, NotAllowed, ask, is_allowed
from core.models import Workspace
from integrations.imports import scheduling
from integrations.models import Import, ScheduledImport
from tests.integrations.far_servers import ACCESS, SECRET, Far, bucket_server, web_server
from tests.integrations.imported import ended, imported

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, settings: Any) -> None:
    settings.DATA_DIR = tmp_path
    settings.FETCH_ALLOWED = ["127.0.0.1"]
    settings.FETCH_SECRETS = {"crm": "Bearer abc", "store": f"{ACCESS}:{SECRET}", "wrong": f"{ACCESS}:other"}


@pytest.fixture
def web() -> Iterator[Far]:
    with web_server() as far:
        far.bodies["/c.csv"] = b"id,name\na,Alder\n"
        yield far


def schedule(url: str, **fields: Any) -> ScheduledImport:
    """A schedule that is due, with the mapping of an import by hand."""
    example = imported("id,name\nz,Zelkova\n", name="by hand.csv")
    made = ScheduledImport(name="nightly", url=url, **fields)
    scheduling.save_schedule(made, example)
    scheduling.run_now(made)
    return made


def run(made: ScheduledImport) -> ScheduledImport:
    scheduling.run(made.pk)
    for job in Import.objects.filter(schedule=made, state="running"):
        ended(job)
    made.refresh_from_db()
    return made


def test_a_file_is_fetched_once_and_again_only_when_it_changes(web: Far) -> None:
    made = run(schedule(f"{web.url}/c.csv", credential="CRM"))
    assert (made.state, made.error) == ("fetched", "") and Account.objects.get(external_id="a").name == "Alder"
    assert web.asked[0][1]["Authorization"] == "Bearer abc"
    job = made.imports.get()
    assert job.source == "import nightly" and job.name == "c.csv" and job.state == "done"
    scheduling.run(made.pk)
    assert len(web.asked) == 1  # done for this day
    scheduling.run_now(made)
    assert run(made).state == "same" and "If-None-Match" in web.asked[1][1]
    web.bodies["/c.csv"] = b"id,name,new column\na,Changed,1\n"
    scheduling.run_now(made)
    assert run(made).state == "fetched" and Account.objects.get(external_id="a").name == "Changed"
    assert made.imports.count() == 2


def test_a_credential_is_stored_sealed_and_goes_to_its_own_host_only(web: Far, settings: Any) -> None:
    made = schedule(f"{web.url}/c.csv")
    scheduling.save_schedule(made, None, secret="Bearer of-its-own")
    stored = ScheduledImport.objects.get()
    assert "of-its-own" not in serializers.serialize("json", [stored]) and stored.secret_hint == "-own"
    assert "of-its-own" not in repr(scheduling.place_of(stored))
    scheduling.run_now(stored)
    assert run(stored).state == "fetched" and web.asked[-1][1]["Authorization"] == "Bearer of-its-own"
    # A change of the address within the host keeps it; another host asks for it again.
    stored.url = f"{web.url}/other.csv"
    scheduling.save_schedule(stored, None)
    stored.url = "https://elsewhere.example/c.csv"
    with pytest.raises(scheduling.BadSchedule, match="Enter the credential again"):
        scheduling.save_schedule(stored, None)
    stored.refresh_from_db()
    old, before = settings.SECRET_KEY, stored.secret
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another" * 10, [old]
    scheduling.run_now(stored)
    run(stored)
    assert stored.secret != before and web.asked[-1][1]["Authorization"] == "Bearer of-its-own"
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "third" * 10, []
    scheduling.run_now(stored)
    assert "Enter it again" in run(stored).error
    with pytest.raises(scheduling.BadSchedule, match="not both"):
        stored.credential = "crm"
        scheduling.save_schedule(stored, None, secret="Bearer of-its-own")
    scheduling.save_schedule(stored, None)  # one of the environment takes its place
    assert (stored.secret, stored.secret_hint, stored.credential) == ("", "", "crm")
    with pytest.raises(scheduling.BadSchedule, match="plain characters"):
        stored.credential = ""
        scheduling.save_schedule(stored, None, secret="tab\tof it all")


def test_a_stored_credential_opens_a_bucket() -> None:
    with bucket_server("files") as far:
        far.bodies, far.times = {"in/a.csv": b"id,name\na,Alder\n"}, {"in/a.csv": 1}
        made = ScheduledImport(name="bucket", url="s3://files/in/", endpoint=far.url)
        scheduling.save_schedule(made, imported("id,name\nz,Z\n"), secret=f"{ACCESS}:{SECRET}")
        scheduling.run_now(made)
        assert run(made).error == "" and made.state == "fetched"
        with pytest.raises(scheduling.BadSchedule, match="ACCESS_KEY:SECRET_KEY"):
            scheduling.save_schedule(made, None, secret="Bearer wrong")


def test_without_etags_the_hash_tells(web: Far) -> None:
    web.etags = False
    made = run(schedule(f"{web.url}/c.csv"))
    scheduling.run_now(made)
    assert run(made).state == "same" and made.imports.count() == 1
    made.only_if_changed = False
    scheduling.save_schedule(made, None)
    scheduling.run_now(made)
    assert run(made).state == "fetched" and made.imports.count() == 2


def test_it_is_due_once_a_local_day_at_its_time(web: Far) -> None:
    workspace = Workspace.get()
    workspace.time_zone = "America/New_York"
    workspace.save()
    with time_machine.travel(
        dt.datetime(2026, 11, 1, 5, 0, tzinfo=dt.UTC), tick=False
    ) as clock:  # 01:00, clocks go back
        made = schedule(f"{web.url}/c.csv", at=dt.time(1, 30))
        ScheduledImport.objects.filter(pk=made.pk).update(done_on=dt.date(2026, 10, 31))
        assert scheduling.due_schedules() == []
        clock.shift(dt.timedelta(minutes=31))
        assert scheduling.due_schedules() == [made.pk]
        run(made)
        clock.shift(dt.timedelta(hours=1))  # 01:31 for the second time
        assert scheduling.due_schedules() == []
        clock.shift(dt.timedelta(days=3))  # an outage: once, not three times
        assert scheduling.due_schedules() == [made.pk]
        run(made)
        assert scheduling.due_schedules() == []


def test_failures_are_told_and_tried_again_and_given_up_for_the_day(web: Far) -> None:
    web.status = 500
    made = schedule(f"{web.url}/c.csv")
    with time_machine.travel(dt.datetime.now(dt.UTC), tick=False) as clock:
        for _ in range(5):
            assert run(made).state == "failed" and "answers 500" in made.error
            scheduling.run(made.pk)
            clock.shift(dt.timedelta(hours=2))
        assert len(web.asked) == 5 and made.done_on is not None
        web.status = 0
        clock.shift(dt.timedelta(days=1))
        assert run(made).state == "fetched" and made.error == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"status": 401}, "wants to know who asks"),
        ({"cut": True}, "broke off in the middle"),
        ({"redirect": "http://169.254.169.254/latest/meta-data/"}, "Only https"),
        ({"redirect": "https://other.example/c.csv"}, "sends the question on to another"),
        ({"redirect": "/c.csv"}, "in a circle"),
        ({"bodies": {"/c.csv": b"<!doctype html><p>Log in"}}, "c.csv is a web page"),
        ({"bodies": {"/c.csv": b"id\n"}}, "no rows"),
        ({"bodies": {}}, "no such file"),
    ],
)
def test_what_a_server_does_wrong_is_told(web: Far, change: dict[str, Any], words: str) -> None:
    for name, value in change.items():
        setattr(web, name, value)
    made = run(schedule(f"{web.url}/c.csv"))
    assert made.state == "failed" and words in made.error
    assert not made.imports.exists()


def test_a_redirect_within_the_server_is_followed(web: Far) -> None:
    web.redirect, web.bodies["/moved.csv"] = "/moved.csv", web.bodies["/c.csv"]
    assert run(schedule(f"{web.url}/c.csv")).state == "fetched"


def test_a_file_without_a_mapped_column_fails_as_an_import(web: Far) -> None:
    web.bodies["/c.csv"] = b"id,title\na,Alder\n"
    made = run(schedule(f"{web.url}/c.csv"))
    job = made.imports.get()
    assert (
        job.state == "failed" and "no column name" in job.error and not Account.objects.filter(external_id="a").exists()
    )


def test_the_newest_object_of_a_bucket_is_taken() -> None:
    with bucket_server("files") as far:
        far.bodies = {"in/old.csv": b"id,name\na,Old\n", "in/new one.csv": b"id,name\na,New\n", "other.csv": b"id\nx\n"}
        far.times = {"in/old.csv": 1, "in/new one.csv": 2, "other.csv": 9}
        made = run(schedule("s3://files/in/", endpoint=far.url, credential="store", region="eu-west-1"))
        assert (made.state, made.error) == ("fetched", "") and Account.objects.get(external_id="a").name == "New"
        assert made.imports.get().name == "new one.csv"
        assert "/eu-west-1/s3/" in far.asked[0][1]["Authorization"] and SECRET not in str(far.asked)
        count = len(far.asked)
        scheduling.run_now(made)
        assert run(made).state == "same" and len(far.asked) == count + 1  # listed, not fetched
        far.bodies["in/third.csv"], far.times["in/third.csv"] = b"id,name\na,Third\n", 3
        scheduling.run_now(made)
        assert run(made).state == "fetched" and Account.objects.get(external_id="a").name == "Third"


@pytest.mark.parametrize(
    ("url", "credential", "words"),
    [
        ("s3://files/in/", "wrong", "SignatureDoesNotMatch"),
        ("s3://nowhere/in/", "store", "NoSuchBucket"),
        ("s3://files/none/", "store", "holds no object"),
    ],
)
def test_what_a_bucket_answers_is_told(url: str, credential: str, words: str) -> None:
    with bucket_server("files") as far:
        far.bodies = {"in/a.csv": b"id\na\n"}
        made = run(schedule(url, endpoint=far.url, credential=credential))
        assert made.state == "failed" and words in made.error


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"url": "ftp://x.example/a"}, "not a web address"),
        ({"url": "http://x.example/a"}, "Only https"),
        ({"url": "https://me:pass@x.example/a"}, "does not belong into an address"),
        ({"url": "https://x.example/a", "credential": "none"}, "CSBOX_CREDENTIAL_NONE"),
        ({"url": "s3://b/x"}, "name the endpoint"),
        ({"url": "s3:///x", "endpoint": "https://x.example"}, "written s3://bucket"),
        ({"url": "s3://b/x", "endpoint": "https://x.example", "credential": "crm_"}, "There is no credential"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(scheduling.BadSchedule) as told:
        scheduling.save_schedule(ScheduledImport(name="n", **fields), imported("id\na\n"))
    assert words in str(told.value)


PRIVATE = [
    "127.0.0.1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1",
    "::1", "fe80::1%eth0", "fc00::1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::a00:1", "::", "ff02::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_inside_are_not_asked(settings: Any, address: str) -> None:
    settings.FETCH_ALLOWED = []
    assert not is_allowed("files.example", address)
    settings.FETCH_ALLOWED = ["files.example"]
    assert is_allowed("files.example", address) and not is_allowed("other.example", address)


def test_the_address_that_is_connected_to_is_the_one_that_is_checked(
    web: Far, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_allowed("files.example", "93.184.215.14") and not is_allowed("files.example", "10.1.2.3")
    port = int(web.url.rsplit(":", 1)[1])
    settings.FETCH_ALLOWED = ["localhost"]
    assert ask(CheckedPool(), f"http://localhost:{port}/c.csv", {}).status == 200
    settings.FETCH_ALLOWED = []
    for url in (
        f"https://localhost:{port}/",
        f"https://127.0.0.1:{port}/",
        f"https://[::1]:{port}/",
        f"https://2130706433:{port}/",
    ):
        with pytest.raises(NotAllowed, match="private network"):
            ask(CheckedPool(), url, {})
    assert len(web.asked) == 1
    with pytest.raises(FetchFailed, match="not known"):
        ask(CheckedPool(), "https://does-not-exist.invalid/", {})


def test_a_network_can_be_allowed(settings: Any) -> None:
    settings.FETCH_ALLOWED = ["10.1.0.0/16", "files.internal"]
    assert is_allowed("x.example", "10.1.2.3") and not is_allowed("x.example", "10.2.0.1")
    assert is_allowed("FILES.internal", "10.2.0.1")
