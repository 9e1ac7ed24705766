"""The form of a trait: inputs into a definition and back. It judges nothing; `usage.traits` says what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from itertools import zip_longest
from typing import Any

from django.http import QueryDict

from accounts.fields import Field, Kind, Vocabulary
from accounts.fields.operators import Shape
from accounts.fields.properties import kind_meant, property_operators
from core.intake import BadValue, clean_text
from usage.traits.definitions import METHODS, Method
from usage.traits.reading import OWNERS
from usage.traits.scores import DEFAULT_BANDS

_NUMERIC, _DATES = (Kind.NUMBER, Kind.MONEY, Kind.PERCENT), (Kind.DATE, Kind.DATETIME)
BLANK_ROWS = 2


def _number(text: str) -> Any:
    """A number as typed; what is none stays text and is refused where definitions are read."""
    plain = text.replace(",", "").strip()
    try:
        found = Decimal(plain) if len(plain) <= 30 else None
    except InvalidOperation:
        found = None
    if found is None or not found.is_finite():
        return text.strip() or None
    return int(found) if found == found.to_integral_value() and abs(found) < 10**20 else float(found)


@dataclass
class TraitDraft:
    """A trait as it stands in the form, and what is wrong with it by JSON pointer."""

    subject: str = "account"
    name: str = ""
    description: str = ""
    active: bool = True
    method: str = "count"
    definition: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def known(self) -> Method:
        """The method, or the first one."""
        return METHODS.get(self.method) or next(iter(METHODS.values()))

    @property
    def needs(self) -> tuple[str, ...]:
        """The inputs to show."""
        return self.known.needs

    def error_lines(self) -> list[str]:
        """What is wrong, each sentence once."""
        return list(dict.fromkeys(self.errors.values()))

    @property
    def event_lines(self) -> str:
        """The events, one a line."""
        given = self.definition.get("event")
        return "\n".join(map(str, given)) if isinstance(given, list) else str(given or "")

    @property
    def weight_lines(self) -> str:
        """The weights of a score, one a line."""
        return _lines(self.definition.get("weights"), "event", "weight")

    @property
    def band_lines(self) -> str:
        """The bands of a score, one a line; those of every score where none are given."""
        given = self.definition.get("bands")
        return _lines(given or [{"name": name, "from": start} for name, start in DEFAULT_BANDS], "name", "from")

    @property
    def window(self) -> dict[str, Any]:
        """The window as its inputs: kind, n, m and unit."""
        found = self.definition.get("window")
        if isinstance(found, Mapping) and "last" in found:
            return {"kind": "last", "n": found["last"], "m": "", "unit": found.get("unit", "day")}
        if isinstance(found, Mapping) and isinstance(found.get("between"), list):
            old, new = (*found["between"], "", "")[:2]
            return {"kind": "between", "n": old, "m": new, "unit": found.get("unit", "day")}
        return {"kind": "ever" if self.definition else "last", "n": 30, "m": "", "unit": "day"}

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The conditions on properties, and two empty ones."""
        found = [item for item in self.definition.get("where") or [] if isinstance(item, Mapping)]
        rows = [
            {
                "property": item.get("property", ""),
                "op": item.get("op", ""),
                "value": _typed(item.get("value")),
                "kind": "number" if _of_numbers(item.get("value")) else "",
            }
            for item in found
        ]
        return rows + [{"property": "", "op": "is", "value": "", "kind": ""}] * BLANK_ROWS


def _lines(items: Any, name: str, number: str) -> str:
    """Pairs as lines like “Report Exported = 5”."""
    found = [item for item in items or [] if isinstance(item, Mapping)]
    return "\n".join(f"{item.get(name, '')} = {item.get(number, '')}" for item in found)


def _typed(value: Any) -> str:
    """A value as a person types it; several with commas between them."""
    return ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)


