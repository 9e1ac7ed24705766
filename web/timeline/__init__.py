"""The timeline of an account: what was said, what was raised, how it was judged, what data moved; the newest first.

A kind of entry is a source. To add one, write its rows and how they are told, and put it into `SOURCES`; a new word of
the filter goes into `SHOW`.
"""

from __future__ import annotations

from collections.abc import Mapping

from accounts.models import Account
from segments.questions import Reader
from web.timeline import judged, moved, raised, spoken, worked
from web.timeline.entries import Source, Told
from web.timeline.paging import Timeline, page_of, read_place

SOURCES: tuple[Source, ...] = (
    *spoken.SOURCES, *raised.SOURCES, *worked.SOURCES, *judged.SOURCES, *moved.SOURCES,
)  # fmt: skip
SHOW = {
    "": "All activity", "notes": "Notes", "touchpoints": "Calls, meetings, e-mails", "alerts": "Alerts",
    "tasks": "Tasks", "milestones": "Milestones", "playbooks": "Playbooks",
    "health": "Health", "segments": "Segments", "subscriptions": "Subscriptions", "changes": "Attributes",
}  # fmt: skip


def timeline_of(account: Account, show: str, before: str, labels: Mapping[str, str], reader: Reader) -> Timeline:
    """A page of the timeline: of one kind or all, from the top or below a place; what is unknown counts as not said.
    `labels` names attribute keys."""
    told = Told(account, reader, labels)
    return page_of(told, SOURCES, show if show in SHOW else "", read_place(before, SOURCES))
