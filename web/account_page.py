"""What the account page shows, section by section; each function is one or two statements."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, Count, F, Model, OuterRef, Q, QuerySet, Subquery, Sum, When
from django.db.models.functions import Coalesce, TruncMonth, TruncWeek

from accounts.fields import Category, Owner, Vocabulary
from accounts.models import Account, EndUser, Relationship, Subscription
from alerts.models import Enrolment, Task
from core.clock import Moment
from segments.models import AccountMembership
from usage.models import DailyUsage, UserActivity
from web.charts import UsageChart, usage_chart
from web.columns import Column, Labels, readable, short_key, shown_values
from web.subscription_columns import SubscriptionRow, filled, subscription_columns, subscription_rows, valued
from web.templatetags.csbox import day_text

RANGES = {"30d": "30 d", "12w": "12 wk", "12m": "12 mo"}
USERS_A_PAGE = 15
SUBSCRIPTIONS_A_PAGE = 50
CHILDREN_SHOWN = 5
TASKS_SHOWN = 10
# What the account page tells of a subscription before its custom attributes; the plan is the row's head.
OF_SUBSCRIPTION = ("status", "mrr", "licences", "billing_period", "renews_on", "auto_renew", "ends_on")
_UNITS = {"30d": ("Day", "Daily", 5), "12w": ("Week of", "Weekly", 2), "12m": ("Month of", "Monthly", 2)}


@dataclass(frozen=True)
class Usage:
    """The usage section: two drawings of one series, the series as rows, and its finding in a sentence."""

    range: str
    wide: UsageChart | None
    narrow: UsageChart | None
    rows: list[tuple[dt.date, int]]
    finding: str
    head: str
    word: str


def usage_of(account: Account, wanted: str, moment: Moment) -> Usage:
    """Active users a day, week or month; an unknown range is twelve weeks."""
    chosen = wanted if wanted in RANGES else "12w"
    starts = periods(chosen, moment.today)
    rows = DailyUsage.objects.active().filter(account=account, day__gte=starts[0], user__isnull=False).order_by()
    by: Any = {"30d": "day", "12w": TruncWeek("day"), "12m": TruncMonth("day")}[chosen]
    counted = dict(rows.values_list(by).annotate(n=Count("user", distinct=True)))
    points = [(start, counted.get(start, 0)) for start in starts]
    head, word, every = _UNITS[chosen]
    if not any(number for _, number in points):
        return Usage(chosen, None, None, [], "", head, word)
    return Usage(
        chosen,
        usage_chart(points, licences=account.licences, width=760, height=190, every=every),
        usage_chart(points, licences=account.licences, width=340, height=170, every=every * 2),
        points,
        finding(points, word),
        head,
        word,
    )


def periods(chosen: str, today: dt.date) -> list[dt.date]:
    """The first days of the periods of a range, oldest first, the running one last."""
    if chosen == "30d":
        return [today - dt.timedelta(days=n) for n in reversed(range(30))]
    if chosen == "12w":
        monday = today - dt.timedelta(days=today.weekday())
        return [monday - dt.timedelta(weeks=n) for n in reversed(range(12))]
    months = [today.year * 12 + today.month - 1 - n for n in reversed(range(12))]
    return [dt.date(month // 12, month % 12 + 1, 1) for month in months]


def finding(points: Sequence[tuple[dt.date, int]], word: str) -> str:
    """What the line says, in one sentence. The running period is not over, so the one before it is compared."""
    first, last = points[0], points[-2] if len(points) > 2 else points[-1]
    if first[1] == last[1]:
        moved = f"stayed at {last[1]:,}"
    else:
        moved = f"{'rose' if last[1] > first[1] else 'fell'} from {first[1]:,} to {last[1]:,}"
    peak = max(points, key=lambda point: point[1])
    return (
        f"{word} active users {moved} between {day_text(first[0])} and {day_text(last[0])}. "
        f"The highest was {peak[1]:,}, on {day_text(peak[0])}."
    )


@dataclass(frozen=True)
class AttributeRow:
    """One attribute of an account or a person: its column, readable value, and where and when it came from."""

    column: Column
    value: Any
    origin: str
    at: dt.datetime | None


def attributes_of(account: Account, vocabulary: Vocabulary) -> list[tuple[str, list[AttributeRow]]]:
    """Native and custom attributes by category, those with a value; read by one statement."""
    wanted = (Category.ACCOUNTS, Category.CUSTOM, Category.USAGE, Category.TRAITS)
    columns = [
        Column(short_key(item), item.label, item)
        for category, items in vocabulary.by_category().items()
        for item in items
        if category in wanted and item.owner is Owner.ACCOUNT and item.key not in ("account.name", "account.parent")
    ]
    return _attribute_rows(account, columns)


def user_attributes(person: EndUser, vocabulary: Vocabulary) -> list[AttributeRow]:
    """The custom attributes of a person, read by one statement."""
    made = (item for key, item in vocabulary.items() if key.startswith(f"{Owner.USER}.custom."))
    columns = [Column(short_key(item), item.label, item) for item in made]
    return [row for _, rows in _attribute_rows(person, columns) for row in rows] if columns else []


def _attribute_rows(of: Account | EndUser, columns: Sequence[Column]) -> list[tuple[str, list[AttributeRow]]]:
    """By category; a custom attribute also without a value."""
    model: type[Model] = type(of)
    found = model._default_manager.filter(pk=of.pk).annotate(**shown_values(columns)).values().get()
    labels = Labels()
    groups: dict[str, list[AttributeRow]] = {}
    for i, column in enumerate(columns):
        if column.field is None:
            continue
        value = readable(column.field, found[f"c{i}"], labels)
        custom = column.key.startswith("custom.")
        if value is None and not custom:
            continue
        origin, at = _origin(of, column.field.stamp)
        groups.setdefault(column.category, []).append(AttributeRow(column, value, origin, at))
    return list(groups.items())


def _origin(of: Account | EndUser, key: str) -> tuple[str, dt.datetime | None]:
    """Who said so and when, as the newest stamp of the attribute knows; nobody said what is worked out."""
    stamp = of.stamps.get(key)
    if not isinstance(stamp, list) or len(stamp) < 2:
        return "", None
    try:
        return str(stamp[1]), dt.datetime.fromisoformat(str(stamp[0]))
    except ValueError:
        return str(stamp[1]), None


@dataclass(frozen=True)
class Family:
    """The accounts above and below an account, as far as the reader may see them; `more` children are not listed."""

    parent: Account | None
    children: list[Account]
    more: int


def family_of(account: Account, seen: QuerySet[Account]) -> Family:
    """Read the parent and the first children by name, among the accounts `seen`."""
    parent = seen.filter(pk=account.parent_id).first() if account.parent_id else None
    below = seen.filter(parent=account.pk).order_by("name_folded", "pk")
    children = list(below[: CHILDREN_SHOWN + 1])
    more = below.count() - CHILDREN_SHOWN if len(children) > CHILDREN_SHOWN else 0
    return Family(parent, children[:CHILDREN_SHOWN], more)


@dataclass(frozen=True)
class Subscriptions:
    """One page of an account's subscriptions, in the columns that say something; `total` and `active` are of all."""

    total: int
    active: int
    page: int
    next: int
    columns: list[Column]
    rows: list[SubscriptionRow]


