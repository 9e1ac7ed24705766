"""Sources on screen: added with a key that is shown once, watched, replaced, disabled; the event debugger."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from alerts.models import AlertRule, Milestone
from core.clock import moment
from health.models import HealthConfig
from integrations.models import Message, Outcome, Source, SourceTally
from integrations.tracking import keys
from integrations.tracking.overview import feeds_of
from tests import factories
from tests.ingest.conftest import KEY, basic, batch, group, identify, track
from tests.query_counts import QueryCount
from tests.web.conftest import Company
from usage.models import Trait


@pytest.fixture
def source(company: Company) -> Source:
    """A source that has sent nothing."""
    keys.forget_known()
    return keys.create_source("Web app", key=KEY)[0]


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


def test_the_page_names_everything_that_a_source_feeds(manager: Client, sent: Source) -> None:
    """Traits, health configs, alert rules and milestones as well as segments; nothing that is internal to another."""
    event = {"event": "Report Exported", "op": "at_least", "value": 1, "window": "ever"}
    factories.segment("Exporters", event)
    watch = factories.segment("Alert rule: Exports stop", event, internal=True)
    AlertRule.objects.create(name="Exports stop", watch=watch, condition=factories.rule(event))
    Milestone.objects.create(
        name="First export", key="first", condition=factories.rule(event),
        watch=factories.segment("Milestone: First export", event, internal=True),
    )  # fmt: skip
    Trait.objects.create(name="Exports", key="exports", method="count", definition={"event": "Report Exported"})
    asked = {"dimensions": [{"field": "account.custom.plan_tier"}]}
    HealthConfig.objects.update_or_create(is_default=True, defaults={"name": "By tier", "definition": asked})
    feeds = {feed.name: [(use.kind, use.name) for use in feed.uses] for feed in feeds_of(sent)}
    assert set(feeds.pop("Report Exported")) == {
        ("segment", "Exporters"), ("alert rule", "Exports stop"), ("milestone", "First export"), ("trait", "Exports"),
    }  # fmt: skip
    assert feeds.pop("account.custom.plan_tier") == [("health config", "By tier")]
    assert set(feeds) == {"user.title"} and feeds["user.title"] == []
    page = text(manager.get(reverse("source", args=[sent.pk])))
    assert "Exports stop" in page and "By tier" in page and "Milestone: First" not in page


def test_what_userlist_states_is_fed_too(source: Source) -> None:
    client = Client(headers={"authorization": f"Push {KEY}"})
    between = {"company": "a1", "properties": {"seat_type": "full"}}
    for path, body in (
        (
            "users",
            {"identifier": "u1", "email": "u@x.example", "properties": {"city": "Oslo"}, "relationships": [between]},
        ),
        ("companies", {"identifier": "a1", "name": "Acme", "properties": {"shoe_size": "pro"}}),
        ("relationships", {"user": "u1", "company": "a1", "properties": {"role": "owner"}}),
    ):
        assert client.post(f"/userlist/{path}", json.dumps(body), "application/json").status_code == 200
    assert {feed.name for feed in feeds_of(source)} == {
        "user.email", "user.custom.city", "account.name", "account.custom.shoe_size", "relationship.role",
        "relationship.custom.seat_type",
    }  # fmt: skip


def test_the_chart_and_the_last_message_are_those_of_the_days(manager: Client, source: Source) -> None:
    present = moment()
    for days, number in ((0, 3), (2, 7), (29, 5), (30, 11)):
        at = present.start_of(present.today - dt.timedelta(days=days)) + dt.timedelta(minutes=1)
        SourceTally.objects.create(source=source, at=at, stored=number, duplicate=1)
    came = (present.now - dt.timedelta(hours=3)).astimezone(dt.UTC)
    Message.objects.create(source=source, received_at=came, at=present.now, kind="track", outcome="stored")
    answer = manager.get(reverse("source", args=[source.pk]))
    shown = {present.today - day: number for day, number in answer.context["days"] if number}
    assert {gap.days: number for gap, number in shown.items()} == {0: 4, 2: 8, 29: 6}
    assert len(answer.context["days"]) == 30 and "18 messages in 30 days, 4 of them today" in text(answer)
    lines = answer.context["charts"]["wide"].line.replace(",", " ").split()
    heights = [float(height) for height in lines[1::2]]
    assert len(heights) == 30 and min(heights) == heights[-3] and heights[-2] == max(heights)
    assert f'Last message <time datetime="{came.isoformat()}"' in text(answer)
    assert f'<time datetime="{came.isoformat()}"' in text(manager.get(reverse("sources")))


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
        ({}, 10), ({"outcome": "duplicate"}, 4), ({"outcome": "dropped"}, 2), ({"kind": "track"}, 6), ({"q": "a1"}, 3),
        ({"q": "Report Exported"}, 4), ({"source": "web-app"}, 10), ({"source": "other"}, 0),
        ({"outcome": "no_account", "kind": "track"}, 1), ({"q": "nobody"}, 2), ({"outcome": "inferred"}, 1),
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


@pytest.mark.parametrize("hours", ["²", "9" * 5_000, "2", ""])
def test_hours_that_are_not_of_the_list_are_a_day(manager: Client, sent: Source, hours: str) -> None:
    assert "good until" in text(manager.post(reverse("source_key", args=[sent.pk]), {"overlap": hours}))
