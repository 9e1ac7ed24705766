"""The form of a health config: inputs into a draft, a draft into a definition, and the steps a person takes in it.

Inputs are named by place: `d0.name`, `d0.weight`, `d0m1.field`, `d0m1.good.value`; the rules of a measure are those of
the rule builder under the roots `d0m1good` and `d0m1poor`. The order of the inputs is the order of the config. Values
are taken as typed and judged by `health.definition`, so that a mistake is told at its place and nothing is lost.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict
from django.utils.text import slugify

from accounts.fields import Vocabulary
from core.intake import BadValue, check_depth, whole
from health.definition import GOOD_FROM, LEAST_COVERAGE, POOR_BELOW
from segments.form_values import read_typed_number
from segments.rule_form import Place, Tree, read_form, without_unset

SIDES = ("good", "poor")
_PATH = re.compile(r"(d\d{1,3})(m\d{1,3})?(good|poor)?\.")


@dataclass(eq=False)
class MeasureDraft:
    """A measure as it stands in the form. What was entered for its other kind is kept beside it."""

    path: str = ""
    key: str = ""
    name: str = ""
    weight: Any = 1
    by_rules: bool = False
    field: str = ""
    limits: dict[str, Any] = dataclasses.field(default_factory=lambda: dict.fromkeys(SIDES))
    better: str = ""
    rules: dict[str, Tree] = dataclasses.field(
        default_factory=lambda: {side: {"match": "all", "rules": []} for side in SIDES}
    )
    places: dict[str, dict[str, Place]] = dataclasses.field(default_factory=dict)

    @classmethod
    def stored(cls, data: Any) -> MeasureDraft:
        """From a definition, whatever state it is in."""
        given = data if isinstance(data, dict) else {}
        made = cls(key=str(given.get("key", "")), name=str(given.get("name", "")), weight=given.get("weight", 1))
        made.by_rules = "field" not in given
        made.take(given, by_rules=made.by_rules)
        return made

    def take(self, data: Any, *, by_rules: bool) -> None:
        """Take over what a definition says of one kind."""
        given = data if isinstance(data, dict) else {}
        if by_rules:
            self.rules |= {
                side: tree for side in SIDES if isinstance(tree := given.get(side), dict) and "rules" in tree
            }
        else:
            self.field = str(given.get("field") or "")
            self.limits |= {side: given.get(side) for side in SIDES}
            self.better = str(given.get("better") or "")

    def of_kind(self, *, by_rules: bool) -> dict[str, Any]:
        """What one kind says, as a definition does."""
        if by_rules:
            return dict(self.rules)
        better = {"better": self.better} if self.better and self.mixed else {}
        return {"field": self.field, **self.limits, **better}

    @property
    def mixed(self) -> bool:
        """Whether its limits are of two kinds, so that they do not say which way is better."""
        wholes = [one.get("of") if isinstance(one, dict) else None for one in self.limits.values()]
        return wholes[0] != wholes[1]

    @property
    def kept(self) -> str:
        """The other kind, for a hidden input."""
        return json.dumps(self.of_kind(by_rules=not self.by_rules))


@dataclass(eq=False)
class DimensionDraft:
    """A dimension as it stands in the form."""

    path: str = ""
    key: str = ""
    name: str = ""
    weight: Any = None
    measures: list[MeasureDraft] = dataclasses.field(default_factory=list)


@dataclass(eq=False)
class ConfigDraft:
    """A config as it stands in the form. `segment` is the key of its segment, "" for the default config."""

    name: str = ""
    segment: str = ""
    active: bool = True
    reason: str = ""
    version: int = 0
    dimensions: list[DimensionDraft] = dataclasses.field(default_factory=list)
    good: Any = None
    poor: Any = None
    least_coverage: Any = None

    def take(self, definition: Any) -> None:
        """Take over a stored definition."""
        data = definition if isinstance(definition, dict) else {}
        bands = data.get("bands")
        bands = bands if isinstance(bands, dict) else {}
        self.good, self.poor = bands.get("good", int(GOOD_FROM)), bands.get("poor", int(POOR_BELOW))
        self.least_coverage = data.get("least_coverage", int(LEAST_COVERAGE))
        self.dimensions = [
            DimensionDraft(
                key=str(row.get("key", "")), name=str(row.get("name", "")), weight=row.get("weight"),
                measures=[MeasureDraft.stored(one) for one in _rows(row.get("measures"))],
            )
            for row in _rows(data.get("dimensions"))
        ]  # fmt: skip
        self.number()

    def number(self) -> None:
        """Name every dimension and measure by its place."""
        for d, dimension in enumerate(self.dimensions):
            dimension.path = f"d{d}"
            for m, measure in enumerate(dimension.measures):
                measure.path = f"d{d}m{m}"

    def definition(self) -> dict[str, Any]:
        """The definition that the draft says, to be judged by health.definition."""
        self.give_keys()
        return {
            "dimensions": [
                {
                    "key": one.key, "name": one.name, "weight": one.weight,
                    "measures": [_measure(measure) for measure in one.measures],
                }
                for one in self.dimensions
            ],
            "bands": {"good": self.good, "poor": self.poor},
            "least_coverage": self.least_coverage,
        }  # fmt: skip

    def give_keys(self) -> None:
        """Give what is new a key made of its name; a key stays what it is when the name changes, as history needs."""
        everything: list[DimensionDraft | MeasureDraft] = []
        for dimension in self.dimensions:
            everything += [dimension, *dimension.measures]
        taken = {one.key for one in everything if one.key}
        for one in everything:
            if not one.key:
                stem = slugify(one.name)[:50] or ("dimension" if isinstance(one, DimensionDraft) else "measure")
                one.key = next(key for key in _numbered(stem) if key not in taken)
                taken.add(one.key)

    @property
    def weights(self) -> Any:
        """What the weights of the dimensions add to; None while one of them is no number."""
        given = [one.weight for one in self.dimensions]
        return sum(given) if all(isinstance(one, int | float) for one in given) else None


def _numbered(stem: str) -> Iterable[str]:
    yield stem
    yield from (f"{stem}-{n}" for n in range(2, 1000))


def _rows(data: Any) -> list[Any]:
    return [row for row in data if isinstance(row, dict)] if isinstance(data, list) else []


def _measure(measure: MeasureDraft) -> dict[str, Any]:
    said = {"key": measure.key, "name": measure.name, "weight": measure.weight}
    if measure.by_rules:
        return said | {side: without_unset(tree) for side, tree in measure.rules.items()}
    return said | measure.of_kind(by_rules=False)


def same_definition(one: Any, other: Any) -> bool:
    """Whether two definitions say the same, one of them perhaps without its defaults."""
    drafts = ConfigDraft(), ConfigDraft()
    for draft, definition in zip(drafts, (one, other), strict=True):
        draft.take(definition)
    return drafts[0].definition() == drafts[1].definition()


def read_draft(data: QueryDict, draft: ConfigDraft, vocabulary: Vocabulary) -> None:
    """Take over what was typed."""
    draft.name, draft.segment, draft.reason = data.get("name", ""), data.get("segment", ""), data.get("reason", "")
    draft.active = data.get("active") == "1"
    version = whole(data.get("version"))
    draft.version = draft.version if version is None else version
    draft.good, draft.poor, draft.least_coverage = (
        read_typed_number(data.get(name, "").strip()) for name in ("band.good", "band.poor", "least")
    )
    found: dict[str, DimensionDraft] = {}
    measures: dict[str, MeasureDraft] = {}
    for name in data:
        path = _PATH.match(name)
        if path is None:
            continue
        d, m, _ = path.groups()
        if d not in found:
            found[d] = DimensionDraft(d, data.get(f"{d}.key", ""), *_named(data, d))
        if m and d + m not in measures:
            measures[d + m] = _read_measure(data, d + m, vocabulary)
            found[d].measures.append(measures[d + m])
    draft.dimensions = list(found.values())


def _named(data: QueryDict, path: str) -> tuple[str, Any]:
    name = data.get(f"{path}.name", "").replace("\x00", "").strip()
    return name, read_typed_number(data.get(f"{path}.weight", "").strip())


def _read_measure(data: QueryDict, path: str, vocabulary: Vocabulary) -> MeasureDraft:
    made = MeasureDraft(path, data.get(f"{path}.key", ""), *_named(data, path))
    made.by_rules = data.get(f"{path}.kind") == "rules"
    kept = _kept(data.get(f"{path}.kept", ""))
    if f"{path}.field" in data:
        made.field = data.get(f"{path}.field", "")
        made.limits = {side: _read_limit(data, f"{path}.{side}") for side in SIDES}
        made.better = data.get(f"{path}.better", "")
    else:
        made.take(kept, by_rules=False)
    if any(f"{path}{side}.match" in data for side in SIDES):
        for side in SIDES:
            made.rules[side], made.places[side] = read_form(data, vocabulary, f"{path}{side}")
    else:
        made.take(kept, by_rules=True)
    return made


def _read_limit(data: QueryDict, name: str) -> Any:
    """A number, a percentage of a field, or days ago or ahead, which are negative."""
    value, mode = read_typed_number(data.get(f"{name}.value", "").strip()), data.get(f"{name}.mode", "")
    if mode == "percent":
        return {"percent": value, "of": data.get(f"{name}.of", "")}
    return -value if mode == "ahead" and isinstance(value, int | float) else value


def _kept(text: str) -> Any:
    try:
        check_depth(text)
        return json.loads(text) if text else {}
    except (ValueError, RecursionError, BadValue):
        return {}
