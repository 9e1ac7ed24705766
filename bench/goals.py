"""What each measurement is meant to reach; `--check` ends with an error where it is missed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Goal:
    """A figure of a measurement by its path (`*` is every key that has the rest), and how large or small it may be."""

    path: str
    at_most: float | None = None
    at_least: float | None = None

    def missed(self, found: dict[str, Any]) -> Iterator[str]:
        """In words, each figure that misses it; a figure that is not there is missed too."""
        figures = list(_figures(found, self.path.split("."), ""))
        if not figures:
            yield f"{self.path} was not measured"
        for name, value in figures:
            if self.at_most is not None and value > self.at_most:
                yield f"{name} is {value}, the goal is at most {self.at_most:g}"
            if self.at_least is not None and value < self.at_least:
                yield f"{name} is {value}, the goal is at least {self.at_least:g}"


# At the sizes that are the defaults of the command; small companies cost what the first statement costs.
GOALS: dict[str, tuple[Goal, ...]] = {
    "refresh": (Goal("*.ratio", at_most=3),),
    "list": (Goal("p95_ms", at_most=100),),
    "admin": (Goal("slowest_ms", at_most=1_000),),
    "pages": (Goal("pages.*.p95_ms", at_most=300),),
    "events": tuple(Goal(f"conditions.typical, {one}.elapsed_ms", at_most=100) for one in (
        "at least 3 times", "at least once", "never", "at most 2 times", "2 users", "3 days", "down by half", "stopped",
        "first time",
    )),
    "preview": (Goal("attributes.p95_ms", at_most=300), Goal("users and events.p95_ms", at_most=1_500)),
    "ingest": (
        Goal("share_of_copy", at_least=0.125), Goal("batch_of_100_during_a_refresh.p95_ms", at_most=100),
    ),
    "live": (Goal("delay_s.p95", at_most=60),),
    "health": (Goal("*.ratio", at_most=2),),
    "alerts": (Goal("*.ratio", at_most=1.5),),
    "foresight": (Goal("openstack-nova.later.The stock config.auc", at_least=0.8),),
    "backtest": (Goal("seconds", at_most=300),),
    "sync": (
        Goal("first.ratio", at_most=6), Goal("nothing_changed.ratio", at_most=3),
        Goal("one_percent_changed.ratio", at_most=3), Goal("one_percent_narrowed.ratio", at_most=3),
        Goal("sent.ratio", at_most=4),
    ),
}  # fmt: skip


def missed(what: str, found: dict[str, Any]) -> list[str]:
    """The goals that a measurement missed, in words; empty where it has none."""
    return [line for goal in GOALS.get(what, ()) for line in goal.missed(found)]


def _figures(found: Any, path: list[str], name: str) -> Iterator[tuple[str, float]]:
    if not path:
        if isinstance(found, int | float):
            yield name, found
        return
    if not isinstance(found, dict):
        return
    keys = list(found) if path[0] == "*" else [key for key in (path[0],) if key in found]
    for key in keys:
        yield from _figures(found[key], path[1:], f"{name}.{key}" if name else str(key))
