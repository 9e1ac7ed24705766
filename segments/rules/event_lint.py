"""What conditions on one event leave room for: whether it can have happened, and how often, in one window."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from accounts.fields.values import Between
from segments.rules.events import COUNTS, holds_at, write_measure
from segments.rules.nodes import Happened, Node, to_json

_HAPPENED = ("first_time_in", "restarted", "increased_by")
_IN_DAYS = {"day": 1, "week": 7}


@dataclass(frozen=True)
class Room:
    """Whole numbers from `low` to `high`, both included; None is no end."""

    low: int = 0
    high: int | None = None

    @property
    def empty(self) -> bool:
        """True if no number is left."""
        return self.high is not None and self.high < self.low

    def and_also(self, other: Room) -> Room:
        """The numbers that are in both."""
        ends = [end for end in (self.high, other.high) if end is not None]
        return Room(max(self.low, other.low), min(ends) if ends else None)


def about(node: Happened) -> str:
    """The same text for conditions on the same events: name, filter, window, and whose they are."""
    told = to_json(node)
    return json.dumps([told.get(name) for name in ("event", "where", "window", "anywhere")], sort_keys=True)


def room_of(node: Happened) -> Room | None:
    """What a condition on a count leaves room for; None for one on anything else."""
    if node.op.key == "never":
        return Room(0, 0)
    if not node.op.measured or node.measure.name not in (*COUNTS, "distinct"):
        return None
    value = node.value
    if isinstance(value, Between):
        return Room(max(0, math.ceil(value.low)), math.floor(value.high))
    assert isinstance(value, Decimal)
    up, down = math.ceil(value), math.floor(value)
    return {
        "at_least": Room(max(0, up)),
        "more_than": Room(max(0, down + 1)),
        "at_most": Room(0, down),
        "less_than": Room(0, up - 1),
        "exactly": Room(up, down),
    }.get(node.op.key)


def most_of(node: Happened) -> Room:
    """What a count can be at all: active days are no more than the window has."""
    window = node.window
    if node.measure.name == "days" and window.kind == "last" and window.unit in _IN_DAYS:
        return Room(0, window.n * _IN_DAYS[window.unit])
    return Room()


def verdict_of(node: Happened) -> bool | None:
    """False if the condition can never hold, True if it always does, None if it depends."""
    room, most = room_of(node), most_of(node)
    if room is None:
        return None
    if room.and_also(most).empty:
        return False
    return True if room.and_also(most) == most else None


def of_nothing(node: Happened) -> bool:
    """Whether a condition holds where no event can ever meet its filter."""
    if node.op.key == "never":
        return True
    if not node.op.measured or node.value is None or node.op.shape == "percent":
        return False  # what did not happen is no turn, and no change
    return holds_at(node.op.key, node.value, node.measure.of_nothing)


def contradictions(nodes: Iterable[Node]) -> list[Sequence[Happened]]:
    """Conditions on the same events, all of which must hold, of which some cannot hold together."""
    same: dict[str, list[Happened]] = defaultdict(list)
    for node in nodes:
        if isinstance(node, Happened):
            same[about(node)].append(node)
    return [listed for listed in same.values() if len(listed) > 1 and not _together(listed)]


def _together(listed: Sequence[Happened]) -> bool:
    """Whether one history can meet all of them, as far as is understood."""
    if {True, False} <= {_happens(node) for node in listed}:
        return False
    rooms: dict[str, Room] = {}
    for node in listed:
        room = room_of(node)
        if room is not None and node.op.key != "never":
            name = json.dumps(write_measure(node.measure))
            rooms[name] = rooms.get(name, most_of(node)).and_also(room)
    return not any(room.empty for room in rooms.values())


def _happens(node: Happened) -> bool | None:
    """Whether the event must have happened in the window (True), cannot have (False), or may have."""
    if node.op.key in _HAPPENED or (node.op.measured and node.measure.of_nothing is None):
        return True
    if node.op.key in ("never", "stopped"):
        return False
    room = room_of(node)
    if room is None:
        return None
    # That nobody did it, or that it had no value of a property, leaves room for what nobody did.
    if room.high == 0:
        return False if node.measure.name in ("count", "days") else None
    return True if room.low > 0 else None


def cover(one: Node, other: Node) -> bool:
    """Whether one of two conditions on the same count always holds: "never", and "at least once"."""
    if not isinstance(one, Happened) or not isinstance(other, Happened) or about(one) != about(other):
        return False
    rooms = [room_of(node) for node in (one, other)]
    counted = {node.measure for node in (one, other) if node.op.key != "never"}
    if None in rooms or len(counted) != 1:
        return False
    if any(node.op.key == "never" for node in (one, other)) and counted.pop().name not in ("count", "days"):
        return False
    first, second = sorted((room for room in rooms if room is not None), key=lambda room: room.low)
    return first.low == 0 and second.high is None and first.high is not None and second.low <= first.high + 1
