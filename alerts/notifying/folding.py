"""One notice in place of very many of a kind that come at once, so that nobody’s inbox is flooded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from alerts.notifying.telling import Telling

MOST = 20  # of one kind for one receiver at once


def folded(tellings: Iterable[Telling], many: Callable[[str, int], tuple[str, str]]) -> Iterator[Telling]:
    """The tellings, those that are more than 20 of a kind for one receiver as one; `many` tells of a kind and a number
    its title and its path."""
    groups: dict[tuple[str, int | None, int | None], list[Telling]] = defaultdict(list)
    for one in tellings:
        groups[one.kind, one.member, one.channel.pk if one.channel else None].append(one)
    for (kind, member, _), group in groups.items():
        if len(group) <= MOST:
            yield from group
            continue
        title, path = many(kind, len(group))
        what = f"{group[0].what}:and {len(group) - 1} more"
        yield Telling(kind, what, title, member=member, channel=group[0].channel, path=path, at=group[0].at)
