"""The comparisons with a segment; those of fields are in `accounts.fields.operators`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SegmentOperator:
    """A comparison of a member with a segment; `span` says that it needs "in the last N"."""

    key: str
    words: str
    span: bool = False
    negates: str = ""


SEGMENT_OPERATORS: dict[str, SegmentOperator] = {
    operator.key: operator
    for operator in (
        SegmentOperator("in", "is in"),
        SegmentOperator("not_in", "is not in", negates="in"),
        SegmentOperator("entered", "entered", span=True),
        SegmentOperator("left", "left", span=True),
    )
}
