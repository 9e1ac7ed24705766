"""Segments inside segments: which must be refreshed before which, and no circles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from segments.models import Segment
from segments.questions import named_in


class CircularSegments(ValueError):
    """Segments that depend on each other; `path` names them, the first one again at the end."""

    def __init__(self, path: list[str]) -> None:
        self.path = path
        super().__init__(" → ".join(path))


def topological(edges: Mapping[str, set[str]]) -> list[str]:
    """Keys so that each comes after those it names. Raises CircularSegments with the path of the circle."""
    try:
        return list(TopologicalSorter(edges).static_order())
    except CycleError as error:
        raise CircularSegments(list(reversed(error.args[1]))) from error


def edges_of(segments: Iterable[Segment]) -> dict[str, set[str]]:
    """What each segment names, by key."""
    return {segment.key: named_in(segment.rule) for segment in segments}


def in_order(segments: Iterable[Segment]) -> list[Segment]:
    """Segments so that each comes after those it names. A circle made behind our back does not stop it."""
    by_key = {segment.key: segment for segment in segments}
    edges = {key: named & by_key.keys() for key, named in edges_of(by_key.values()).items()}
    while True:
        try:
            order = topological(edges)
            break
        except CircularSegments as circle:
            for key in circle.path:
                edges[key] = set()
    return [by_key[key] for key in order]


def with_dependents(keys: set[str], segments: Iterable[Segment]) -> list[Segment]:
    """These segments and all that depend on them, each after those it names."""
    found, wanted = in_order(segments), set(keys)
    chosen = []
    for segment in found:
        if segment.key in wanted or named_in(segment.rule) & wanted:
            wanted.add(segment.key)
            chosen.append(segment)
    return chosen