def subscriptions_of(account: Account, page: int, vocabulary: Vocabulary) -> Subscriptions:
    """Active ones first, the largest of them first."""
    mine = Subscription.objects.filter(account=account)
    counted = mine.aggregate(total=Count("pk"), active=Count("pk", filter=Q(status__kind="active")))
    available = subscription_columns(vocabulary)
    custom = [key for key in available if key.startswith("custom.")]
    columns = [available[key] for key in (*OF_SUBSCRIPTION, *custom)]
    start, end = (page - 1) * SUBSCRIPTIONS_A_PAGE, page * SUBSCRIPTIONS_A_PAGE
    found = valued(mine, columns).order_by(F("status__position"), F("mrr_base").desc(nulls_last=True), F("pk"))
    shown, rows = filled(columns, subscription_rows(found[start:end], columns))
    following = page + 1 if counted["total"] > end else 0
    return Subscriptions(counted["total"], counted["active"], page, following, shown, rows)


def users_of(account: Account, moment: Moment) -> QuerySet[Relationship]:
    """The open relationships, people with a role first, with when last seen here and their events of 30 days."""
    here = {"account": OuterRef("account"), "user": OuterRef("user")}
    since = moment.today - dt.timedelta(days=29)
    events = DailyUsage.objects.filter(**here, day__gte=since).order_by().values("user").annotate(n=Sum("count"))
    return (
        Relationship.objects.open()
        .filter(account=account)
        .select_related("user")
        .annotate(
            seen=Subquery(UserActivity.objects.filter(**here).values("last_seen_at")[:1]),
            events=Coalesce(Subquery(events.values("n")[:1]), 0),
            without_role=Case(When(role="", then=1), default=0),
        )
        .order_by("without_role", "user__name_folded", "pk")
    )


def memberships_of(account: Account) -> list[AccountMembership]:
    """The public segments the account is in, in the company's order."""
    rows = AccountMembership.objects.filter(account=account, left_at__isnull=True, segment__internal=False)
    return list(rows.select_related("segment").order_by("segment__position", "segment_id"))


def tasks_of(account: Account) -> list[Task]:
    """The account's open tasks, the next one first, and the last three that are over."""
    mine = Task.objects.filter(account=account).select_related("assignee")
    todo = mine.open().order_by(F("due_on").asc(nulls_last=True), "pk")
    return [*todo[:TASKS_SHOWN], *mine.over()[:3]]


def enrolments_of(account: Account) -> list[Enrolment]:
    """The playbooks that the account is in, and the last three that it was in."""
    mine = Enrolment.objects.filter(account=account).select_related("playbook", "version")
    return [*mine.running(), *mine.exclude(state=Enrolment.State.RUNNING)[:3]]
