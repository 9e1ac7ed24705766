"""Health on the timeline: changes of band with their cause, overrides as they began and ended, pulses."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from django.db.models import DateTimeField, F, Func, QuerySet, Value
from django.db.models.functions import Least

from accounts.models import Account
from core.clock import Moment
from health.models import BandChange, HealthOverride, Pulse
from health.moves import told_changes
from web.templatetags.csbox import day_text
from web.timeline.entries import Entry, Source, Told


def _changes(account: Account, now: Moment) -> QuerySet[BandChange]:
    return BandChange.objects.filter(account=account).annotate(happened=F("at"))


def _tell_changes(rows: Sequence[BandChange], told: Told) -> list[Entry]:
    return [Entry(one.change.at, "pulse", one.title, one.line) for one in told_changes(rows, told.reader)]


def _begun(account: Account, now: Moment) -> QuerySet[HealthOverride]:
    rows = HealthOverride.objects.filter(account=account).annotate(happened=F("created_at"))
    return rows.select_related("author__member")


def _tell_begun(rows: Sequence[HealthOverride], told: Told) -> list[Entry]:
    found = []
    for hand in rows:
        until = f"until {day_text(hand.until)}" if hand.until else "no last day"
        text = f"{hand.reason} ({until}; the score said {hand.get_computed_band_display()})"
        found.append(
            Entry(hand.created_at, "user", f"Health set to {hand.get_band_display()} by hand", text, who=hand.who)
        )
    return found


def _ended(account: Account, now: Moment) -> QuerySet[HealthOverride]:
    """Those that ended by hand or after their last local day, whichever came first."""
    over = Func(
        Value(now.zone.key), F("until") + Value(dt.timedelta(days=1)), function="timezone",
        output_field=DateTimeField(),
    )  # fmt: skip
    rows = HealthOverride.objects.filter(account=account).annotate(happened=Least(F("ended_at"), over))
    return rows.filter(happened__lte=now.now)


def _tell_ended(rows: Sequence[HealthOverride], told: Told) -> list[Entry]:
    return [
        Entry(getattr(hand, "happened"), "user", f"Health by hand ({hand.get_band_display()}) ended", hand.reason)  # noqa: B009
        for hand in rows
    ]


def _pulses(account: Account, now: Moment) -> QuerySet[Pulse]:
    return Pulse.objects.filter(account=account).annotate(happened=F("at")).select_related("author__member")


def _tell_pulses(rows: Sequence[Pulse], told: Told) -> list[Entry]:
    return [Entry(one.at, "pulse", f"Pulse {one.value} of 5", one.note, who=one.who) for one in rows]


SOURCES = (
    Source("band", "health", _changes, _tell_changes),
    Source("hand", "health", _begun, _tell_begun),
    Source("handend", "health", _ended, _tell_ended),
    Source("pulse", "health", _pulses, _tell_pulses),
)
