"""The timeline of an account: notes, health, segments entered and left, attributes changed; newest first."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from accounts.models import Account, AttributeChange, Note, Subject
from health.models import BandChange, HealthOverride, Pulse
from health.moves import told_changes
from health.overrides import end_of
from segments.models import AccountMembership
from segments.questions import Reader
from web.templatetags.csbox import day_text

A_PAGE, LAST_PAGE = 15, 40
SHOW = {
    "": "All activity", "notes": "Notes and calls", "health": "Health", "segments": "Segments", "changes": "Attributes",
}  # fmt: skip
_ICONS = {"note": "note", "call": "phone", "meeting": "users", "email": "doc"}


@dataclass(frozen=True)
class Entry:
    """One thing that happened: an icon, a title, a text, when."""

    at: dt.datetime
    icon: str
    title: str
    text: str


@dataclass(frozen=True)
class Timeline:
    """One page of entries."""

    entries: list[Entry]
    show: str
    page: int
    more: bool


def timeline_of(account: Account, show: str, page: int, labels: dict[str, str], reader: Reader) -> Timeline:
    """A page of the timeline; `labels` names attribute keys. Each source is read as far as the page reaches."""
    show = show if show in SHOW else ""
    page = min(LAST_PAGE, max(1, page))
    reach = page * A_PAGE + 1
    entries: list[Entry] = []
    if show in ("", "notes"):
        entries += _notes(account, reach)
    if show in ("", "health"):
        entries += _health(account, reach, reader)
    if show in ("", "segments"):
        entries += _segments(account, reach)
    if show in ("", "changes"):
        entries += _changes(account, reach, labels)
    entries.sort(key=lambda entry: entry.at, reverse=True)
    start = (page - 1) * A_PAGE
    return Timeline(entries[start : start + A_PAGE], show, page, len(entries) > start + A_PAGE and page < LAST_PAGE)


def _notes(account: Account, reach: int) -> list[Entry]:
    rows = Note.objects.filter(account=account).select_related("author", "user")[:reach]
    return [Entry(note.at, _ICONS.get(note.kind, "note"), _note_title(note), note.text) for note in rows]


def _note_title(note: Note) -> str:
    title = str(note.get_kind_display())
    title += f" with {note.user}" if note.user else ""
    return title + (f" by {note.author}" if note.author else "")


def _health(account: Account, reach: int, reader: Reader) -> list[Entry]:
    """Changes of band with their cause, overrides as they began and ended, pulses."""
    changes = list(BandChange.objects.filter(account=account).order_by("-at", "-pk")[:reach])
    found = [Entry(told.change.at, "pulse", told.title, told.line) for told in told_changes(changes, reader)]
    hands = HealthOverride.objects.filter(account=account).select_related("author__member").order_by("-pk")[:reach]
    for hand in hands:
        until = f"until {day_text(hand.until)}" if hand.until else "no last day"
        text = f"{hand.reason} ({until}; the score said {hand.get_computed_band_display()})"
        found.append(
            Entry(hand.created_at, "user", f"Health set to {hand.get_band_display()} by hand, by {hand.who}", text)
        )
        ended = end_of(hand, reader.moment)
        if ended:
            found.append(Entry(ended, "user", f"Health by hand ({hand.get_band_display()}) ended", hand.reason))
    pulses = Pulse.objects.filter(account=account).select_related("author__member").order_by("-at")[:reach]
    return found + [Entry(one.at, "pulse", f"Pulse {one.value} of 5, by {one.who}", one.note) for one in pulses]


def _segments(account: Account, reach: int) -> list[Entry]:
    rows = AccountMembership.objects.filter(account=account, segment__internal=False).select_related("segment")
    joined = [
        Entry(row.entered_at, "layers", f"Joined segment {row.segment.name}", "")
        for row in rows.order_by("-entered_at")[:reach]
    ]
    left = rows.filter(left_at__isnull=False).order_by("-left_at")[:reach]
    return joined + [
        Entry(row.left_at, "layers", f"Left segment {row.segment.name}", "") for row in left if row.left_at
    ]


def _changes(account: Account, reach: int, labels: dict[str, str]) -> list[Entry]:
    rows = AttributeChange.objects.filter(subject=Subject.ACCOUNT, object_id=account.pk, old__isnull=False)
    found = []
    for change in rows.order_by("-at", "-id")[:reach]:
        name = labels.get(change.key) or labels.get(f"custom.{change.key}") or change.key.removeprefix("custom.")
        found.append(
            Entry(
                change.at,
                "tag",
                f"{name} changed",
                f"{_value(change.old)} → {_value(change.new)}, from {change.source}",
            )
        )
    return found


def _value(value: Any) -> str:
    if value is None or value == "":
        return "no value"
    if isinstance(value, dict) and "amount" in value:
        return f"{value['amount']} {value.get('currency', '')}".strip()
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
