"""What alerts hold about an account, and where their free texts may name a person."""

from __future__ import annotations

from django.db import models

from accounts.personal_data import dropping_lines, lines_of, mentions_in, of_account, redacting
from accounts.privacy.holdings import ACCOUNT, USER, Holding, exempt, hold
from alerts.milestones import personal_data as milestones  # noqa: F401  # declares its own
from alerts.models import Alert, AlertEntry, AlertReplay, Comparison, Delivery, Enrolment, Notice
from alerts.work.personal_data import TASKS


def _mentions(key: str, what: str, model: type[models.Model], text: str, *, at: str, of: str = "account") -> Holding:
    """A free text that may name the person; who they were is taken out of it."""
    return Holding(
        key=key, label=f"{what} that name the person (name, e-mail and id removed)", model=model, order=30,
        find={USER: mentions_in(model, text, of)}, erase=redacting(key, text),
        columns={"at": at, "account": f"{of}__external_id", "text": text},
    )  # fmt: skip


hold(
    *TASKS,
    Holding(
        key="enrolments", label="Playbooks it was in", model=Enrolment, order=45, find={ACCOUNT: of_account(Enrolment)},
        columns={
            "started_at": "started_at", "playbook": "playbook__name", "version": "version__number", "state": "state",
            "step": "step", "ended_at": "ended_at",
        },
    ),
    _mentions("alert_mentions", "Comments on alerts", AlertEntry, "text", at="at", of="alert__account"),
    _mentions("snooze_mentions", "Reasons of a snooze", Alert, "snooze_reason", at="opened_at"),
    _mentions("notice_mentions", "Notifications", Notice, "text", at="at"),
    _mentions("notice_title_mentions", "Titles of notifications", Notice, "title", at="at"),
    _mentions("alert_message_mentions", "Messages of alerts", Alert, "message", at="opened_at"),
    _mentions("delivery_mentions", "Failures of a delivery", Delivery, "error", at="due_at", of="notice__account"),
    Holding(
        key="alert_replays", label="Back-tests of alert rules that would have raised alerts (the lines are removed)",
        model=AlertReplay, find={ACCOUNT: lines_of(AlertReplay, "raised")},
        erase=dropping_lines("alert_replays", "raised"),
        columns={"rule": "rule__name", "first_day": "first_day", "last_day": "last_day"},
    ),
    Holding(
        key="comparisons", label="Comparisons of a playbook or segment in which it stood (the lines are removed)",
        model=Comparison, find={ACCOUNT: lines_of(Comparison, "sets")}, erase=dropping_lines("comparisons", "sets"),
        columns={"playbook": "playbook__name", "segment": "segment__name", "first_day": "first_day"},
    ),
    Holding(
        key="deliveries", label="What was sent of notifications", model=Delivery, order=38,
        find={ACCOUNT: of_account(Delivery, "notice__account")},
        columns={"at": "due_at", "title": "notice__title", "via": "via", "state": "state", "sent_at": "sent_at"},
    ),
    Holding(
        key="note_notices", label="Notifications of notes about the person", model=Notice, order=32,
        find={USER: of_account(Notice, "note__user")}, columns={"at": "at", "title": "title", "text": "text"},
    ),
    Holding(
        key="notices", label="Notifications, with what was sent of them", model=Notice, order=40,
        find={ACCOUNT: of_account(Notice)}, columns={"at": "at", "kind": "kind", "title": "title", "text": "text"},
    ),
    Holding(
        key="alerts", label="Alerts", model=Alert, find={ACCOUNT: of_account(Alert)},
        columns={
            "opened_at": "opened_at", "rule": "rule__name", "severity": "severity", "message": "message",
            "ended_at": "ended_at", "ending": "ending", "outcome": "outcome",
        },
    ),
)  # fmt: skip
exempt({
    "alerts.TaskCalendar": "Its digest is the hash of a secret of ours, which is nobody’s data.",
    "alerts.AlertReplayDay": "Numbers of rows, kept only until the replay of them has ended, which takes minutes.",
    "alerts.ComparedAccount": "Numbers of an account, kept only until the comparison has ended, which takes minutes.",
    "alerts.NoticeSettings": "how a colleague of ours wants to be told; “digest” is whether they want one",
})  # fmt: skip
