"""What alerts hold about an account, and where their free texts may name a person."""

from __future__ import annotations

from accounts.personal_data import mentions_in, of_account, redacting
from accounts.privacy.holdings import ACCOUNT, USER, Holding, hold
from alerts.milestones import personal_data as milestones  # noqa: F401  # declares its own
from alerts.models import Alert, AlertEntry

hold(
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
        key="alerts", label="Alerts", model=Alert, find={ACCOUNT: of_account(Alert)},
        columns={
            "opened_at": "opened_at", "rule": "rule__name", "severity": "severity", "message": "message",
            "ended_at": "ended_at", "ending": "ending", "outcome": "outcome",
        },
    ),
)  # fmt: skip
