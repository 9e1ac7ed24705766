"""What alerts hold about an account, and where their free texts may name a person."""

from __future__ import annotations

from accounts.personal_data import mentions_in, of_account, redacting
from accounts.privacy.holdings import ACCOUNT, USER, Holding, hold
from alerts.models import Alert, AlertEntry

hold(
    Holding(
        key="alert_mentions", label="Comments on alerts that name the person (name, e-mail and id removed)",
        model=AlertEntry, order=30, find={USER: mentions_in(AlertEntry, "text")},
        erase=redacting("alert_mentions", "text"),
        columns={"at": "at", "account": "alert__account__external_id", "text": "text"},
    ),
    Holding(
        key="alerts", label="Alerts", model=Alert, find={ACCOUNT: of_account(Alert)},
        columns={
            "opened_at": "opened_at", "rule": "rule__name", "severity": "severity", "message": "message",
            "ended_at": "ended_at", "ending": "ending", "outcome": "outcome",
        },
    ),
)  # fmt: skip
