"""Which rules are held: those that read an event which a silent feed brought lately, or usage as such.

One function for everything that is evaluated: segments, levels and the measures of health ask it; alerts and milestones
ask by their internal segments. A rule that reads another segment, or health, needs no hold for that: what it reads is
held itself and stands still.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from accounts.fields import Category, Vocabulary
from segments.rules.nodes import Group, events_of, fields_of
from usage.feeds.models import FeedSilence
from usage.feeds.watching import Silences, silences
from usage.traits.models import Trait

USER_SEEN = "user.last_seen_at"
SQL_TABLES = ("events", "daily_usage")


@dataclass
class Reads:
    """What of usage a rule reads: the numbers of events, or all of it."""

    events: set[int] = field(default_factory=set)
    everything: bool = False


@dataclass(frozen=True)
class Holds:
    """The silences of one piece of work, and what is needed to judge rules against them."""

    silences: Silences
    vocabulary: Vocabulary
    traits: dict[str, Any]

    @classmethod
    def now(cls, vocabulary: Vocabulary) -> Holds:
        """As it is at this moment; one query while no feed is silent."""
        found = silences()
        rows = Trait.objects.filter(active=True) if found.open else []
        traits = {key: (row.method, row.definition) for row in rows for key in (row.field_key, row.band_key)}
        return cls(found, vocabulary, traits)

    def of(self, rule: Group) -> list[FeedSilence]:
        """The silences for which a rule is held; none means that it is evaluated."""
        return self.of_reads(fields_of(rule), events_of(rule)) if self.silences.open else []

    def of_reads(self, keys: Collection[str], events: Collection[str]) -> list[FeedSilence]:
        """The same for whatever reads these fields, by their keys, and these events, by their names."""
        if not self.silences.open:
            return []
        reads = self._reads(keys, events)
        return self.silences.open if reads.everything else self.silences.of_events(reads.events)

    def reason(self, rule: Group) -> str:
        """Why a rule is held, in a sentence; empty if it is not."""
        return in_words(self.of(rule))

    def _reads(self, keys: Collection[str], names: Collection[str]) -> Reads:
        """Follows traits to what they are made of."""
        numbers = self.vocabulary.event_names
        reads, seen, todo = Reads({numbers[name] for name in names if name in numbers}), set[str](), list(keys)
        while todo:
            key = todo.pop()
            if key in seen:
                continue
            seen.add(key)
            known = self.vocabulary.get(key)
            reads.everything |= key == USER_SEEN or (known is not None and known.category is Category.USAGE)
            method, definition = self.traits.get(key, ("", None))
            texts = _texts(definition)
            reads.everything |= method == "sql" and any(name in text for text in texts for name in SQL_TABLES)
            reads.events |= {numbers[text] for text in texts if text in numbers}
            todo += [text for text in texts if text in self.vocabulary]
        return reads


def in_words(held_for: Collection[FeedSilence]) -> str:
    """Held since …, because … is silent, or low."""
    if not held_for:
        return ""
    first = min(silence.since for silence in held_for)
    names = ", ".join(sorted({silence.feed.source for silence in held_for}))
    back = all(silence.ended_at for silence in held_for)
    kind = "low" if all(silence.is_thin for silence in held_for) else "silent"
    state = f"was {kind} and its data is still filling up" if back else f"is {kind}"
    return f"Held since {first.day} {first:%b %Y, %H:%M} UTC, because {names} {state}."


def _texts(data: Any) -> set[str]:
    """Every text of a definition, keys too."""
    if isinstance(data, str):
        return {data}
    if isinstance(data, dict):
        return set(map(str, data)).union(*(_texts(item) for item in data.values()))
    return set().union(*(_texts(item) for item in data)) if isinstance(data, list) else set()