def read_draft(data: QueryDict, draft: TraitDraft) -> None:
    """Take over what was typed."""
    for name in ("name", "description"):
        setattr(draft, name, _text(data, name))
    draft.active = data.get("active") == "1"
    draft.method = data.get("method", draft.method) if data.get("method") in METHODS else draft.method
    draft.definition = {}
    for name in draft.needs:
        value = _READERS[name](data) if name in _READERS else _text(data, name, 10_000) or None
        if value is not None:
            draft.definition[name] = value


def _text(data: QueryDict, name: str, limit: int = 400) -> str:
    try:
        return clean_text(data.get(name, ""), limit)
    except BadValue:
        return ""


def _events(data: QueryDict) -> Any:
    names = [line.strip() for line in _text(data, "event", 5_000).splitlines() if line.strip()]
    return names[0] if len(names) == 1 else names or None


def _window(data: QueryDict) -> Any:
    kind, unit = data.get("window.kind", "ever"), data.get("window.unit", "day")
    if kind == "last":
        return {"last": _number(data.get("window.n", "")), "unit": unit}
    if kind == "between":
        return {"between": [_number(data.get("window.n", "")), _number(data.get("window.m", ""))], "unit": unit}
    return "ever"


def _of_numbers(value: Any) -> bool:
    """True for a list like [5, 6], as “is any of” may have it."""
    return isinstance(value, list) and bool(value) and not any(isinstance(item, str) for item in value)


def _where(data: QueryDict) -> Any:
    found = []
    known = {op.key: op for op in property_operators()}
    columns = (data.getlist(f"where.{name}") for name in ("property", "op", "value", "kind"))
    for name, key, typed, kind in zip_longest(*columns, fillvalue=""):
        if not name.strip():
            continue
        op = known.get(key)
        shape = op.shape(kind_meant(op, [0] if kind == "number" else None)) if op else Shape.TEXT
        value = _condition_value(shape, typed)
        found.append({"property": name.strip(), "op": key} | ({} if value is None else {"value": value}))
    return found or None


def _condition_value(shape: Shape, typed: str) -> Any:
    """What was typed beside a comparison; several values have commas between them."""
    listed = [item.strip() for item in typed.split(",") if item.strip()]
    if shape is Shape.NONE:
        return None
    if shape in (Shape.RANGE, Shape.NUMBERS):
        return [_number(item) for item in listed]
    if shape is Shape.NUMBER:
        return _number(typed)
    return listed if shape in (Shape.TEXTS, Shape.CHOICES) else typed.strip()


def _pairs(data: QueryDict, name: str) -> list[tuple[str, str]]:
    """Lines like “Report Exported = 5”, each split at its last equals sign."""
    lines = [line for line in _text(data, name, 10_000).splitlines() if line.strip()]
    split = [line.rpartition("=") for line in lines]
    return [(left.strip() or right.strip(), right.strip()) for left, _, right in split]


def _weights(data: QueryDict) -> Any:
    return [{"event": name, "weight": _number(weight)} for name, weight in _pairs(data, "weights")] or None


def _bands(data: QueryDict) -> Any:
    return [{"name": name, "from": _number(start)} for name, start in _pairs(data, "bands")] or None


def _days(data: QueryDict) -> Any:
    return _number(data.get("days", "")) or None


_READERS: dict[str, Callable[[QueryDict], Any]] = {
    "event": _events, "window": _window, "where": _where, "weights": _weights, "bands": _bands, "days": _days,
}  # fmt: skip


def fields_offered(vocabulary: Vocabulary, subject: str, own: str = "") -> dict[str, list[Field]]:
    """The fields that a formula and a tenure may name, by label."""
    mine = [item for item in vocabulary.values() if item.owner in OWNERS[subject] and item.key != own]
    mine.sort(key=lambda item: item.label.lower())
    return {
        "numbers": [item for item in mine if item.kind in _NUMERIC],
        "dates": [item for item in mine if item.kind in _DATES],
    }
