"""The steps of a playbook as plain values, and each in words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from alerts.milestones.redefined import field_keys
from alerts.work.days import Span
from segments.questions import Question

END = "end"
Names = Mapping[str, str]
NONE: Names = {}


@dataclass(frozen=True)
class Step:
    """What all steps have. `then` is the key of the step that follows, END after the last one."""

    key: str
    then: str

    @property
    def kind(self) -> str:
        """Its kind, as definitions name it."""
        return KIND_OF[type(self)]

    def words(self, names: Names = NONE) -> str:
        """What it does, in a sentence; `names` is as `known_names` tells them."""
        raise NotImplementedError


@dataclass(frozen=True)
class TaskStep(Step):
    """A task for whoever plays `role` for the account, else for the colleague `to` (a key), else for nobody yet.
    `done_when`: also done when the account reaches this milestone (a key). `wait`: go on when it is done or skipped,
    instead of at once."""

    title: str
    text: str = ""
    role: str = ""
    to: str = ""
    due: Span | None = None
    wait: bool = False
    done_when: str = ""

    def words(self, names: Names = NONE) -> str:
        """Task “Call the sponsor” for the csm, due in 2 working days, done when it reaches “Live”; wait until it is
        done."""
        due = f", due in {self.due}" if self.due else ""
        milestone = names.get(field_keys(self.done_when)[0], self.done_when)
        due += f", done when it reaches “{milestone}”" if milestone else ""
        return (
            f"Task “{self.title}” for {_whose(self.role, self.to, names)}{due}{'; wait until it is done' * self.wait}."
        )


@dataclass(frozen=True)
class DelayStep(Step):
    """Wait for days or hours; `at` is the local time of the day from which the next step is due."""

    span: Span | None = None
    hours: int = 0
    at: dt.time | None = None

    def words(self, names: Names = NONE) -> str:
        """Wait 3 working days, until 09:00."""
        how_long = str(self.span) if self.span else f"{self.hours} hour{'' if self.hours == 1 else 's'}"
        return f"Wait {how_long}{f', until {self.at:%H:%M}' if self.at else ''}."


@dataclass(frozen=True)
class BranchStep(Step):
    """Where the rule holds, go on with the step `then`; else with the step `otherwise`."""

    rule: Question | None = None
    otherwise: str = END

    def words(self, names: Names = NONE) -> str:
        """If the rule holds, go on; otherwise …"""
        rule = self.rule.words if self.rule else ""
        other = "end" if self.otherwise == END else f"go to “{self.otherwise}”"
        return f"If {rule}: go on. Otherwise {other}."


@dataclass(frozen=True)
class SetStep(Step):
    """Set a column or custom attribute of the account; without a value it is cleared."""

    field: str
    value: str | int | float | bool | list[str] | None = None

    def words(self, names: Names = NONE) -> str:
        """Set custom.play to “yes”."""
        return f"Clear {self.field}." if self.value is None else f"Set {self.field} to “{self.value}”."


@dataclass(frozen=True)
class AssignStep(Step):
    """Give the account to one of these colleagues (keys) in a role, in turn; `only_free`: if nobody plays it yet."""

    role: str
    to: tuple[str, ...]
    only_free: bool = False

    def words(self, names: Names = NONE) -> str:
        """Assign lucas, haruto in turn as csm."""
        turn = " in turn" if len(self.to) > 1 else ""
        whom = ", ".join(names.get(one, one) for one in self.to)
        return f"Assign {whom}{turn} as {names.get(self.role, self.role)}{', if nobody is yet' * self.only_free}."


@dataclass(frozen=True)
class EmailStep(Step):
    """An e-mail to a colleague (by role, else `to`), or to the account's users in the role `users`."""

    subject: str
    text: str
    role: str = ""
    to: str = ""
    users: str = ""

    def words(self, names: Names = NONE) -> str:
        """E-mail “Welcome” to the users who are champion."""
        whom = f"the account’s users who are {self.users}" if self.users else _whose(self.role, self.to, names)
        return f"E-mail “{self.subject}” to {whom}."


@dataclass(frozen=True)
class WebhookStep(Step):
    """Tell another system, by a JSON document that is sent to its address."""

    url: str

    def words(self, names: Names = NONE) -> str:
        """Call https://example.com/hook."""
        return f"Call {self.url}."


KIND_OF: dict[type[Step], str] = {
    TaskStep: "task", DelayStep: "delay", BranchStep: "branch", SetStep: "set", AssignStep: "assign",
    EmailStep: "email", WebhookStep: "webhook",
}  # fmt: skip
LABELS = {
    "task": "Task", "delay": "Delay", "branch": "Branch", "set": "Set an attribute", "assign": "Assign",
    "email": "Send an e-mail", "webhook": "Call a webhook",
}  # fmt: skip
SENT = ("email", "webhook")  # what leaves csbox, and is sent by a worker


@dataclass(frozen=True)
class Definition:
    """All of it. An account for which `goal` holds has reached it and is done; one for which `exit` holds leaves."""

    steps: tuple[Step, ...] = ()
    goal: Question | None = None
    exit: Question | None = None

    @property
    def first(self) -> str:
        """The key of the first step."""
        return self.steps[0].key if self.steps else ""

    def step(self, key: str) -> Step | None:
        """The step with this key."""
        return next((one for one in self.steps if one.key == key), None)

    def place(self, key: str) -> int:
        """The place of a step, counted from 1; one more than there are after the last one."""
        return next((place for place, one in enumerate(self.steps, 1) if one.key == key), len(self.steps) + 1)


def _whose(role: str, to: str, names: Names) -> str:
    part, other = names.get(role, role), names.get(to, to)
    if role and to:
        return f"the {part}, else {other}"
    return f"the {part}" if role else other or "nobody yet"
