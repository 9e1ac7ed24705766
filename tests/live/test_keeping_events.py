"""Events are kept for good, unless a setting says for how long; what was counted of them stays."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from csbox.pipeline import refresh_touched
from usage.models import DailyUsage, Event, PrunedMonth
from usage.store import EventFact, PostgresStore


def test_events_are_kept_for_good_unless_a_setting_says_for_how_long(
    committed: None, settings: Any, capsys: Any
) -> None:
    now = timezone.now()
    for days in (1, 400):
        event = EventFact(f"p{days}", "Login", now - dt.timedelta(days=days), "a")
        PostgresStore().append([event], source="app", create_missing=True)
    refresh_touched()
    call_command("prune_events")
    assert "for good" in capsys.readouterr().out and Event.objects.count() == 2
    with pytest.raises(CommandError, match="at least 1 month"):
        call_command("prune_events", "--months", "0")
    settings.EVENT_MONTHS = 12
    call_command("prune_events")
    assert Event.objects.get().message_id == "p1"
    assert PrunedMonth.objects.count() >= 1
    assert [usage.count for usage in DailyUsage.objects.all()] == [1, 1]
    PrunedMonth.objects.all().delete()
