"""A draft of a health config as its editor shows it: every control with what it holds, and every mistake beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from accounts.fields import Field, Kind, Owner, Stage, Vocabulary
from core.refusals import Problem
from health.definition import HIGHER, LOWER, Limit, usual_direction
from segments.questions import Reader
from segments.rule_view import ICONS, RuleView, rule_view
from web.health_form import SIDES, ConfigDraft, DimensionDraft, MeasureDraft

DIRECTIONS = {HIGHER: "more is better", LOWER: "less is better"}
DATES = (Kind.DATE, Kind.DATETIME)
MARKS = "#$%D"  # of the fields in the picker that a measure by number can read
_PLACE = re.compile(r"/dimensions/(\d+)(?:/measures/(\d+))?(?:/(.*))?$", re.S)
_PLAIN = {
    "/name": "name", "/segment": "segment", "/bands/good": "good-from", "/bands/poor": "poor-below",
    "/least_coverage": "least", "/dimensions": "weights", "/reason": "reason",
}  # fmt: skip


@dataclass
class Slot:
    """Where the mistakes of one or two controls are told; `dom` is its id, `wrong` the ids of the controls."""

    dom: str
    messages: list[str] = field(default_factory=list)
    wrong: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class LimitView:
    """One side of a measure by number: what is typed, how it is meant, and the fields it may be a share of."""

    side: str
    name: str
    dom: str
    value: str
    mode: str
    of: str
    modes: list[tuple[str, str]]
    slot: Slot


@dataclass(frozen=True)
class MeasureView:
    """One measure."""

    path: str
    draft: MeasureDraft
    weight: str
    named: Field | None
    icon: str
    limits: list[LimitView]
    directions: list[tuple[str, str]]
    rules: list[tuple[str, RuleView, Slot]]
    head: Slot
    chosen: Slot
    first: bool
    last: bool


@dataclass(frozen=True)
class DimensionView:
    """One dimension with its measures."""

    path: str
    draft: DimensionDraft
    weight: str
    measures: list[MeasureView]
    head: Slot
    first: bool
    last: bool


@dataclass
class EditorView:
    """The whole editor. `summary` lists every mistake with the id of its control."""

    dimensions: list[DimensionView]
    slots: dict[str, Slot]
    summary: list[tuple[str, str]]
    others: list[Field]
    fields: list[tuple[str, list[Field]]]
    weights: str

    @property
    def plain(self) -> dict[str, Slot]:
        """The slots that stand for themselves, by a short name."""
        return {control.replace("-", "_"): self.slots[f"error-{control}"] for control in _PLAIN.values()}

    def rule_nodes(self) -> list[Any]:
        """Every node of every rule, for their mistakes."""
        views = [view for one in self.dimensions for measure in one.measures for _, view, _ in measure.rules]
        return [node for view in views for node in view.by_pointer().values() if node.pointer]


def editor_view(draft: ConfigDraft, reader: Reader, problems: Iterable[Problem] = ()) -> EditorView:
    """Build what the editor shows, with the problems at their places."""
    return _Builder(reader, list(problems)).whole(draft)


def measurable(vocabulary: Vocabulary) -> list[Field]:
    """The fields that a measure by number can read: numbers and dates of the account, known before health is."""
    return [
        one for one in vocabulary.values()
        if one.owner is Owner.ACCOUNT and one.stage < Stage.HEALTH and (one.kind.numeric or one.kind in DATES)
    ]  # fmt: skip


def before_health(vocabulary: Vocabulary) -> Vocabulary:
    """The fields that the picker of the editor offers: those that are known before health is scored."""
    return vocabulary.only(lambda one: one.stage < Stage.HEALTH)


class _Builder:
    """Walks a draft that may be wrong anywhere and never fails."""

    def __init__(self, reader: Reader, problems: Sequence[Problem]) -> None:
        self.reader, self.problems = reader, problems
        self.slots: dict[str, Slot] = {}
        self.summary: list[tuple[str, str]] = []
        fields = measurable(reader.vocabulary)
        self.others = sorted((one for one in fields if one.kind.numeric), key=lambda one: one.label.lower())
        by_shelf: dict[str, list[Field]] = {}
        for one in fields:
            by_shelf.setdefault(one.category.value, []).append(one)
        self.fields = list(by_shelf.items())

    def whole(self, draft: ConfigDraft) -> EditorView:
        """Everything."""
        for dom in _PLAIN.values():
            self.slot(f"error-{dom}")
        dimensions = [self.dimension(draft, i) for i in range(len(draft.dimensions))]
        self.tell(draft, {view.path: view for one in dimensions for view in one.measures})
        weights = draft.weights
        text = "" if weights is None else typed(round(weights, 6))
        return EditorView(dimensions, self.slots, self.summary, self.others, self.fields, text)

    def slot(self, dom: str) -> Slot:
        """The slot of an id."""
        return self.slots.setdefault(dom, Slot(dom))

    def dimension(self, draft: ConfigDraft, i: int) -> DimensionView:
        """One dimension."""
        one, count = draft.dimensions[i], len(draft.dimensions)
        measures = [self.measure(draft, i, m) for m in range(len(one.measures))]
        head = self.slot(f"error-{one.path}")
        return DimensionView(one.path, one, typed(one.weight), measures, head, i == 0, i == count - 1)

    def measure(self, draft: ConfigDraft, i: int, m: int) -> MeasureView:
        """One measure, with the problems of its rules in their own views."""
        home = draft.dimensions[i].measures
        one = home[m]
        known = self.reader.vocabulary.get(one.field)
        rules = []
        if one.by_rules:
            for side in SIDES:
                at = f"/dimensions/{i}/measures/{m}/{side}"
                mine = [
                    Problem(p.pointer.removeprefix(at), p.code, p.message, p.allowed)
                    for p in self.problems
                    if p.pointer == at or p.pointer.startswith(f"{at}/")
                ]
                view = rule_view(one.rules[side], self.reader, root=f"{one.path}{side}", problems=mine)
                rules.append((side, view, self.slot(f"error-{one.path}{side}")))
        return MeasureView(
            one.path, one, typed(one.weight), known, ICONS.get(known.category, "tag") if known else "",
            [] if one.by_rules else [self.limit(one, side, known) for side in SIDES],
            self.directions(one, known), rules,
            self.slot(f"error-{one.path}"), Slot("") if one.by_rules else self.slot(f"error-field-{one.path}"),
            first=i == m == 0, last=i == len(draft.dimensions) - 1 and m == len(home) - 1,
        )  # fmt: skip

    def limit(self, one: MeasureDraft, side: str, known: Field | None) -> LimitView:
        """One side by number; of a date it is days ago or ahead."""
        given, dom = one.limits.get(side), f"{one.path}{side}"
        share = isinstance(given, dict)
        value, of = (given.get("percent"), str(given.get("of") or "")) if isinstance(given, dict) else (given, "")
        modes, mode = [("number", unit_of(known, self.reader.currency))], "percent" if share else "number"
        if known is not None and known.kind in DATES:
            modes = [("number", "days ago"), ("ahead", "days ahead")]
            if not share and isinstance(value, int | float) and value < 0:
                mode, value = "ahead", -value
        if share or known is None or known.kind not in DATES:
            modes.append(("percent", "% of"))
        return LimitView(side, f"{one.path}.{side}", dom, typed(value), mode, of, modes, self.slot(f"error-{dom}"))

    def directions(self, one: MeasureDraft, known: Field | None) -> list[tuple[str, str]]:
        """The two ways in which it can be better, the present one first; none where its limits say it. The usual way
        needs no word in the definition."""
        if one.by_rules or not one.mixed:
            return []
        good, poor = (self.meant(one.limits.get(side)) for side in SIDES)
        usual = usual_direction(known, good, poor)
        found = [("" if way == usual and one.better != way else way, words) for way, words in DIRECTIONS.items()]
        return sorted(found, key=lambda way: way[0] != one.better)

    def meant(self, given: Any) -> Limit:
        """A limit as far as it is typed."""
        share = given if isinstance(given, dict) else {}
        number = share.get("percent") if share else given
        typed_yet = isinstance(number, int | float)
        return Limit(
            Decimal(str(number)) if typed_yet else Decimal(0), self.reader.vocabulary.get(str(share.get("of")))
        )

    def tell(self, draft: ConfigDraft, measures: dict[str, MeasureView]) -> None:
        """Put each problem at its place, and in the summary with the id of its control."""
        for problem in self.problems:
            found = _PLACE.match(problem.pointer)
            if found is None:
                control = _PLAIN.get(problem.pointer, "weights")
                self.put(f"error-{control}", control, problem.message)
                continue
            i, m, rest = int(found[1]), found[2], found[3] or ""
            label, path = draft.dimensions[i].name or f"Dimension {i + 1}", f"d{i}"
            if m is None:
                control = {"weight": f"weight-{path}", "measures": f"add-{path}"}.get(rest, f"name-{path}")
                self.put(f"error-{path}", control, problem.message, label)
                continue
            view = measures[f"d{i}m{m}"]
            label = f"{label}, {view.draft.name or f'measure {int(m) + 1}'}"
            self.at_measure(view, rest, problem.message, label)

    def at_measure(self, view: MeasureView, rest: str, message: str, label: str) -> None:
        """A problem of one measure."""
        side = rest.split("/")[0]
        if side == "field":
            self.put(view.chosen.dom, f"attr-{view.path}", message, label)
        elif side not in SIDES:
            control = f"{'weight' if side == 'weight' else 'name'}-{view.path}"
            self.put(view.head.dom, control, message, label)
        elif not view.draft.by_rules:
            self.put(f"error-{view.path}{side}", f"value-{view.path}{side}", message, f"{label}, {side.title()}")
        else:
            rule = next(rule for name, rule, _ in view.rules if name == side)
            nodes, pointer = rule.by_pointer(), rest[len(side) :]
            while pointer and pointer not in nodes:
                pointer = pointer.rpartition("/")[0]
            control = f"row-{nodes[pointer].dom}" if pointer else f"add-{view.path}{side}"
            self.summary.append((control, f"{label}, {side.title()}: {message}"))
            if not pointer:
                self.slot(f"error-{view.path}{side}").messages.append(message)

    def put(self, slot: str, control: str, message: str, label: str = "") -> None:
        """One message in its slot and in the summary."""
        found = self.slot(slot)
        found.messages.append(message)
        found.wrong.add(control)
        self.summary.append((control, f"{label}: {message}" if label else message))


def unit_of(known: Field | None, currency: str) -> str:
    """What a plain number of a field is, for the list of ways to give a limit."""
    if known is None:
        return "number"
    return currency if known.kind is Kind.MONEY else "%" if known.kind is Kind.PERCENT else known.unit or "number"


def typed(value: Any) -> str:
    """A value as it stands in an input."""
    if value is None:
        return ""
    if isinstance(value, Decimal | float):
        return f"{value:f}".rstrip("0").rstrip(".") if "." in f"{value:f}" else f"{value:f}"
    return str(value)
