"""The rule builder's form: fields by path into a tree of JSON, and the steps a person takes in it.

A node's inputs are named `<root>.<place>.<place>.<what>`: `n.match`, `n.0.field`, `n.0.op`, `n.0.value`, `n.3.match`,
`n.3.0.field`. The order of the inputs is the order of the tree; places are only names. Values are taken as typed and
judged by `segments.rules.tree.parse`, so that a mistake is reported at its place and nothing is lost. The dashboard
and the admin share this module; it reads no database.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from django.http import QueryDict

from accounts.fields import Kind, Owner, Vocabulary
from accounts.fields.operators import OPERATORS, operators_for
from core.intake import whole
from segments.event_form import (
    EVENT_FIELD,
    PROPERTY_FIELD,
    another_event,
    new_event,
    read_event,
    read_property_row,
    without_empty_filter,
)
from segments.form_values import READ_SHAPE, Entry, read_typed_number, typed_span
from segments.rules.operators import SEGMENT_OPERATORS
from segments.rules.tree import COUNTED

Tree = dict[str, Any]
Place = tuple[int, ...]
OF, OF_PATH = -1, "o0"  # in a place, and in a path: the group that says which users are looked at
SEGMENT_FIELD = "segment"
USER_SEGMENT_FIELD = "user_segment"
MAX_LEVELS = 12
_PLACE = re.compile(r"[a-z]?\d{1,6}")
_DEFAULT_OP = {
    Kind.CHOICE: "any_of",
    Kind.PERSON: "any_of",
    Kind.DATE: "within_next",
    Kind.DATETIME: "within_last",
} | dict.fromkeys((Kind.NUMBER, Kind.MONEY, Kind.PERCENT), "at_least")


def read_form(
    data: QueryDict | Mapping[str, Any], vocabulary: Vocabulary, root: str = "n"
) -> tuple[Tree, dict[str, Place]]:
    """The tree that a form says, and for each path in the form the place it has in that tree."""
    top = Entry()
    for name in data:
        parts = name.split(".")
        if parts[0] != root or not 2 <= len(parts) <= MAX_LEVELS or not all(_PLACE.fullmatch(p) for p in parts[1:-1]):
            continue
        entry = top
        for place in parts[1:-1]:
            entry = entry.below.setdefault(place, Entry())
        entry.values[parts[-1]] = data.getlist(name) if isinstance(data, QueryDict) else [str(data[name])]
    places: dict[str, Place] = {root: ()}
    return _group(top, vocabulary, root, (), places), places


def _group(entry: Entry, vocabulary: Vocabulary, path: str, at: Place, places: dict[str, Place]) -> Tree:
    rules: list[Tree] = []
    for name, below in entry.below.items():
        here = (*at, len(rules))
        places[f"{path}.{name}"] = here
        rules.append(_node(below, vocabulary, f"{path}.{name}", here, places))
    return {"match": entry.one("match") or "all", "rules": rules}


def _node(entry: Entry, vocabulary: Vocabulary, path: str, at: Place, places: dict[str, Place]) -> Tree:
    if rows := entry.one("rows"):
        quantifier: Any = entry.one("quantifier") or "any"
        if quantifier in COUNTED:
            quantifier = {quantifier: read_typed_number(entry.one("amount"))}
        name = rows if rows in ("users", "subscriptions") else "users"
        of = entry.below.pop(OF_PATH, None)
        node = {name: quantifier, "where": _group(entry, vocabulary, path, at, places)}
        if of is not None:
            places[f"{path}.{OF_PATH}"] = (*at, OF)
            node["of"] = _group(of, vocabulary, f"{path}.{OF_PATH}", (*at, OF), places)
        return node
    if "match" in entry.values:
        return _group(entry, vocabulary, path, at, places)
    if "event" in entry.values:
        below = _group(entry, vocabulary, path, at, places) if entry.below else None
        return read_event(entry, below["rules"] if below else [])
    if "property" in entry.values:
        return read_property_row(entry)
    if entry.one("field") == SEGMENT_FIELD:
        return _segment(entry)
    return _condition(entry, vocabulary)


def _segment(entry: Entry) -> Tree:
    op = entry.one("op") or "in"
    node: Tree = {"segment": entry.one("segment"), "op": op}
    known = SEGMENT_OPERATORS.get(op)
    return node | {"value": typed_span(entry)} if known and known.span else node


def _condition(entry: Entry, vocabulary: Vocabulary) -> Tree:
    key, op = entry.one("field"), entry.one("op")
    if key.startswith(EVENT_FIELD):
        return new_event(key)
    found = vocabulary.get(key)
    if found is None:
        return (
            {"field": key} | ({"op": op} if op else {}) | ({"value": entry.one("value")} if entry.one("value") else {})
        )
    known = OPERATORS.get(op)
    if known is None or found.kind not in known.shapes:
        op = default_operator(found.kind)
        known = OPERATORS[op]
    value = READ_SHAPE[known.shape(found.kind)](entry)
    return {"field": key, "op": op} | ({} if value is None else {"value": value})


def default_operator(kind: Kind) -> str:
    """The comparison that a new condition begins with."""
    return _DEFAULT_OP.get(kind) or operators_for(kind)[0].key


def children(node: Tree) -> list[Tree]:
    """The nodes right below a node; a condition has none."""
    if "rules" in node:
        return list_of(node, "rules")
    where = node.get("where")
    return list_of(where, "rules") if isinstance(where, dict) else []


def list_of(node: Tree, name: str) -> list[Any]:
    """A list under a name; what is no list counts as empty."""
    found = node.get(name)
    return found if isinstance(found, list) else []


def without_unset(node: Tree) -> Tree:
    """The tree without conditions whose attribute was never chosen."""
    if isinstance(of := node.get("of"), dict):
        of = without_unset(of)
        node = node | {"of": of} if children(of) else {key: node[key] for key in node if key != "of"}
    kept = [without_unset(child) for child in children(node) if child.get("field") not in ("", PROPERTY_FIELD)]
    if "rules" in node:
        return node | {"rules": kept}
    if "event" in node:
        return without_empty_filter(node | ({"where": node["where"] | {"rules": kept}} if "where" in node else {}))
    return node | {"where": node["where"] | {"rules": kept}} if isinstance(node.get("where"), dict) else node


def take_step(tree: Tree, places: Mapping[str, Place], step: str, vocabulary: Vocabulary) -> Place | None:
    """Do one step of editing in the tree, in place. Returns the place where the person goes on.

    The steps are `add:PATH[:FIELD]`, `group:PATH`, `field:PATH:FIELD`, `remove:PATH`, `up:PATH`, `down:PATH`,
    `copy:PATH`, `wrap:PATH`, `out:PATH`, `negate:PATH`, `of:PATH` (say which users are looked at) and
    `drop:PATH:NUMBER`; anything else, and what cannot be done, changes nothing.
    """
    verb, _, rest = step.partition(":")
    path, _, more = rest.partition(":")
    at = places.get(path)
    if verb not in _STEPS or at is None or (not at and verb not in ("add", "group")):
        return None
    if at and at[-1] == OF and verb not in ("add", "group", "remove"):
        return None
    return _STEPS[verb](tree, at, more, vocabulary)


def node_at(tree: Tree, at: Place) -> Tree:
    """The node at a place."""
    for index in at:
        tree = tree["of"] if index == OF else children(tree)[index]
    return tree


def new_condition(key: str, vocabulary: Vocabulary) -> Tree:
    """A condition on a field, with its first comparison and no value yet."""
    if key in (SEGMENT_FIELD, USER_SEGMENT_FIELD):
        return {"segment": "", "op": "in"}
    if key.startswith(EVENT_FIELD):
        return new_event(key)
    if key == PROPERTY_FIELD:
        return {"field": key, "op": "is"}
    found = vocabulary.get(key)
    node: Tree = {"field": key if found else ""}
    return node | {"op": default_operator(found.kind)} if found else node


def wrapped(node: Tree, vocabulary: Vocabulary, inside: str, key: str = "") -> Tree:
    """A condition on users or subscriptions in a group that says how many of them, unless it stands in one."""
    found = vocabulary.get(node.get("field", ""))
    rows = vocabulary.rows_of(found.owner) if found else None
    if key == USER_SEGMENT_FIELD:
        rows = vocabulary.rows_of(Owner.USER)
    if rows is None or rows.name not in ("users", "subscriptions") or inside == rows.name:
        return node
    return {rows.name.value: "any", "where": {"match": "all", "rules": [node]}}


def rows_around(tree: Tree, at: Place) -> str:
    """The row set of the quantified group that a place stands in; empty outside of one."""
    for depth in range(len(at) + 1):
        node = node_at(tree, at[:depth])
        for name in ("users", "subscriptions"):
            if name in node:
                return name
    return ""


def _add(tree: Tree, at: Place, key: str, vocabulary: Vocabulary) -> Place:
    node = wrapped(new_condition(key, vocabulary), vocabulary, rows_around(tree, at), key)
    around = node_at(tree, at)
    if "event" in around:
        around.setdefault("where", {"match": "all", "rules": []})
    below = children(around)
    below.append(node)
    return (*at, len(below) - 1, 0) if "where" in node else (*at, len(below) - 1)


def _add_group(tree: Tree, at: Place, key: str, vocabulary: Vocabulary) -> Place:
    below = children(node_at(tree, at))
    below.append({"match": "any", "rules": []})
    return (*at, len(below) - 1)


def _change_field(tree: Tree, at: Place, key: str, vocabulary: Vocabulary) -> Place:
    """Another attribute; comparison and value stay if they fit."""
    old = node_at(tree, at)
    if key.startswith(EVENT_FIELD) and "event" in old:
        old["event"] = another_event(key)
        return at
    new = wrapped(new_condition(key, vocabulary), vocabulary, rows_around(tree, at), key)
    found, op = vocabulary.get(key), OPERATORS.get(str(old.get("op")))
    if found and op and "where" not in new and found.kind in op.shapes:
        new["op"] = op.key
        before = vocabulary.get(str(old.get("field")))
        if "value" in old and before and before.kind in op.shapes and before.kind is found.kind and not found.choices():
            new["value"] = old["value"]
    siblings = children(node_at(tree, at[:-1]))
    siblings[at[-1]] = new
    return (*at, 0) if "where" in new else at


def _add_of(tree: Tree, at: Place, key: str, vocabulary: Vocabulary) -> Place:
    """A group, empty yet, that says which users are looked at."""
    node = node_at(tree, at)
    if "users" in node:
        node.setdefault("of", {"match": "all", "rules": []})
    return (*at, OF) if "of" in node else at


def _remove(tree: Tree, at: Place, key: str, vocabulary: Vocabulary) -> Place:
    if at[-1] == OF:
        del node_at(tree, at[:-1])["of"]
        return at[:-1]
    siblings = children(node_at(tree, at[:-1]))
    del siblings[at[-1]]
    around = node_at(tree, at[:-1])
    if "event" in around and not siblings:
        del around["where"]
    return (*at[:-1], min(at[-1], len(siblings) - 1)) if siblings else at[:-1]


def _shift(by: int) -> Callable[[Tree, Place, str, Vocabulary], Place]:
    def shift(tree: Tree, at: Place, key: str, vocabulary: Vocabulary) -> Place:
        siblings = children(node_at(tree, at[:-1]))
        if not 0 <= at[-1] + by < len(siblings):
            return at
        siblings.insert(at[-1] + by, siblings.pop(at[-1]))
        return (*at[:-1], at[-1] + by)

    return shift


def _copy(tree: Tree, at: Place, key: str, vocabulary: Vocabulary) -> Place:
    children(node_at(tree, at[:-1])).insert(at[-1] + 1, _deep_copy(node_at(tree, at)))
    return (*at[:-1], at[-1] + 1)


def _deep_copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _deep_copy(item) for key, item in value.items()}
    return [_deep_copy(item) for item in value] if isinstance(value, list) else value


def _wrap(tree: Tree, at: Place, key: str, vocabulary: Vocabulary) -> Place:
    siblings = children(node_at(tree, at[:-1]))
    siblings[at[-1]] = {"match": "any", "rules": [siblings[at[-1]]]}
    return (*at, 0)


def _out(tree: Tree, at: Place, key: str, vocabulary: Vocabulary) -> Place:
    """Out of its group, to right behind it; a group that becomes empty goes."""
    if len(at) < 2 or at[-2] == OF or "where" in node_at(tree, at[:-1]):
        return at
    node = children(node_at(tree, at[:-1])).pop(at[-1])
    above = children(node_at(tree, at[:-2]))
    empty = not children(above[at[-2]])
    above[at[-2] : at[-2] + 1] = [node] if empty else [above[at[-2]], node]
    return (*at[:-2], at[-2] + (0 if empty else 1))


def _negate(tree: Tree, at: Place, key: str, vocabulary: Vocabulary) -> Place:
    """The exact opposite: the operator's twin where there is one, else a group of which none may match."""
    siblings, node = children(node_at(tree, at[:-1])), node_at(tree, at)
    twin = _opposite(node)
    if node.get("match") in ("any", "none"):
        node["match"] = "none" if node["match"] == "any" else "any"
    elif twin:
        node["op"] = twin
    else:
        siblings[at[-1]] = {"match": "none", "rules": [node]}
    return at


