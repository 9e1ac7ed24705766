"""How membership moved lately, as the segment list and the summary strip show it."""

from __future__ import annotations

import datetime as dt

from django.db.models import Sum
from django.utils import timezone

from segments.models import SegmentRefresh


def joined_left(days: int = 7) -> dict[int, tuple[int, int]]:
    """Per segment id: accounts that joined and left in the last so many days (of 24 hours).

    What a changed definition caused is left out, because no customer moved.
    """
    since = timezone.now() - dt.timedelta(days=days)
    moved = SegmentRefresh.objects.filter(run__now__gte=since, new_definition=False).order_by()
    rows = moved.values("segment_id").annotate(j=Sum("joined"), n=Sum("left"))
    return {row["segment_id"]: (row["j"], row["n"]) for row in rows}
