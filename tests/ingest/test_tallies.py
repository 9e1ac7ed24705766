"""Counts of messages by the hour, and how long messages are kept."""

from __future__ import annotations

import datetime as dt

import pytest

from core.clock import moment
from csbox import tasks
from integrations.models import Message, Outcome, Source, SourceTally
from integrations.tracking import tallies
from integrations.tracking.overview import volumes
from integrations.tracking.tasks import tidy_messages
from tests.ingest.conftest import Send, batch, group, track


def test_the_hours_that_are_over_are_added_up(send: Send, source: Source) -> None:
    for _ in range(3):
        send("/v1/batch", batch(group(), track(), track(user="nobody")))
    assert SourceTally.objects.count() == 3
    before = volumes(moment())[source.pk].counts
    assert before == {"stored": 2, "no_account": 1, "duplicate": 6, "dropped": 0, "failed": 0}
    now = moment().now
    assert not tallies.tidy_is_due(now)
    tallies.sum_tallies(now)
    assert SourceTally.objects.count() == 3  # this hour goes on
    SourceTally.objects.update(at=now - dt.timedelta(hours=2))
    assert tallies.tidy_is_due(now)
    for _ in range(2):
        tidy_messages()
        row = SourceTally.objects.get()
        assert row.summed and row.at.minute == 0
        assert volumes(moment())[source.pk].counts == before
    assert not tallies.tidy_is_due(now)


def test_old_messages_go_and_those_not_taken_stay_longer(
    send: Send, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    send("/v1/batch", batch(track(event=""), *[track() for _ in range(9)]))
    monkeypatch.setattr(tallies, "KEPT_MESSAGES", 5)
    assert tallies.tidy_is_due(moment().now)
    tidy_messages()
    assert Message.objects.filter(outcome=Outcome.DROPPED).count() == 1
    assert list(Message.objects.order_by("id").values_list("message_id", flat=True)) == [
        "m0", "m5", "m6", "m7", "m8", "m9",
    ]  # fmt: skip
    Message.objects.update(received_at=moment().now - dt.timedelta(days=8))
    tidy_messages()
    assert not Message.objects.exists()


def test_the_tick_wakes_what_is_due(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    """The spool's files and the hours that are over; nothing otherwise."""
    woken: list[str] = []
    monkeypatch.setattr(tasks, "enqueue", lambda task, *ids: woken.append(task))
    send("/v1/batch", batch(group()))
    tasks.tick()
    assert "integrations.tracking.tasks.tidy_messages" not in woken
    SourceTally.objects.update(at=moment().now - dt.timedelta(hours=2))
    tasks.tick()
    assert "integrations.tracking.tasks.tidy_messages" in woken
