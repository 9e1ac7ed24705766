"""The kinds of notification. To add one, put it into `KINDS` and call `telling.tell` in the transaction that makes it
happen."""

from __future__ import annotations

from dataclasses import dataclass

from alerts.models.notice import Way


@dataclass(frozen=True)
class Kind:
    """A kind: its label on the page of preferences, how people hear of it who chose nothing, and its icon. One that is
    not `choosable` is switched by a setting of its own; one that is not `capped` counts on nobody's cap."""

    key: str
    label: str
    way: Way
    icon: str
    choosable: bool = True
    capped: bool = True


ALERT = Kind("alert", "An alert is opened for me", Way.NOW, "bell")
ASSIGNED = Kind("assigned", "A colleague assigns an alert to me", Way.NOW, "user")
ENDED = Kind("ended", "An alert of mine is resolved or closed", Way.INBOX, "check")
COMMENT = Kind("comment", "A colleague comments on an alert of mine", Way.NOW, "note")
MENTION = Kind("mention", "A colleague names me with an @", Way.NOW, "user")
REACHED = Kind("milestone_reached", "An account of mine reaches a milestone", Way.INBOX, "flag")
OVERDUE = Kind("milestone_overdue", "An account of mine is overdue with a milestone", Way.INBOX, "flag")
LOST = Kind("milestone_lost", "An account of mine loses a milestone", Way.NOW, "flag")
TASK = Kind("task", "A colleague or a playbook gives me a task", Way.NOW, "task")
TASK_DUE = Kind("task_due", "A task of mine is due today", Way.DIGEST, "task")
TASK_LATE = Kind("task_late", "A task of mine is overdue", Way.DIGEST, "task")
DESTINATION = Kind(
    "destination", "A destination of mine is switched off because it fails", Way.NOW, "bolt", capped=False
)
DIGEST = Kind("digest", "Daily digest", Way.NOW, "list", choosable=False, capped=False)
WEEKLY = Kind("weekly", "Weekly portfolio", Way.NOW, "briefcase", choosable=False, capped=False)
_ALL = (
    ALERT, ASSIGNED, ENDED, COMMENT, MENTION, REACHED, OVERDUE, LOST, TASK, TASK_DUE, TASK_LATE, DESTINATION, DIGEST,
    WEEKLY,
)  # fmt: skip
KINDS: dict[str, Kind] = {one.key: one for one in _ALL}
