"""Write keys: shown once, kept as a digest, replaced with an overlap, refused when they are over."""

from __future__ import annotations

import base64
import datetime as dt
import io

import pytest
import time_machine
from django.core.management import CommandError, call_command

from core.intake import BadValue
from integrations.models import Source, WriteKey
from integrations.tracking import keys
from tests.ingest.conftest import KEY, Send, basic, batch

pytestmark = [pytest.mark.django_db, pytest.mark.once]


def status(send: Send, key: str) -> int:
    """What an empty batch with this key is answered now."""
    keys.forget_known()
    return send("/v1/batch", batch(), key=key).status_code


def test_a_key_is_kept_as_its_digest(send: Send) -> None:
    source, key = keys.create_source("Mobile app")
    row = source.write_keys.get()
    assert key.startswith("wk_") and len(key) == 51
    assert (row.digest, row.hint) == (keys.digest_of(key), key[-4:])
    assert key not in str(list(WriteKey.objects.values())) + str(list(Source.objects.values()))
    assert status(send, key) == 200


def test_an_old_key_is_good_for_the_overlap(send: Send, source: Source) -> None:
    new = keys.rotate_key(source, overlap=dt.timedelta(hours=24))
    assert (status(send, KEY), status(send, new)) == (200, 200)
    newest = keys.rotate_key(source, overlap=dt.timedelta(hours=1))
    now = dt.datetime.now(dt.UTC)
    with time_machine.travel(now + dt.timedelta(hours=2)):
        assert [status(send, key) for key in (KEY, new, newest)] == [401, 401, 200]
    last = keys.rotate_key(source, overlap=dt.timedelta())
    assert [status(send, key) for key in (newest, last)] == [401, 200]


def test_a_disabled_source_is_refused_and_taken_again(send: Send, source: Source) -> None:
    keys.set_disabled(source, True)
    assert status(send, KEY) == 401
    keys.set_disabled(source, False)
    assert status(send, KEY) == 200


def test_the_key_may_stand_in_several_places(send: Send) -> None:
    for path, body, header in [
        ("/v1/batch", batch(), basic()),
        ("/v1/batch", batch(), basic().rstrip("=")),
        ("/v1/batch", batch(), "Basic " + base64.b64encode(KEY.encode()).decode()),  # without the colon
        ("/v1/batch", batch(writeKey=KEY), ""),
        ("/v1/batch", batch(writeKey=KEY), "Bearer something"),
        (f"/beacon/v1/batch?writeKey={KEY}", batch(), ""),
    ]:
        headers = {"authorization": header} if header else {}
        assert send(path, body, key=None, **headers).status_code == 200, (path, header)
    assert send("/v1/batch", {"batch": [{"writeKey": KEY}]}, key=None).status_code == 401


def test_the_command_prints_the_key_once() -> None:
    out = io.StringIO()
    call_command("create_source", "Back end", stdout=out)
    key = next(word for word in out.getvalue().split() if word.startswith("wk_"))
    assert keys.find_source(keys.digest_of(key)) == Source.objects.get(key="back-end")
    call_command("create_source", "Front end", "--write-key", "my-own-key-of-sixteen", stdout=out)
    assert keys.find_source(keys.digest_of("my-own-key-of-sixteen")) == Source.objects.get(key="front-end")
    for arguments in (
        ["Back end"],
        ["Third", "--write-key", "short"],
        ["Third", "--write-key", "my-own-key-of-sixteen"],
    ):
        with pytest.raises(CommandError):
            call_command("create_source", *arguments, stdout=out)
    assert Source.objects.count() == 2


def test_names_that_look_alike_get_keys_of_their_own() -> None:
    found = [keys.create_source(name)[0].key for name in ("Web app", "Web-app", "Web_ app!", "日本")]
    assert found == ["web-app", "web-app-2", "web_-app", "source"]
    with pytest.raises(BadValue):
        keys.create_source("WEB APP")
