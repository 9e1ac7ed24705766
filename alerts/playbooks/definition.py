"""What a playbook is made of: steps, a goal, an exit rule. Read here, and nowhere else.

The grammar (the manual's page on playbooks says it in full):
    {"steps": [step, …], "goal": rule or null, "exit": rule or null}
    every step  {"key", "kind", "next": key of a later step or "end"}      (without `next`: the step below)
    task        {"title", "text", "role", "to", "due": {"days": 2, "working": true},
                 "done_when": a milestone's key, "wait": false}
    delay       {"days": 3, "working": true, "at": "09:00"} or {"hours": 3}
    branch      {"rule", "otherwise": key of a later step or "end"}
    set         {"field": "custom.play" or "stage", "value"}                  (null clears)
    assign      {"role", "to": [colleagues], "only_free": false}
    email       {"subject", "text", "role", "to"} or {"subject", "text", "users": a role of the account's users}
    webhook     {"url"}

Steps lead forward only, so that every way through a playbook ends.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

from accounts.facts import ACCOUNT
from accounts.facts.values import Reader as Values
from accounts.models import AssignmentRole, TeamMember
from alerts.messages import check_message
from alerts.milestones.redefined import field_keys
from alerts.models import Milestone
from alerts.playbooks.steps import (
    END,
    LABELS,
    AssignStep,
    BranchStep,
    Definition,
    DelayStep,
    EmailStep,
    SetStep,
    Step,
    TaskStep,
    WebhookStep,
)
from alerts.work.days import LONGEST, Span
from core.fetching import FetchFailed, check_url
from core.intake import BadValue, clean_text, short
from health.definition import DefinitionError
from segments.questions import Question, Reader
from segments.rules.tree import Problem, RuleError

MOST_STEPS, MOST_HOURS, MOST_COLLEAGUES = 50, 24 * 30, 50
SETTABLE = ("stage", "level", "status")
COMMON = {"key", "kind", "next"}


def read_definition(data: Any, reader: Reader) -> Definition:
    """A definition as it was sent or stored. Raises DefinitionError with every problem found."""
    reading = _Reading(reader)
    found = reading.definition(data)
    if reading.problems:
        raise DefinitionError(reading.problems)
    return found


def words_of_steps(data: Any, reader: Reader) -> dict[str, str]:
    """Each step of a stored definition in words, by its key, as far as it can be read still."""
    reading, found = _Reading(reader), dict[str, str]()
    rows = [row for row in data.get("steps") or [] if isinstance(row, Mapping)]
    keys = reading.keys(rows)
    for place, row in enumerate(rows):
        reading.problems = []
        step = reading.step(row, place, keys)
        unread = " (cannot be read any more)" if reading.problems or step is None else ""
        found[keys[place]] = f"{step.words(reading.names) if step else row.get('kind', '?')}{unread}"
    return found


def known_names() -> dict[str, str]:
    """How parts and colleagues are called, by their keys, and milestones, by the keys of their fields."""
    parts = dict(AssignmentRole.objects.values_list("key", "name"))
    milestones = {field_keys(key)[0]: name for key, name in Milestone.objects.values_list("key", "name")}
    return parts | dict(TeamMember.objects.values_list("key", "name")) | milestones


class _Reading:
    """One pass over a definition; what is wrong is collected."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.problems: list[Problem] = []
        self.kinds: dict[str, Callable[..., Step]] = {
            "task": self.task, "delay": self.delay, "branch": self.branch, "set": self.set, "assign": self.assign,
            "email": self.email, "webhook": self.webhook,
        }  # fmt: skip

    @cached_property
    def roles(self) -> set[str]:
        """The parts that there are."""
        return set(AssignmentRole.objects.values_list("key", flat=True))

    @cached_property
    def members(self) -> set[str]:
        """The colleagues that there are; one who left is skipped when a step is taken."""
        return set(TeamMember.objects.values_list("key", flat=True))

    @cached_property
    def milestones(self) -> set[str]:
        """The milestones that there are; one that is switched off is waited for until it is on again."""
        return set(Milestone.objects.values_list("key", flat=True))

    @cached_property
    def names(self) -> dict[str, str]:
        """What things are called."""
        return known_names()

    @cached_property
    def values(self) -> Values:
        """Reads values as the write side will."""
        return Values(ACCOUNT)

    def fail(self, pointer: str, code: str, message: str, allowed: Iterable[str] = ()) -> None:
        self.problems.append(Problem(pointer, code, message, tuple(allowed)))

    def definition(self, data: Any) -> Definition:
        data = self.object(data, "", {"steps", "goal", "exit"})
        rows = data.get("steps")
        if not isinstance(rows, list) or not rows:
            self.fail("/steps", "required", "A playbook needs at least one step.")
            rows = []
        if len(rows) > MOST_STEPS:
            self.fail("/steps", "too-many", f"At most {MOST_STEPS} steps.")
        keys = self.keys(rows[:MOST_STEPS])
        steps = tuple(
            step for place, row in enumerate(rows[:MOST_STEPS]) if (step := self.step(row, place, keys)) is not None
        )
        goal, leave = (self.rule(data.get(name), f"/{name}") if data.get(name) else None for name in ("goal", "exit"))
        return Definition(steps, goal, leave)

    def keys(self, rows: list[Any]) -> list[str]:
        """The keys in order; history is told by them, so each is there once."""
        found: list[str] = []
        for place, row in enumerate(rows):
            key = row.get("key", "") if isinstance(row, Mapping) else ""
            good = isinstance(key, str) and key.isascii() and key.replace("-", "").replace("_", "").isalnum()
            if not good or len(key) > 60 or key == END:
                text = f"The key is made of letters, digits, - and _, at most 60, and is not “{END}”."
                self.fail(f"/steps/{place}/key", "invalid-key", text)
            elif key in found:
                self.fail(f"/steps/{place}/key", "key-taken", f"The key {key} stands twice.")
            found.append(str(key))
        return found

    def step(self, data: Any, place: int, keys: list[str]) -> Step | None:
        at = f"/steps/{place}"
        if not isinstance(data, Mapping):
            self.fail(at, "invalid-type", f"Expected an object, got {short(data)}.")
            return None
        read = self.kinds.get(str(data.get("kind")))
        if read is None:
            self.fail(f"{at}/kind", "unknown-kind", f"There is no kind of step “{short(data.get('kind'))}”.", LABELS)
            return None
        following = keys[place + 1] if place + 1 < len(keys) else END
        then = self.target(data.get("next"), f"{at}/next", place, keys, following)
        if data.get("kind") == "branch":
            otherwise = self.target(data.get("otherwise"), f"{at}/otherwise", place, keys, END)
            return self.branch(data, at, keys[place], then, otherwise)
        return read(data, at, keys[place], then)

    def target(self, value: Any, at: str, place: int, keys: list[str], default: str) -> str:
        """A later step, or the end."""
        if value in (None, ""):
            return default
        if value == END or value in keys[place + 1 :]:
            return str(value)
        if value in keys:
            self.fail(at, "backwards", f"“{short(value)}” comes before. Steps lead forward only; move it below.")
        else:
            self.fail(at, "unknown-step", f"There is no step “{short(value)}”.", [*keys[place + 1 :], END])
        return default

    def task(self, data: Mapping[str, Any], at: str, key: str, then: str) -> Step:
        self.object(data, at, COMMON | {"title", "text", "role", "to", "due", "done_when", "wait"})
        title, text = self.message(data, at, "title", 150, needed=True), self.message(data, at, "text", 500)
        due = self.span(data["due"], f"{at}/due", low=0) if data.get("due") is not None else None
        role, to = self.role(data, at), self.colleague(data.get("to"), f"{at}/to")
        return TaskStep(key, then, title, text, role, to, due, self.flag(data, at, "wait"), self.milestone(data, at))

    def delay(self, data: Mapping[str, Any], at: str, key: str, then: str) -> Step:
        self.object(data, at, COMMON | {"days", "hours", "working", "at"})
        if "hours" in data:
            hours = self.whole(data["hours"], f"{at}/hours", 1, MOST_HOURS)
            for name in sorted({"days", "working", "at"} & data.keys()):
                self.fail(f"{at}/{name}", "unknown-key", "A delay of hours has nothing of days. Remove it.")
            return DelayStep(key, then, None, hours)
        named = {name: data[name] for name in ("days", "working") if name in data}
        return DelayStep(key, then, self.span(named, at, low=1), 0, self.clock(data.get("at"), f"{at}/at"))

    def branch(self, data: Mapping[str, Any], at: str, key: str, then: str, otherwise: str = END) -> Step:
        self.object(data, at, COMMON | {"rule", "otherwise"})
        return BranchStep(key, then, self.rule(data.get("rule"), f"{at}/rule"), otherwise)

    def set(self, data: Mapping[str, Any], at: str, key: str, then: str) -> Step:
        self.object(data, at, COMMON | {"field", "value"})
        field, value = data.get("field"), data.get("value")
        if not isinstance(field, str) or not (field.startswith("custom.") or field in SETTABLE):
            allowed = [*SETTABLE, *(f"custom.{name}" for name in self.values.definitions)]
            self.fail(f"{at}/field", "unknown-field", f"“{short(field)}” is no attribute that can be set.", allowed)
            return SetStep(key, then, "", None)
        try:
            self.values.read(field, value)
        except BadValue as error:
            self.fail(f"{at}/value", "invalid-value", str(error))
        return SetStep(key, then, field, value)

    def assign(self, data: Mapping[str, Any], at: str, key: str, then: str) -> Step:
        self.object(data, at, COMMON | {"role", "to", "only_free"})
        role = self.role(data, at, needed=True)
        to = data.get("to")
        if not isinstance(to, list) or not 0 < len(to) <= MOST_COLLEAGUES:
            self.fail(f"{at}/to", "required", f"Name 1 to {MOST_COLLEAGUES} colleagues, by their keys.")
            to = []
        found = tuple(self.colleague(one, f"{at}/to/{place}") for place, one in enumerate(to))
        return AssignStep(key, then, role, tuple(one for one in found if one), self.flag(data, at, "only_free"))

    def email(self, data: Mapping[str, Any], at: str, key: str, then: str) -> Step:
        self.object(data, at, COMMON | {"subject", "text", "role", "to", "users"})
        subject = self.message(data, at, "subject", 200, needed=True)
        text = self.message(data, at, "text", 4_000, needed=True)
        users = self.text(data, at, "users", 120)
        role, to = self.role(data, at), self.colleague(data.get("to"), f"{at}/to")
        if bool(users) == bool(role or to):
            self.fail(
                f"{at}/role", "required", "Say to whom: a colleague (role, to), or the account’s users in a role."
            )
        return EmailStep(key, then, subject, text, role, to, users)

    def webhook(self, data: Mapping[str, Any], at: str, key: str, then: str) -> Step:
        self.object(data, at, COMMON | {"url"})
        url = self.text(data, at, "url", 500, needed=True)
        if url:
            try:
                check_url(url)
            except FetchFailed as error:
                self.fail(f"{at}/url", "invalid-url", str(error))
        return WebhookStep(key, then, url)

    def rule(self, data: Any, at: str) -> Question | None:
        try:
            found = self.reader.read(data if data is not None else {})
        except RuleError as error:
            self.problems += [Problem(at + p.pointer, p.code, p.message, p.allowed) for p in error.problems]
            return None
        if not found.rule.rules:
            self.fail(at, "empty-group", "The rule has no condition, so it would hold for every account. Add one.")
        return found

    def message(self, data: Mapping[str, Any], at: str, name: str, limit: int, *, needed: bool = False) -> str:
        """A text that may name fields of the account."""
        text = self.text(data, at, name, limit, needed=needed)
        try:
            return check_message(text, limit, self.reader.vocabulary)
        except BadValue as error:
            self.fail(f"{at}/{name}", "invalid-text", str(error))
            return ""

    def text(self, data: Mapping[str, Any], at: str, name: str, limit: int, *, needed: bool = False) -> str:
        try:
            found = clean_text(data.get(name) or "", limit)
        except BadValue as error:
            self.fail(f"{at}/{name}", "invalid-text", str(error))
            return ""
        if needed and not found:
            self.fail(f"{at}/{name}", "required", f"The {name} is missing.")
        return found

    def role(self, data: Mapping[str, Any], at: str, *, needed: bool = False) -> str:
        found = self.text(data, at, "role", 60, needed=needed)
        if found and found not in self.roles:
            self.fail(f"{at}/role", "unknown-part", f"There is no part “{short(found)}”.", sorted(self.roles))
        return found

    def colleague(self, value: Any, at: str) -> str:
        if value in (None, ""):
            return ""
        if not isinstance(value, str) or value not in self.members:
            self.fail(at, "unknown-colleague", f"There is no colleague “{short(value)}”.", sorted(self.members)[:100])
            return ""
        return value

    def milestone(self, data: Mapping[str, Any], at: str) -> str:
        value = data.get("done_when")
        if value in (None, ""):
            return ""
        if not isinstance(value, str) or value not in self.milestones:
            text = f"There is no milestone “{short(value)}”. Name one by its key, or leave it out."
            self.fail(f"{at}/done_when", "unknown-milestone", text, sorted(self.milestones)[:100])
            return ""
        return value

    def flag(self, data: Mapping[str, Any], at: str, name: str) -> bool:
        found = data.get(name, False)
        if not isinstance(found, bool):
            self.fail(f"{at}/{name}", "invalid-type", "Send true or false.")
        return bool(found)

    def span(self, data: Any, at: str, *, low: int) -> Span:
        data = self.object(data, at, {"days", "working"})
        working = data.get("working", True)
        if not isinstance(working, bool):
            self.fail(f"{at}/working", "invalid-type", "Send true or false.")
        return Span(self.whole(data.get("days"), f"{at}/days", low, LONGEST), bool(working))

    def clock(self, value: Any, at: str) -> dt.time | None:
        if value in (None, ""):
            return None
        try:
            return dt.datetime.strptime(str(value), "%H:%M").time()
        except ValueError:
            self.fail(at, "invalid-time", f"“{short(value)}” is not a time of the day like 09:00.")
            return None

    def whole(self, value: Any, at: str, low: int, high: int) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            self.fail(at, "out-of-range", f"Give a whole number from {low} to {high}.")
            return low
        return value

    def object(self, value: Any, at: str, known: Iterable[str]) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            self.fail(at, "invalid-type", f"Expected an object, got {short(value)}.")
            return {}
        for extra in sorted(set(map(str, value)) - set(known)):
            self.fail(f"{at}/{short(extra)}", "unknown-key", f"“{short(extra)}” is not known here. Remove it.", known)
        return value
