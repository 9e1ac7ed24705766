"""What besides segments a silent feed holds: apps above declare how to find it, and what follows when it goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from segments.holding.holds import Holds
from segments.questions import Reader
from usage.feeds.models import FeedSilence


@dataclass(frozen=True)
class Held:
    """One thing that is held: what it is called, who is told (None: the administrators), and for which silences."""

    name: str
    author: Any
    silences: list[FeedSilence]


Finder = Callable[[Holds, Reader], Iterable[Held]]
_finders: list[Finder] = []
_followers: list[Callable[[], None]] = []


def find_held_with(finder: Finder) -> Finder:
    """Declare a function that yields what of an app above the open silences hold."""
    _finders.append(finder)
    return finder


def go_on_with(follower: Callable[[], None]) -> Callable[[], None]:
    """Declare what an app above does when a silence holds nothing any more."""
    _followers.append(follower)
    return follower


def others_held(holds: Holds, reader: Reader) -> list[Held]:
    """Everything that was declared and is held."""
    return [held for finder in _finders for held in finder(holds, reader) if held.silences]


def go_on() -> None:
    """Let everybody who declared so go on."""
    for follower in _followers:
        follower()
