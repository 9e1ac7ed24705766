"""Alerts on the timeline: opened with their reason, ended, and what people did and said in between."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import F, QuerySet
from django.urls import reverse

from accounts.models import Account
from alerts.models import AlertEntry
from alerts.reasons import reason_of
from core.clock import Moment
from health.models import name_of
from web.timeline.entries import Entry, Source, Told

Kind = AlertEntry.Kind
_WORDS = {
    Kind.OPENED.value: "Alert opened", Kind.REOPENED.value: "Alert opened again", Kind.ASSIGNED.value: "Alert assigned",
    Kind.COMMENT.value: "Comment on the alert", Kind.SNOOZED.value: "Alert snoozed", Kind.WOKE.value: "Alert woke up",
    Kind.OUTCOME.value: "Outcome of the alert",
}  # fmt: skip


def _entries(account: Account, now: Moment) -> QuerySet[AlertEntry]:
    rows = AlertEntry.objects.filter(alert__account=account).annotate(happened=F("at"))
    return rows.select_related("alert__rule", "by__member")


def _tell(rows: Sequence[AlertEntry], told: Told) -> list[Entry]:
    return [
        Entry(
            one.at, "bell", f"{_word(one)}: {one.alert.rule.name}", _text(one), name_of(one.by) if one.by else "",
            f"{reverse('alerts')}?alert={one.alert_id}",
        )
        for one in rows
    ]  # fmt: skip


def _word(entry: AlertEntry) -> str:
    if entry.kind != Kind.ENDED:
        return _WORDS[entry.kind]
    return "Alert closed" if entry.by_id or entry.alert.ending == "closed" else "Alert resolved"


def _text(entry: AlertEntry) -> str:
    if entry.kind == Kind.OPENED:
        return "\n".join(filter(None, [entry.alert.message, reason_of(entry.alert.why)]))
    if entry.kind == Kind.ENDED and not entry.text:
        return str(entry.alert.get_ending_display())
    return entry.text


SOURCES = (Source("alert", "alerts", _entries, _tell),)
