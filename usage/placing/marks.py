"""Marking users whose events without a context are to be placed anew; a trigger marks those whose periods change."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

from django.db import connection

from core.waking import wake_evaluation
from usage.placing.models import PlacingMark

Range = tuple[dt.datetime | None, dt.datetime | None]


def mark_ranges(ranges: Mapping[int, Range]) -> None:
    """Have the events of users (primary keys) placed anew, from one instant to another; None is no bound."""
    if ranges:
        users = sorted(ranges)
        firsts, lasts = ([ranges[user][side] for user in users] for side in (0, 1))
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO usage_placingmark (user_id, first_at, last_at)"
                " SELECT * FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[])",
                [users, firsts, lasts],
            )
        wake_evaluation()


def mark_users(users: Iterable[int]) -> None:
    """Have all events of these users (primary keys) placed anew."""
    mark_ranges(dict.fromkeys(users, (None, None)))


def is_to_place() -> bool:
    """Whether somebody's events wait to be placed anew."""
    return PlacingMark.objects.exists()
