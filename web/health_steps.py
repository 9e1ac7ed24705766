"""The steps of editing a health config: add, remove, move, choose a field, and those inside the rules of a measure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from accounts.fields import Vocabulary
from segments.rule_form import take_step as take_rule_step
from web.health_form import ConfigDraft, DimensionDraft, MeasureDraft

_ROOT = re.compile(r"(d\d{1,3})(m\d{1,3})?(good|poor)?")
NEW = "Product adoption", "Financial", "Service", "Relationship"


def take_step(draft: ConfigDraft, step: str, vocabulary: Vocabulary) -> str:
    """Do one step in the draft, in place, and number it anew. Returns the id of the control where the person goes on.

    The steps are `dimension`, `even`, `add:D[:KEY]`, `rules:D`, `remove:P`, `up:P`, `down:P`, `field:P:KEY`, and
    those of the rule builder below a measure; anything else, and what cannot be done, changes nothing.
    """
    verb, _, rest = step.partition(":")
    path, _, more = rest.partition(":")
    found = _ROOT.match(path)
    focus: Any = None
    if found is None:
        focus = _WHOLE[verb](draft) if verb in _WHOLE else None
    else:
        d, m, side = found.groups()
        dimension = next((one for one in draft.dimensions if one.path == d), None)
        measure = next((one for one in dimension.measures if one.path == d + (m or "")), None) if dimension else None
        if side and measure is not None:
            tree, places = measure.rules[side], measure.places.get(side, {})
            at = take_rule_step(tree, places, step, vocabulary)
            draft.number()
            return "-".join([f"{measure.path}{side}", *map(str, at)]) if at is not None else ""
        if measure is not None and m:
            focus = _MEASURE[verb](draft, dimension, measure, more) if dimension and verb in _MEASURE else None
        elif dimension is not None and not m:
            focus = _DIMENSION[verb](draft, dimension, more) if verb in _DIMENSION else None
    _name_after(vocabulary, draft)
    draft.number()
    return _id(focus)


def _id(focus: Any) -> str:
    if isinstance(focus, MeasureDraft):
        if focus.by_rules:
            return f"name-{focus.path}"
        return f"value-{focus.path}good" if focus.field else f"attr-{focus.path}"
    return f"name-{focus.path}" if isinstance(focus, DimensionDraft) else str(focus or "")


def _add_dimension(draft: ConfigDraft) -> DimensionDraft:
    """The next of the four usual sides that is not there, with what is left of the weights."""
    there = {one.name.lower() for one in draft.dimensions}
    left = draft.weights
    made = DimensionDraft(
        name=next((name for name in NEW if name.lower() not in there), ""),
        weight=100 - left if left is not None and 0 <= left < 100 else None,
    )
    draft.dimensions.append(made)
    return made


def _even(draft: ConfigDraft) -> str:
    """Weights in their present proportions that add to 100, in whole numbers; equal ones where they have none."""
    if not draft.dimensions:
        return "add-dimension"
    given = [one.weight if isinstance(one.weight, int | float) and one.weight > 0 else 0 for one in draft.dimensions]
    whole = sum(given)
    shares = [100 * one / whole if whole else 100 / len(given) for one in given]
    rounded = [int(share) for share in shares]
    most = sorted(range(len(shares)), key=lambda i: rounded[i] - shares[i])
    for i in most[: 100 - sum(rounded)]:
        rounded[i] += 1
    for dimension, weight in zip(draft.dimensions, rounded, strict=True):
        dimension.weight = weight
    return "weight-d0"


def _add_measure(by_rules: bool) -> Callable[[ConfigDraft, DimensionDraft, str], Any]:
    def add(draft: ConfigDraft, dimension: DimensionDraft, key: str) -> Any:
        made = MeasureDraft(by_rules=by_rules, field=key)
        dimension.measures.append(made)
        return made

    return add


def _remove_dimension(draft: ConfigDraft, dimension: DimensionDraft, more: str) -> Any:
    at = draft.dimensions.index(dimension)
    draft.dimensions.remove(dimension)
    return draft.dimensions[min(at, len(draft.dimensions) - 1)] if draft.dimensions else "add-dimension"


def _shift_dimension(by: int) -> Callable[[ConfigDraft, DimensionDraft, str], Any]:
    def shift(draft: ConfigDraft, dimension: DimensionDraft, more: str) -> Any:
        at = draft.dimensions.index(dimension)
        if 0 <= at + by < len(draft.dimensions):
            draft.dimensions.insert(at + by, draft.dimensions.pop(at))
        return dimension

    return shift


def _remove_measure(draft: ConfigDraft, dimension: DimensionDraft, measure: MeasureDraft, more: str) -> Any:
    at = dimension.measures.index(measure)
    dimension.measures.remove(measure)
    if dimension.measures:
        return dimension.measures[min(at, len(dimension.measures) - 1)]
    return f"add-d{draft.dimensions.index(dimension)}"


def _shift_measure(by: int) -> Callable[[ConfigDraft, DimensionDraft, MeasureDraft, str], Any]:
    def shift(draft: ConfigDraft, dimension: DimensionDraft, measure: MeasureDraft, more: str) -> Any:
        """One place up or down; from the end of a dimension into the next one."""
        at, home = dimension.measures.index(measure), draft.dimensions.index(dimension)
        if 0 <= at + by < len(dimension.measures):
            dimension.measures.insert(at + by, dimension.measures.pop(at))
        elif 0 <= home + by < len(draft.dimensions):
            dimension.measures.remove(measure)
            there = draft.dimensions[home + by].measures
            there.insert(len(there) if by < 0 else 0, measure)
        return measure

    return shift


def _choose_field(draft: ConfigDraft, dimension: DimensionDraft, measure: MeasureDraft, key: str) -> Any:
    measure.field = key
    return measure


def _name_after(vocabulary: Vocabulary, draft: ConfigDraft) -> None:
    """Give measures without a name that of their field."""
    for dimension in draft.dimensions:
        for measure in dimension.measures:
            known = vocabulary.get(measure.field)
            if known is not None and not measure.by_rules and not measure.name:
                measure.name = known.label


_WHOLE: dict[str, Callable[[ConfigDraft], Any]] = {"dimension": _add_dimension, "even": _even}
_DIMENSION: dict[str, Callable[[ConfigDraft, DimensionDraft, str], Any]] = {
    "add": _add_measure(by_rules=False), "rules": _add_measure(by_rules=True),
    "remove": _remove_dimension, "up": _shift_dimension(-1), "down": _shift_dimension(1),
}  # fmt: skip
_MEASURE: dict[str, Callable[[ConfigDraft, DimensionDraft, MeasureDraft, str], Any]] = {
    "remove": _remove_measure, "up": _shift_measure(-1), "down": _shift_measure(1), "field": _choose_field,
}  # fmt: skip
