"""One "now" for a whole piece of work.

A refresh freezes its moment at the start and passes it down, so that every condition of a run is about the same
instant and the same calendar day of the workspace; nothing below reads a clock of its own.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from dataclasses import dataclass

from django.utils import timezone

from core.models import Workspace


@dataclass(frozen=True)
class Moment:
    """An instant with the zone in which its calendar day is meant."""

    now: dt.datetime
    zone: zoneinfo.ZoneInfo

    @property
    def today(self) -> dt.date:
        """The calendar day of the workspace."""
        return self.now.astimezone(self.zone).date()

    def start_of(self, day: dt.date) -> dt.datetime:
        """The first instant of a local day (after a gap at midnight: the first one that exists)."""
        return dt.datetime.combine(day, dt.time(), tzinfo=self.zone)


def moment(now: dt.datetime | None = None) -> Moment:
    """Freeze the present (or the given) instant with the workspace's zone."""
    return Moment(now or timezone.now(), Workspace.get().zone)
