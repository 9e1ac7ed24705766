"""What the invented team told each other: a note that names a colleague, how one of them wants to be told, and what
another tool would be told."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from accounts.mentions import keep_mentions
from accounts.models import Account, Note, TeamMember
from alerts.models import NoticeSettings
from core.clock import Moment
from integrations.demo.company import Customer
from integrations.destinations.editing import add_item, make_destination, pause
from integrations.models import Destination
from segments.models import Segment


def talk(customers: Sequence[Customer], members: Sequence[TeamMember], present: Moment) -> None:
    """Two notes with an @ about customers in trouble; Lucas has quiet hours and a weekly portfolio."""
    lead, lucas = members[0], members[2]
    NoticeSettings.objects.get_or_create(
        member=lucas, defaults={"quiet_from": dt.time(20), "quiet_to": dt.time(7), "weekly": True}
    )
    if Note.objects.filter(mentions__isnull=False).exists():
        return
    troubled = [customer for customer in customers if customer.habit in ("falling", "silent")][:2]
    for place, customer in enumerate(troubled):
        account = Account.objects.get(external_id=customer.id)
        note = Note.objects.create(
            account=account, author=lucas, at=present.now - dt.timedelta(hours=2 + place),
            text=f"@{lead.key} their director asked for you by name. Can you join the call on Thursday?",
        )  # fmt: skip
        keep_mentions(note)


def connect_marketing(author: Any) -> None:
    """A destination that is paused, so that nothing leaves the demo: the marketing tool's tracking endpoint."""
    if Destination.objects.exists():
        return
    tool, _ = make_destination(
        kind="track", name="Marketing", address="https://tracking.example", write_key="demo-key", author=author
    )
    pause(tool)
    for segment in Segment.objects.filter(name__in=("At risk", "Trial")).order_by("position"):
        add_item(tool, segment=segment.key)
    add_item(tool, field="health.score", key="health_score")
