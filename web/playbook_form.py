"""The form of a playbook: inputs into a draft, a draft into a definition, and the steps a person takes in it.

Inputs are named by place: `s0.kind`, `s0.title`, `s1.amount`; the rules are those of the rule builder under the roots
`goal`, `exit` and `s2rule`. The order of the inputs is the order of the steps. Values are taken as typed and judged by
`alerts.playbooks.definition`, so that a mistake is told at its place and nothing is lost.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict
from django.utils.text import slugify

from accounts.fields import Vocabulary
from alerts.models import Playbook
from alerts.playbooks.steps import LABELS
from core.intake import whole
from segments.form_values import read_typed_number
from segments.rule_form import Place, Tree, read_form, without_unset
from segments.rule_form import take_step as take_rule_step

_PATH = re.compile(r"(s\d{1,3})(rule)?[.:]")
_ROOT = re.compile(r"(goal|exit|(s\d{1,3})rule)([.:]|$)")
TEXTS = ("key", "next", "title", "text", "role", "to", "at", "otherwise", "field", "value", "subject", "users", "url",
         "amount", "unit", "due", "due_unit", "done_when")  # fmt: skip
FLAGS = ("wait", "only_free")
UNITS = {"working": "working days", "days": "days", "hours": "hours"}


def empty_rule() -> Tree:
    """A rule without conditions."""
    return {"match": "all", "rules": []}


@dataclass(eq=False)
class StepDraft:
    """A step as it stands in the form: texts and flags by name, colleagues to assign, the rule of a branch."""

    kind: str = "task"
    path: str = ""
    texts: dict[str, str] = dataclasses.field(default_factory=dict)
    flags: dict[str, bool] = dataclasses.field(default_factory=dict)
    several: list[str] = dataclasses.field(default_factory=list)
    rule: Tree = dataclasses.field(default_factory=empty_rule)
    places: dict[str, Place] = dataclasses.field(default_factory=dict)

    @property
    def label(self) -> str:
        """Its kind in words."""
        return LABELS.get(self.kind, self.kind)

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return self.texts.get("title") or self.texts.get("subject") or self.texts.get("key") or self.label

    @classmethod
    def stored(cls, data: dict[str, Any]) -> StepDraft:
        """From a definition."""
        made = cls(kind=str(data.get("kind", "task")))
        made.texts = {name: str(data[name]) for name in TEXTS if isinstance(data.get(name), str | int | float | bool)}
        made.flags = {name: data.get(name) is True for name in FLAGS}
        made.several = [str(one) for one in data["to"]] if isinstance(data.get("to"), list) else []
        if isinstance(data.get("rule"), dict) and "rules" in data["rule"]:
            made.rule = data["rule"]
        due = data.get("due")
        if isinstance(due, dict):
            made.texts |= {"due": str(due.get("days", "")), "due_unit": _unit(due)}
        if made.kind == "delay":
            hours = data.get("hours")
            made.texts |= {"amount": str(hours if hours is not None else data.get("days", ""))}
            made.texts["unit"] = "hours" if hours is not None else _unit(data)
        return made

    def definition(self) -> dict[str, Any]:
        """As a definition says it; what is empty is left out."""
        say = {name: text for name in ("key", "next") if (text := self.texts.get(name, ""))}
        return {**say, "kind": self.kind, **_SAY[self.kind](self)} if self.kind in _SAY else {**say, "kind": self.kind}

    def some(self, *names: str) -> dict[str, Any]:
        """Those of the texts that are not empty."""
        return {name: text for name in names if (text := self.texts.get(name, ""))}


def _unit(data: dict[str, Any]) -> str:
    return "working" if data.get("working", True) else "days"


def _task(one: StepDraft) -> dict[str, Any]:
    due = one.texts.get("due", "").strip()
    working = one.texts.get("due_unit") != "days"
    more = {"due": {"days": read_typed_number(due), "working": working}} if due else {}
    return (
        one.some("title", "text", "role", "to", "done_when") | more | ({"wait": True} if one.flags.get("wait") else {})
    )


def _delay(one: StepDraft) -> dict[str, Any]:
    amount = read_typed_number(one.texts.get("amount", "").strip())
    if one.texts.get("unit") == "hours":
        return {"hours": amount}
    return {"days": amount, "working": one.texts.get("unit") != "days"} | one.some("at")


def _branch(one: StepDraft) -> dict[str, Any]:
    return {"rule": without_unset(one.rule)} | one.some("otherwise")


def _set(one: StepDraft) -> dict[str, Any]:
    return {"field": one.texts.get("field", ""), "value": one.texts.get("value", "") or None}


def _assign(one: StepDraft) -> dict[str, Any]:
    free = {"only_free": True} if one.flags.get("only_free") else {}
    return one.some("role") | {"to": one.several} | free


_SAY: dict[str, Callable[[StepDraft], dict[str, Any]]] = {
    "task": _task, "delay": _delay, "branch": _branch, "set": _set, "assign": _assign,
    "email": lambda one: one.some("subject", "text", "role", "to", "users"), "webhook": lambda one: one.some("url"),
}  # fmt: skip


@dataclass(eq=False)
class PlaybookDraft:
    """A playbook as it stands in the form. `entry` is `hand`, `segment:KEY`, `rule:ID`, `reached:KEY` or
    `overdue:KEY` (of a milestone)."""

    name: str = ""
    description: str = ""
    active: bool = True
    entry: str = "hand"
    existing: bool = False
    again: str = "never"
    again_days: str = ""
    reason: str = ""
    version: int = 0
    steps: list[StepDraft] = dataclasses.field(default_factory=list)
    rules: dict[str, Tree] = dataclasses.field(default_factory=lambda: {"goal": empty_rule(), "exit": empty_rule()})
    places: dict[str, dict[str, Place]] = dataclasses.field(default_factory=dict)

    @classmethod
    def stored(cls, playbook: Playbook) -> PlaybookDraft:
        """A playbook as it is."""
        entry = f"segment:{playbook.segment.key}" if playbook.segment else "hand"
        entry = f"rule:{playbook.rule_id}" if playbook.rule_id else entry
        entry = f"{playbook.entry}:{playbook.milestone.key}" if playbook.milestone else entry
        made = cls(playbook.name, playbook.description, playbook.active, entry, playbook.include_existing)
        made.again, made.version = playbook.again, playbook.version
        made.again_days = str(playbook.again_days or "")
        made.steps = [StepDraft.stored(one) for one in playbook.definition.get("steps", [])]
        for name in made.rules:
            if isinstance(playbook.definition.get(name), dict):
                made.rules[name] = playbook.definition[name]
        made.number()
        return made

    def number(self) -> None:
        """Name every step by its place."""
        for place, step in enumerate(self.steps):
            step.path = f"s{place}"

    def definition(self) -> dict[str, Any]:
        """What the draft says, to be judged by alerts.playbooks.definition."""
        self.give_keys()
        rules = {name: without_unset(tree) for name, tree in self.rules.items()}
        kept: dict[str, Any] = {name: tree if tree["rules"] else None for name, tree in rules.items()}
        return {"steps": [one.definition() for one in self.steps], **kept}

    def give_keys(self) -> None:
        """Give new steps a key made of what they are called; a key stays, as history needs."""
        taken = {one.texts.get("key") for one in self.steps}
        for one in self.steps:
            if not one.texts.get("key"):
                stem, number = slugify(one.name)[:50] or one.kind, 2
                key = stem = stem if stem != "end" else "last"
                while key in taken:
                    key, number = f"{stem}-{number}", number + 1
                one.texts["key"] = key
                taken.add(key)


def read_draft(data: QueryDict, draft: PlaybookDraft, vocabulary: Vocabulary) -> None:
    """Take over what was typed."""
    for name in ("name", "description", "entry", "again", "again_days", "reason"):
        setattr(draft, name, data.get(name, "").replace("\x00", ""))
    draft.active, draft.existing = data.get("active") == "1", data.get("existing") == "1"
    version = whole(data.get("version"))
    draft.version = draft.version if version is None else version
    found: dict[str, StepDraft] = {}
    for name in data:
        path = _PATH.match(name)
        if path is not None and path[1] not in found and len(found) < 100:
            found[path[1]] = _read_step(data, path[1], vocabulary)
    draft.steps = list(found.values())
    for name in draft.rules:
        draft.rules[name], draft.places[name] = read_form(data, vocabulary, name)


def _read_step(data: QueryDict, path: str, vocabulary: Vocabulary) -> StepDraft:
    made = StepDraft(data.get(f"{path}.kind", ""), path)
    made.texts = {name: data.get(f"{path}.{name}", "").replace("\x00", "").strip() for name in TEXTS}
    made.flags = {name: data.get(f"{path}.{name}") == "1" for name in FLAGS}
    made.several = [one.replace("\x00", "") for one in data.getlist(f"{path}.several")]
    made.rule, made.places = read_form(data, vocabulary, f"{path}rule")
    return made


def take_step(draft: PlaybookDraft, step: str, vocabulary: Vocabulary) -> str:
    """Do one step of editing in the draft, in place. Returns the id of the control where the person goes on.

    They are `new:KIND`, `up:S`, `down:S`, `remove:S`, `place:S:NUMBER` (counted from 0), and those of the rule builder;
    anything else, and what cannot be done, changes nothing.
    """
    verb, _, rest = step.partition(":")
    root = _ROOT.match(rest)
    if root is not None:
        home = next((one for one in draft.steps if one.path == root[2]), None) if root[2] else None
        tree = home.rule if home else draft.rules.get(root[1])
        places = home.places if home else draft.places.get(root[1], {})
        at = take_rule_step(tree, places, step, vocabulary) if tree is not None else None
        draft.number()
        path = f"{home.path}rule" if home else root[1]
        return "-".join([path, *map(str, at)]) if at is not None else ""
    path, _, more = rest.partition(":")
    if verb == "new" and path in LABELS:
        draft.steps.append(StepDraft(path))
        draft.number()
        return f"first-{draft.steps[-1].path}"
    place = next((n for n, one in enumerate(draft.steps) if one.path == path), None)
    if place is None:
        return ""
    moved = draft.steps[place]
    asked = whole(more)
    to = {"up": place - 1, "down": place + 1}.get(verb, -1 if asked is None else asked)
    if verb == "remove":
        draft.steps.remove(moved)
        draft.number()
        return f"first-s{min(place, len(draft.steps) - 1)}" if draft.steps else "new-step"
    if verb in ("up", "down", "place") and 0 <= to < len(draft.steps):
        draft.steps.insert(to, draft.steps.pop(place))
    draft.number()
    return f"{verb}-{moved.path}" if verb in ("up", "down") else f"first-{moved.path}"