def negates_in_place(node: Any) -> bool:
    """Whether its opposite needs no group around it."""
    return isinstance(node, dict) and (node.get("match") in ("any", "none") or bool(_opposite(node)))


def _opposite(node: Tree) -> str:
    table: Mapping[str, Any] = SEGMENT_OPERATORS if "segment" in node else OPERATORS if "field" in node else {}
    return _twin(str(node.get("op", "")), table)


def _twin(op: str, table: Mapping[str, Any]) -> str:
    known = table.get(op)
    if known is None or op == "is_unassigned":
        return "is_set" if op == "is_unassigned" else ""
    return known.negates or next(
        (key for key, item in table.items() if item.negates == op and key != "is_unassigned"), ""
    )


def _drop(tree: Tree, at: Place, number: str, vocabulary: Vocabulary) -> Place:
    """One of several values."""
    values = node_at(tree, at).get("value")
    if isinstance(values, list) and (place := whole(number, len(values) - 1)) is not None:
        del values[place]
    return at


_STEPS: dict[str, Callable[[Tree, Place, str, Vocabulary], Place]] = {
    "add": _add, "group": _add_group, "field": _change_field, "remove": _remove, "up": _shift(-1), "down": _shift(1),
    "copy": _copy, "wrap": _wrap, "out": _out, "negate": _negate, "drop": _drop, "of": _add_of,
}  # fmt: skip
