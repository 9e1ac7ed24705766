"""The explanation that an alert keeps, in one line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from core.intake import short

MOST, LONGEST = 2, 240


def reason_of(why: Mapping[str, Any]) -> str:
    """The conditions that were met, those of the alert's own rule before the segments it aims at: "Licences is at
    most 5 (4)". Empty without an explanation."""
    met = [leaf for leaf in _leaves(why) if leaf.get("met")]
    own = [leaf for leaf in met if leaf.get("kind") != "segment"] or met
    said = short("; ".join(_said(leaf) for leaf in own[:MOST]), LONGEST)
    return said[:1].upper() + said[1:]


def say_the_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two explanations of the same conditions differ in nothing but the moment."""
    first, second = ([(leaf.get("met"), _said(leaf)) for leaf in _leaves(why)] for why in (one, other))
    return first == second


def _leaves(outcome: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    below = outcome.get("outcomes") or ()
    if not below and outcome.get("needed"):
        yield outcome
    for one in below:
        yield from _leaves(one)


def _said(leaf: Mapping[str, Any]) -> str:
    actual = leaf.get("actual") or ""
    return f"{leaf['needed']} ({actual})" if actual else str(leaf["needed"])
