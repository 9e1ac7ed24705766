"""Rules that are written in code: what ready-made segments, alert rules and health configs are made of, and how many
such a rule holds for now."""

from __future__ import annotations

from typing import Any

from segments.limits import PreviewTooSlow, bounded
from segments.questions import PREVIEW_LIMIT_MS, Question

Rule = dict[str, Any]


def is_(field: str, op: str, value: Any = None) -> Rule:
    """A condition on a field."""
    return {"field": field, "op": op} | ({} if value is None else {"value": value})


def every(*rules: Rule) -> Rule:
    """All of them hold."""
    return {"match": "all", "rules": list(rules)}


def either(*rules: Rule) -> Rule:
    """Any of them holds."""
    return {"match": "any", "rules": list(rules)}


def days(number: int) -> Rule:
    """A span of local days."""
    return {"n": number, "unit": "day"}


def share(percent: int, of: str) -> Rule:
    """A part of another number of the account, in percent."""
    return {"percent": percent, "of": of}


def number_now(question: Question, viewer: Any = None) -> int | None:
    """For how many of those that a colleague may see (None: all) it holds; None if counting takes too long."""
    members = question.members
    base = members.live() if viewer is None else members.seen_by(viewer)
    try:
        with bounded(PREVIEW_LIMIT_MS):
            return int(members.count(question.matching(base)))
    except PreviewTooSlow:
        return None
