"""The alerts inbox as it is listed: those of a rule that was raised for very many accounts on a day are one row."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, F, Q, QuerySet, Window
from django.db.models.functions import RowNumber, TruncDate

from accounts.models import Account
from alerts.models import Alert, AlertRule, Enrolment, Playbook
from core.intake import BadValue, clean_date, whole

MANY = 20  # alerts of a rule on a local day that still have a row each
A_PAGE = 50


@dataclass(frozen=True)
class Row:
    """One alert; or, with a `day`, the `number` of alerts of its rule that were opened on that local day, of which
    `members` are the newest."""

    alert: Alert
    number: int = 1
    day: dt.date | None = None
    members: list[Alert] = field(default_factory=list)

    @property
    def alerts(self) -> list[Alert]:
        """Those that it shows."""
        return self.members or [self.alert]

    @property
    def key(self) -> str:
        """What a form says for all of a group."""
        return f"{self.alert.rule_id}:{self.day.isoformat()}" if self.day else ""


@dataclass(frozen=True)
class Playable:
    """A playbook that fits an alert, and how far the account is in it (None: never in it)."""

    playbook: Playbook
    enrolment: Enrolment | None
    begins: bool  # by an alert of the rule


def rows_of(listed: QuerySet[Alert], zone: ZoneInfo, page: int, *, apart: bool = False) -> tuple[list[Row], bool]:
    """A page of rows, the newest first, and whether there are more. `apart` gives each alert a row of its own."""
    start = (page - 1) * A_PAGE
    if apart:
        found = list(whole_alerts(listed).order_by("-opened_at", "-pk")[start : start + A_PAGE + 1])
        return [Row(one) for one in found[:A_PAGE]], len(found) > A_PAGE
    counted = _counted(listed, zone)
    heads = counted.filter(Q(number__lte=MANY) | Q(place=1)).order_by("-opened_at", "-pk")
    shown = list(heads.values_list("pk", "rule", "day", "number")[start : start + A_PAGE + 1])
    groups = {(rule, day) for _, rule, day, number in shown[:A_PAGE] if number > MANY}
    inside: dict[tuple[int, dt.date], list[int]] = {}
    if groups:
        members = counted.filter(number__gt=MANY, place__lte=A_PAGE, rule__in={rule for rule, _ in groups})
        for pk, rule, day in members.order_by("place", "pk").values_list("pk", "rule", "day"):
            inside.setdefault((rule, day), []).append(pk)
    wanted = {row[0] for row in shown[:A_PAGE]} | {pk for key in groups for pk in inside.get(key, ())}
    alerts = {one.pk: one for one in whole_alerts(Alert.objects.filter(pk__in=wanted))}
    rows = [
        Row(alerts[pk]) if (rule, day) not in groups
        else Row(alerts[pk], number, day, [alerts[one] for one in inside[rule, day] if one in alerts])
        for pk, rule, day, number in shown[:A_PAGE]
        if pk in alerts
    ]  # fmt: skip
    return rows, len(shown) > A_PAGE


def of_group(key: str, zone: ZoneInfo) -> Q:
    """The alerts that a group's key means. Raises BadValue for what is no such key."""
    of, _, day = key.partition(":")
    rule = whole(of)
    if rule is None:
        raise BadValue("That is no group of alerts.")
    return _opened_on(clean_date(day), zone) & Q(rule=rule)


def narrowed(rows: QuerySet[Alert], rule: str, day: str, zone: ZoneInfo) -> tuple[QuerySet[Alert], str]:
    """The alerts of a rule (of a local day, if one is given) and what that is called; all of them for no such rule."""
    found = AlertRule.everything.filter(pk=number).first() if (number := whole(rule)) else None
    if found is None:
        return rows, ""
    try:
        on = clean_date(day) if day else None
    except BadValue:
        on = None
    rows = rows.filter(rule=found)
    return (rows.filter(_opened_on(on, zone)), f"{found.name}, {on.day} {on:%b %Y}") if on else (rows, found.name)


def playable(alert: Alert) -> list[Playable]:
    """The playbooks that are on and that an alert could begin: those of its rule, then those that people begin."""
    rows = Playbook.objects.filter(Q(rule=alert.rule_id) | Q(entry=Playbook.Entry.HAND), active=True)
    runs = Enrolment.objects.filter(account=alert.account_id, playbook__in=rows).order_by("started_at", "pk")
    newest = {one.playbook_id: one for one in runs}
    found = [Playable(one, newest.get(one.pk), one.rule_id == alert.rule_id) for one in rows]
    return sorted(found, key=lambda one: not one.begins)


def only_account(pk: str, seen: QuerySet[Account]) -> Account | None:
    """The only account whose alerts are asked for; None for one that is not there or may not be seen."""
    return seen.filter(pk=whole(pk) or 0).first()


def whole_alerts(rows: Any) -> Any:
    """With all that a row of the list, or the page beside it, says of an alert."""
    return rows.select_related("account__health", "rule", "assignee").with_last_held()


def _counted(listed: QuerySet[Alert], zone: ZoneInfo) -> QuerySet[Any]:
    """With how many of its rule were opened on its day, and its place among them."""
    rows = listed.annotate(day=TruncDate("opened_at", tzinfo=zone))
    same: list[Any] = [F("rule"), F("day")]
    newest = [F("opened_at").desc(), F("pk").desc()]
    return rows.annotate(
        number=Window(Count("pk"), partition_by=same), place=Window(RowNumber(), partition_by=same, order_by=newest)
    )


def _opened_on(day: dt.date, zone: ZoneInfo) -> Q:
    start = dt.datetime.combine(day, dt.time(), zone)
    return Q(opened_at__gte=start, opened_at__lt=dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), zone))
