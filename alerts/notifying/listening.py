"""Who hears of something besides those whom it concerns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from alerts.models import NoticeChannel


@dataclass(frozen=True)
class Listeners:
    """Colleagues (primary keys), and channels that are on."""

    members: tuple[int, ...] = ()
    channels: tuple[NoticeChannel, ...] = ()


def listeners_of(rows: QuerySet[Any]) -> dict[int, Listeners]:
    """By the primary key of the alert rule or the milestone that the rows are of; three statements."""
    return {
        row.pk: Listeners(
            tuple(one.pk for one in row.members.all()), tuple(one for one in row.channels.all() if one.active)
        )
        for row in rows.prefetch_related("channels", "members")
    }


def member_behind(user: Any) -> int | None:
    """The colleague whose log-in it is (primary key), who is not told of what they did themselves."""
    return getattr(getattr(user, "member", None), "pk", None)
