"""What people do with alerts: assign, comment, snooze, close, say how it went. Each works on one alert or on many."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import TeamMember
from alerts.models import Alert, AlertEntry
from alerts.notifying.telling import tell_entries
from core.clock import moment
from core.intake import BadValue, clean_text
from health.models import AccountHealth

FIELDS = ("assignee_id", "snoozed_until", "snoozed_till_worse", "snoozed_score", "snooze_reason", "ended_at", "ending",
          "outcome")  # fmt: skip
LONGEST_SLEEP = dt.timedelta(days=366)


@dataclass(frozen=True)
class Before:
    """How alerts were, so that what was done can be undone: of each, by its id, the fields that were changed."""

    kind: str
    values: dict[int, dict[str, Any]]


def assign(alerts: Iterable[Alert], to: TeamMember | None, *, by: Any = None) -> Before:
    """Give open alerts to a colleague, or to nobody."""
    return _change(alerts, AlertEntry.Kind.ASSIGNED, by, f"To {to}." if to else "To nobody.", assignee_id=to and to.pk)


def comment(alert: Alert, text: str, *, by: Any = None) -> AlertEntry:
    """Say something about an alert, open or not."""
    found = clean_text(text, 2_000)
    if not found:
        raise BadValue("Write a comment first.")
    with transaction.atomic():
        entry = AlertEntry.objects.create(
            alert=alert, kind=AlertEntry.Kind.COMMENT, at=timezone.now(), by=_person(by), text=found
        )
        tell_entries([entry])
    return entry


def snooze(
    alerts: Iterable[Alert], *, until: dt.date | None = None, till_worse: bool = False, reason: str = "", by: Any = None
) -> Before:
    """Let open alerts sleep to the end of a local day, or until the account's health is 5 points worse, or whichever
    comes first. Raises BadValue for a day that has passed, or one more than a year ahead."""
    today = moment().today
    if until is None and not till_worse:
        raise BadValue("Say until when: a day, or until it gets worse.")
    if until is not None and not today <= until <= today + LONGEST_SLEEP:
        raise BadValue("The day must lie within the next year.")
    said = f"until {until.day} {until:%b %Y}" if until else ""
    said = " or ".join(filter(None, [said, "until it gets worse" if till_worse else ""]))
    reason = clean_text(reason, 255)
    with transaction.atomic():
        chosen = list(alerts)
        scores = _scores(chosen) if till_worse else {}
        return _change(
            chosen, AlertEntry.Kind.SNOOZED, by, f"{said[:1].upper()}{said[1:]}. {reason}".strip(),
            each=lambda alert: {"snoozed_score": scores.get(alert.account_id)},
            snoozed_until=until, snoozed_till_worse=till_worse, snooze_reason=reason,
        )  # fmt: skip


def wake(alerts: Iterable[Alert], *, by: Any = None) -> Before:
    """Wake alerts that sleep."""
    return _change(alerts, AlertEntry.Kind.WOKE, by, "", snoozed_until=None, snoozed_till_worse=False)


def close(alerts: Iterable[Alert], *, outcome: str = "", reason: str = "", by: Any = None) -> Before:
    """Close open alerts, with an outcome or without; the rule's refire policy says when there may be another."""
    outcome = str(Alert.Outcome(outcome)) if outcome else ""
    words = str(Alert.Outcome(outcome).label) + "." if outcome else ""
    text = f"{words} {clean_text(reason, 255)}".strip()
    now = timezone.now()
    return _change(
        alerts, AlertEntry.Kind.ENDED, by, text, each=lambda alert: {"ended_at": max(now, alert.opened_at)},
        ending=Alert.Ending.CLOSED, outcome=outcome,
    )  # fmt: skip


def say_outcome(alerts: Iterable[Alert], outcome: str, *, by: Any = None) -> Before:
    """Say how alerts that have ended went; those that are open are left as they are."""
    words = Alert.Outcome(outcome)
    return _change(alerts, AlertEntry.Kind.OUTCOME, by, f"{words.label}.", ended=True, outcome=str(words))


def undo(before: Before, *, by: Any = None) -> int:
    """Put back what was changed, and nothing that happened since; how many. One whose account has another open alert of
    the rule stays closed."""
    with transaction.atomic():
        alerts = list(Alert.objects.select_for_update().filter(pk__in=before.values).order_by("pk"))
        taken = set(Alert.objects.open().values_list("rule_id", "account_id").filter(
            rule__in=[one.rule_id for one in alerts], account__in=[one.account_id for one in alerts]
        ))  # fmt: skip
        back = [
            one for one in alerts
            if before.kind != AlertEntry.Kind.ENDED or (one.rule_id, one.account_id) not in taken
        ]  # fmt: skip
        for alert in back:
            for name, value in before.values[alert.pk].items():
                setattr(alert, name, value)
        Alert.objects.bulk_update(back, FIELDS)
        kind = AlertEntry.Kind.REOPENED if before.kind == AlertEntry.Kind.ENDED else before.kind
        _note(back, kind, by, "Undone.", tell=False)
    return len(back)


def _change(
    alerts: Iterable[Alert], kind: str, by: Any, text: str, *, each: Any = None, ended: bool = False, **values: Any
) -> Before:
    """Write values to alerts that are open (or ended), and a line into the log of each that differs."""
    with transaction.atomic():
        chosen = Alert.objects.select_for_update(of=("self",)).filter(
            pk__in=[alert.pk for alert in alerts], ended_at__isnull=not ended
        )
        rows = list(chosen.select_related("rule").order_by("pk"))
        wanted = {row.pk: values | (each(row) if each else {}) for row in rows}
        before = Before(str(kind), {row.pk: {name: getattr(row, name) for name in wanted[row.pk]} for row in rows})
        changed = [row for row in rows if before.values[row.pk] != wanted[row.pk]]
        for row in changed:
            for name, value in wanted[row.pk].items():
                setattr(row, name, value)
        Alert.objects.bulk_update(changed, FIELDS)
        _note(changed, kind, by, text)
    return Before(before.kind, {row.pk: before.values[row.pk] for row in changed})


def _scores(alerts: Sequence[Alert]) -> dict[int, Any]:
    ids = [alert.account_id for alert in alerts]
    return dict(AccountHealth.objects.filter(account__in=ids).values_list("account_id", "score"))


def _note(alerts: Iterable[Alert], kind: str, by: Any, text: str, *, tell: bool = True) -> None:
    now, person = timezone.now(), _person(by)
    entries = AlertEntry.objects.bulk_create(
        AlertEntry(alert=alert, kind=kind, at=now, by=person, text=text[:2_000]) for alert in alerts
    )
    if tell:  # what is taken back is told to nobody
        tell_entries(entries)


def _person(by: Any) -> Any:
    return by if getattr(by, "pk", None) else None
