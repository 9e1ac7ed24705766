"""The form of an alert rule: inputs into a draft and a draft into what is saved, with every mistake at its place.

The condition is a rule under the root `n`, the clear condition one under the root `c`; both are those of the rule
builder. Values are taken as typed and judged when they are needed, so that nothing is lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict

from accounts.fields import Vocabulary
from accounts.models import AssignmentRole, TeamMember
from alerts.consequences import TASK_DAYS, Consequences, NewTask, consequences_of, free_playbooks, shared_channels
from alerts.definition import LONGEST, Definition, read_definition
from alerts.editing import Assigning
from alerts.messages import check_message
from alerts.models import AlertRule, AlertRuleVersion
from alerts.models.alert import Severity
from core.intake import BadValue, whole
from core.refusals import Problem
from segments.models import Segment
from segments.questions import Reader
from segments.rule_form import Place, Tree, read_form, take_step, without_unset
from segments.rules.tree import RuleError

TYPES = ("Onboarding", "Renewal", "Upselling", "Risk")
ROOTS = {"n": "condition", "c": "clear"}
TEXTS = ("name", "message", "type", "severity", "hold", "cooldown", "refire", "role", "fallback", "reason",
         "task", "task_days")  # fmt: skip


def empty() -> Tree:
    """A rule without conditions."""
    return {"match": "all", "rules": []}


@dataclass
class RuleDraft:
    """A rule as it stands in the form: texts as they were typed, keys of what was chosen, and the two trees."""

    rule: AlertRule | None = None
    name: str = ""
    message: str = ""
    type: str = "Risk"
    severity: str = Severity.MEDIUM
    active: bool = True
    segments: list[str] = field(default_factory=list)
    hold: str = "0"
    cooldown: str = "0"
    refire: str = AlertRule.Refire.ENTRY
    include_existing: bool = False
    role: str = "csm"
    round_robin: list[str] = field(default_factory=list)
    fallback: str = ""
    reason: str = ""
    version: int = 0
    told: list[str] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)
    playbooks: list[str] = field(default_factory=list)
    task: str = ""
    task_days: str = str(TASK_DAYS)
    trees: dict[str, Tree] = field(default_factory=lambda: {root: empty() for root in ROOTS})
    places: dict[str, dict[str, Place]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    theirs: AlertRuleVersion | None = None

    @classmethod
    def stored(cls, rule: AlertRule) -> RuleDraft:
        """From what is saved."""
        made = cls(
            rule, rule.name, rule.message, rule.type, rule.severity, rule.active,
            [one.key for one in rule.segments.all()], str(rule.hold_days), str(rule.cooldown_days), rule.refire,
            rule.include_existing, rule.role_id or "", [one.key for one in rule.round_robin.all()],
            rule.fallback.key if rule.fallback else "", "", rule.version,
        )  # fmt: skip
        follow = consequences_of(rule)
        made.told = [one.key for one in follow.members]
        made.channels = [str(one.pk) for one in follow.channels]
        made.playbooks = [one.key for one in follow.playbooks]
        for root, name in ROOTS.items():
            tree = getattr(rule, name)
            made.trees[root] = tree if isinstance(tree, dict) and "rules" in tree else empty()
        return made

    @property
    def failed(self) -> bool:
        """True if a save was asked for and did not happen."""
        return bool(self.errors or self.problems or self.theirs)

    def take(self, data: QueryDict, vocabulary: Vocabulary) -> None:
        """Take over what was typed."""
        for name in TEXTS:
            setattr(self, name, data.get(name, "").replace("\x00", ""))
        self.active, self.include_existing = data.get("active") == "1", data.get("include_existing") == "1"
        self.segments, self.round_robin = data.getlist("segments"), data.getlist("round_robin")
        self.told, self.channels = data.getlist("told"), data.getlist("channels")
        self.playbooks = data.getlist("playbooks")
        self.version = whole(data.get("version")) or 0
        for root in ROOTS:
            self.trees[root], self.places[root] = read_form(data, vocabulary, root)

    def say(self, definition: Any) -> None:
        """Take over what a stored definition decides."""
        self.segments = list(definition["segments"])
        self.hold, self.cooldown = str(definition["hold_days"]), str(definition["cooldown_days"])
        self.refire, self.include_existing = definition["refire"], bool(definition.get("include_existing"))
        self.trees = {root: definition[name] or empty() for root, name in ROOTS.items()}

    def step(self, what: str, vocabulary: Vocabulary) -> str:
        """Do one step of editing in the tree that it names; the path where the person goes on."""
        root = what.partition(":")[2].partition(":")[0].partition(".")[0]
        if root not in ROOTS:
            return ""
        at = take_step(self.trees[root], self.places.get(root, {}), what, vocabulary)
        return "" if at is None else "-".join([root, *map(str, at)])

    def insert(self, key: str) -> None:
        """Name a field in the message, at its end."""
        self.message = f"{self.message.rstrip()} {{{{ {key} }}}}".strip() if key else self.message

    def tree(self, root: str) -> Tree:
        """A tree without the conditions whose attribute was never chosen."""
        return without_unset(self.trees[root])

    def targets(self) -> list[Segment]:
        """The chosen segments. One that is gone is a problem."""
        found = {one.key: one for one in Segment.objects.filter(key__in=self.segments[:100])}
        for key in self.segments:
            if key not in found:
                self.errors["segments"] = (
                    "A segment that was chosen has been deleted. Look at the others and save again."
                )
        self.segments = [key for key in self.segments if key in found]
        return [found[key] for key in self.segments]

    def definition(self, reader: Reader) -> Definition | None:
        """What decides about alerts; None if something is wrong with it, which then stands in the draft."""
        targets, times = self.targets(), self.times()
        if self.refire not in AlertRule.Refire.values:
            self.errors["refire"] = "Choose when an account gets another alert."
        if self.errors:
            self._judge(reader, targets)
            return None
        try:
            clear = self.tree("c")
            return read_definition(
                self.tree("n"), clear if clear["rules"] else None, targets, reader=reader, refire=self.refire, **times
            )
        except RuleError as error:
            self.problems = error.problems
        except BadValue as error:
            self.errors["cooldown"] = str(error)
        return None

    def _judge(self, reader: Reader, targets: list[Segment]) -> None:
        """Find what is wrong with the conditions, too."""
        try:
            clear = self.tree("c")
            read_definition(self.tree("n"), clear if clear["rules"] else None, targets, reader=reader)
        except RuleError as error:
            self.problems = error.problems

    def times(self) -> dict[str, int]:
        """Hold and cool-down in days."""
        found = {}
        for name, what in (("hold", "hold_days"), ("cooldown", "cooldown_days")):
            number = whole(getattr(self, name).strip() or "0", LONGEST)
            if number is None:
                self.errors[name] = f"Enter a number of days from 0 to {LONGEST}."
            found[what] = number or 0
        return found

    def wording(self) -> None:
        """Judge the texts."""
        if not self.name.strip():
            self.errors["name"] = "Enter a name, for example Adoption drop."
        try:
            check_message(self.message)
        except BadValue as error:
            self.errors["message"] = str(error)
        if self.severity not in Severity.values:
            self.errors["severity"] = "Choose a severity."

    def assigning(self) -> Assigning:
        """Whose the alerts are. A colleague or part that is gone is a problem."""
        role = AssignmentRole.objects.filter(key=self.role).first() if self.role else None
        members = TeamMember.objects.filter(user__is_active=True)
        fallback = members.filter(key=self.fallback).first() if self.fallback else None
        turn = tuple(members.filter(key__in=self.round_robin))
        if (self.role and role is None) or (self.fallback and fallback is None) or len(turn) < len(self.round_robin):
            self.errors["assigning"] = (
                "Somebody who was chosen is not there any more. Look at the others and save again."
            )
        return Assigning(role, turn, fallback)

    def consequences(self) -> tuple[Consequences, NewTask | None]:
        """What follows from an alert. What was chosen and is gone, and a task without its days, are problems."""
        members = TeamMember.objects.filter(user__is_active=True, key__in=self.told)
        channels = shared_channels().filter(pk__in=[pk for pk in self.channels if whole(pk) is not None])
        playbooks = free_playbooks(self.rule).filter(key__in=self.playbooks)
        found = Consequences(tuple(members), tuple(channels), tuple(playbooks))
        if any(
            len(rows) < len(set(chosen))
            for rows, chosen in (
                (found.members, self.told), (found.channels, self.channels), (found.playbooks, self.playbooks),
            )
        ):  # fmt: skip
            self.errors["follows"] = "What was chosen is not there any more. Look at the others and save again."
        days = whole(self.task_days.strip(), LONGEST)
        if self.task.strip() and days is None:
            self.errors["follows"] = f"The task is due in a number of days from 0 to {LONGEST}."
        return found, NewTask(self.task, days or 0) if self.task.strip() else None

    def problems_of(self, root: str) -> list[Problem]:
        """The problems of one of the trees, by their pointers in it."""
        at = f"/{ROOTS[root]}"
        return [
            Problem(one.pointer.removeprefix(at), one.code, one.message, one.allowed)
            for one in self.problems
            if one.pointer == at or one.pointer.startswith(f"{at}/")
        ]

    def messages(self) -> Iterable[str]:
        """Everything that is wrong, for the top of the page."""
        return [*self.errors.values(), *(problem.message for problem in self.problems)]

    def values(self) -> dict[str, Any]:
        """What saving takes besides the definition."""
        return {
            "name": self.name, "message": self.message, "type": self.type, "severity": self.severity,
            "active": self.active, "include_existing": self.include_existing, "reason": self.reason,
            "assigning": self.assigning(),
        }  # fmt: skip
