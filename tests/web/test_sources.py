"""Sources on screen: added with a key that is shown once, watched, replaced, disabled; the event debugger."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from integrations.models import Message, Outcome, Source
from integrations.tracking import keys
from tests import factories
from tests.ingest.conftest import KEY, basic, batch, group, identify, track
from tests.query_counts import QueryCount
from tests.web.conftest import Company


@pytest.fixture
def sent(company: Company) -> Source:
    """A source that has sent some messages of every fate."""
    keys.forget_known()
    source, _ = keys.create_source("Web app", key=KEY)
    calls = [group(traits={"plan_tier": "pro"}), identify(traits={"title": "CFO"}), track(), track(user="nobody")]
    body = batch(*calls, track(event="", anonymousId="<b>"), writeKey=KEY)
    for _ in range(2):
        answer = Client(headers={"authorization": basic()}).post("/v1/batch", json.dumps(body), "application/json")
        assert answer.status_code == 200
    keys.forget_known()
    return source


def text(answer: Any) -> str:
    """The page."""
    return str(answer.content.decode())


def test_without_a_source_the_page_says_how_to_begin(manager: Client) -> None:
    page = text(manager.get(reverse("sources")))
    assert "No sources yet" in page and "analytics.write_key" in page
    assert "Nothing has come yet" in text(manager.get(reverse("debugger")))


def test_a_new_key_is_shown_once(manager: Client) -> None:
    answer = manager.post(reverse("source_new"), {"name": "Back end"})
    source = Source.objects.get()
    key = next(word for word in text(answer).replace("<", " <").replace(">", "> ").split() if word.startswith("wk_"))
    assert answer["Cache-Control"] == "no-store"
    assert keys.find_source(keys.digest_of(key)) == source
    assert key not in text(manager.get(reverse("source", args=[source.pk])))
    again = manager.post(reverse("source_new"), {"name": "back END"})
    assert again.status_code == 422 and "already" in text(again)


def test_the_page_of_a_source_tells_volume_fate_and_use(manager: Client, sent: Source, query_count: QueryCount) -> None:
    factories.segment("Exporters", {"event": "Report Exported", "op": "at_least", "value": 1, "window": "ever"})
    with query_count("source page"):
        page = text(manager.get(reverse("source", args=[sent.pk])))
    assert "10 messages in 30 days" in page and "20.0% of them rejected" in page
    assert "Report Exported" in page and "Exporters" in page
    assert "account.custom.plan_tier" in page and "user.title" in page
    assert "Web app" in text(manager.get(reverse("sources")))


def test_the_list_asks_the_same_number_of_questions(manager: Client, sent: Source, query_count: QueryCount) -> None:
    for number in range(5):
        source, key = keys.create_source(f"Source {number}")
        body = json.dumps(batch(track(), writeKey=key))
        assert manager.post("/v1/batch", body, "application/json").status_code == 200
    with query_count("sources list"):
        manager.get(reverse("sources"))


def test_replacing_disabling_and_renaming(manager: Client, sent: Source) -> None:
    page = text(manager.post(reverse("source_key", args=[sent.pk]), {"overlap": "1"}))
    assert "shown this once" in page and "good until" in page
    assert sent.write_keys.valid().count() == 2
    manager.post(reverse("source_switch", args=[sent.pk]), {"disabled": "1"})
    assert "Disabled" in text(manager.get(reverse("sources")))
    manager.post(reverse("source_switch", args=[sent.pk]), {"disabled": "0"})
    manager.post(reverse("source", args=[sent.pk]), {"name": "Website", "group_type": "company"})
    found = Source.objects.get()
    assert (found.name, found.key, found.disabled_at, found.new_attributes) == ("Website", "web-app", None, False)
    assert manager.post(reverse("source", args=[sent.pk]), {"name": ""}).status_code == 422


@pytest.mark.parametrize(
    ("asked", "number"),
    [
        ({}, 10), ({"outcome": "duplicate"}, 4), ({"outcome": "dropped"}, 2), ({"kind": "track"}, 6), ({"q": "a1"}, 2),
        ({"q": "Report Exported"}, 4), ({"source": "web-app"}, 10), ({"source": "other"}, 0),
        ({"outcome": "no_account", "kind": "track"}, 1), ({"q": "nobody"}, 2),
    ],
)  # fmt: skip
def test_the_debugger_narrows(manager: Client, sent: Source, asked: dict[str, str], number: int) -> None:
    assert text(manager.get(reverse("debugger"), asked)).count('id="m-') == number


def test_a_message_is_shown_as_it_came_with_its_fate(manager: Client, sent: Source) -> None:
    dropped = Message.objects.filter(outcome=Outcome.DROPPED)[0]
    page = text(manager.get(reverse("debugger"), {"message": dropped.pk}))
    assert "a track call needs the event" in page.lower() and "&lt;b&gt;" in page and "<b>&quot;" not in page
    for wrong in ("0", "x", "9" * 30, "²"):
        assert "no longer kept" in text(manager.get(reverse("debugger"), {"message": wrong}))


def test_the_debugger_asks_for_its_list_alone(manager: Client, sent: Source, query_count: QueryCount) -> None:
    with query_count("debugger list"):
        part = text(manager.get(reverse("debugger"), headers={"HX-Request": "true", "HX-Target": "message-list"}))
    assert "<html" not in part and 'id="m-' in part
    assert 'hx-trigger="every 2s"' in text(manager.get(reverse("debugger")))
    assert 'hx-trigger="every 2s"' not in text(manager.get(reverse("debugger"), {"pause": "1"}))


def test_only_editors_see_what_customers_send(csm: Client, sent: Source) -> None:
    for name, args in (("sources", []), ("debugger", []), ("source", [sent.pk]), ("source_new", [])):
        assert csm.get(reverse(name, args=args)).status_code == 403
    for name in ("source_key", "source_switch", "source"):
        assert csm.post(reverse(name, args=[sent.pk])).status_code == 403
    assert "Sources" not in text(csm.get(reverse("accounts")))
