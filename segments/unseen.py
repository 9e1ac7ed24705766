"""Properties of events that a rule names and the newest events do not have: a name misspelled, or a value of another
type than it is compared with."""

from __future__ import annotations

from collections.abc import Iterator

from accounts.fields import Kind, Vocabulary
from accounts.fields.properties import OF_ANY_KIND
from segments.rules.lint import Note
from segments.rules.nodes import Condition, Group, Happened, Sequence, walk

_AS = {Kind.TEXT: "a text", Kind.NUMBER: "a number", Kind.BOOLEAN: "yes or no"}
Named = tuple[str, str, str, Kind | None]


def unseen_properties(rule: Group, vocabulary: Vocabulary) -> list[Note]:
    """A remark for each property of a rule that no newest event of its name has, or none as what it is compared with.

    Of an event that is not among the newest nothing is said. Reads them by one statement if the rule names a property.
    """
    named = list(dict.fromkeys(_named(rule)))
    lately = vocabulary.event_properties if named else {}
    return [
        Note(pointer, "no-data", said)
        for event, pointer, name, kind in named
        if event in lately and (said := _said(event, name, kind, lately[event].get(name, ())))
    ]


def _said(event: str, name: str, kind: Kind | None, kinds: tuple[Kind, ...]) -> str:
    if not kinds:
        return f"None of the latest events “{event}” has a property “{name}”. Check how it is spelled."
    if kind is None or kind in kinds:
        return ""
    found = " or ".join(_AS[one] for one in kinds)
    return f"In the latest events “{event}” the property “{name}” is {found}, and not {_AS[kind]} as here."


def _named(rule: Group) -> Iterator[Named]:
    """Event, place, property, and the kind as which it is compared (None: any), of everything in a rule."""
    for node in walk(rule):
        if isinstance(node, Happened):
            if node.measure.of:
                yield (
                    node.event,
                    node.pointer,
                    node.measure.of,
                    None if node.measure.name == "distinct" else Kind.NUMBER,
                )
            yield from _filtered(node.event, node.where)
        elif isinstance(node, Sequence):
            for step in (node.first, node.second):
                yield from _filtered(step.event, step.where)


def _filtered(event: str, where: Group | None) -> Iterator[Named]:
    for node in walk(where) if where is not None else ():
        if isinstance(node, Condition):
            kind = None if node.op.key in OF_ANY_KIND else node.field.kind
            yield event, node.pointer, node.field.label, kind
