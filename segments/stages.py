"""When in a refresh a segment's members are known: after the latest of the fields and segments that its rule names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from accounts.fields import Stage, Vocabulary
from accounts.fields.uses import texts_in
from segments.models import Segment
from segments.ordering import in_order
from segments.questions import named_in


def stages_of(segments: Iterable[Segment], vocabulary: Vocabulary) -> dict[str, Stage]:
    """The stage of each segment, by key. Rules are read without parsing, so that a broken one has a stage too."""
    found: dict[str, Stage] = {}
    for segment in in_order(segments):
        fields = [vocabulary[key].stage for key in texts_in(segment.rule) if key in vocabulary]
        below = [found[key] for key in named_in(segment.rule) if key in found]
        found[segment.key] = max([Stage.FACTS, *fields, *below])
    return found


def reads_only_stored(segment: Segment, vocabulary: Vocabulary) -> bool:
    """Whether a segment of accounts names nothing but what is stored of an account, so that usage moves none of them.
    The rule is read without parsing: a text that is the key of a field counts as naming it, wherever it stands."""
    if segment.subject != Segment.Subject.ACCOUNT or named_in(segment.rule) or _names_events(segment.rule):
        return False
    return all(vocabulary[key].stored for key in texts_in(segment.rule) if key in vocabulary)


def _names_events(data: Any) -> bool:
    if isinstance(data, dict):
        return "event" in data or any(map(_names_events, data.values()))
    return isinstance(data, list) and any(map(_names_events, data))


def split_by_stage(
    segments: Iterable[Segment], vocabulary: Vocabulary, stage: Stage
) -> tuple[list[Segment], list[Segment]]:
    """Those that are known before a stage, and those known only from it on; each in the order of dependence."""
    ordered = in_order(segments)
    stages = stages_of(ordered, vocabulary)
    early = [segment for segment in ordered if stages[segment.key] < stage]
    return early, [segment for segment in ordered if stages[segment.key] >= stage]
