"""What alerts hold about an account, and where their free texts may name a person."""

from __future__ import annotations

from accounts.personal_data import dropping_lines, lines_of, mentions_in, of_account, redacting
from accounts.privacy.holdings import ACCOUNT, USER, Holding, exempt, hold
from alerts.milestones import personal_data as milestones  # noqa: F401  # declares its own
from alerts.models import Alert, AlertEntry, AlertReplay, Delivery, Enrolment, Notice
from alerts.work.personal_data import TASKS

hold(
    *TASKS,
    Holding(
        key="enrolments", label="Playbooks it was in", model=Enrolment, order=45, find={ACCOUNT: of_account(Enrolment)},
        columns={
            "started_at": "started_at", "playbook": "playbook__name", "version": "version__number", "state": "state",
            "step": "step", "ended_at": "ended_at",
        },
    ),
    Holding(
        key="alert_mentions", label="Comments on alerts that name the person (name, e-mail and id removed)",
        model=AlertEntry, order=30, find={USER: mentions_in(AlertEntry, "text", "alert__account")},
        erase=redacting("alert_mentions", "text"),
        columns={"at": "at", "account": "alert__account__external_id", "text": "text"},
    ),
    Holding(
        key="snooze_mentions", label="Reasons of a snooze that name the person (likewise)", model=Alert, order=30,
        find={USER: mentions_in(Alert, "snooze_reason")}, erase=redacting("snooze_mentions", "snooze_reason"),
        columns={"at": "opened_at", "account": "account__external_id", "reason": "snooze_reason"},
    ),
    Holding(
        key="notice_mentions", label="Notifications that name the person (likewise)", model=Notice, order=30,
        find={USER: mentions_in(Notice, "text")}, erase=redacting("notice_mentions", "text"),
        columns={"at": "at", "account": "account__external_id", "text": "text"},
    ),
    Holding(
        key="notice_title_mentions", label="Titles of notifications that name the person (likewise)", model=Notice,
        order=30, find={USER: mentions_in(Notice, "title")}, erase=redacting("notice_title_mentions", "title"),
        columns={"at": "at", "account": "account__external_id", "title": "title"},
    ),
    Holding(
        key="alert_message_mentions", label="Messages of alerts that name the person (likewise)", model=Alert, order=30,
        find={USER: mentions_in(Alert, "message")}, erase=redacting("alert_message_mentions", "message"),
        columns={"at": "opened_at", "account": "account__external_id", "message": "message"},
    ),
    Holding(
        key="delivery_mentions", label="Failures of a delivery that name the person (likewise)", model=Delivery,
        order=30, find={USER: mentions_in(Delivery, "error", "notice__account")},
        erase=redacting("delivery_mentions", "error"),
        columns={"at": "due_at", "account": "notice__account__external_id", "error": "error"},
    ),
    Holding(
        key="alert_replays", label="Back-tests of alert rules that would have raised alerts (the lines are removed)",
        model=AlertReplay, find={ACCOUNT: lines_of(AlertReplay, "raised")},
        erase=dropping_lines("alert_replays", "raised"),
        columns={"rule": "rule__name", "first_day": "first_day", "last_day": "last_day"},
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
    "alerts.NoticeSettings": "how a colleague of ours wants to be told; “digest” is whether they want one",
})  # fmt: skip
