"""The segment tabs that Accounts 360 and Subscription 360 share, and the strip that sums a segment up."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.core.cache import cache
from django.db.models import Count, QuerySet, Sum
from django.http import HttpRequest

from accounts.fields import Subject
from accounts.models import Account, LifecycleStage
from core.models import Workspace
from segments.models import Segment
from segments.questions import Reader
from segments.rules.tree import RuleError
from segments.subjects import ABOUT
from segments.trends import joined_left
from web.charts import Mix, mix
from web.liststate import COUNT_CAP, ListState

STRIP_SECONDS, COUNT_SECONDS = 60, 10


@dataclass(frozen=True)
class Tab:
    """One tab: a link to the same list in another segment."""

    label: str
    key: str
    number: int
    url: str
    current: bool


@dataclass(frozen=True)
class Strip:
    """A segment in one line: stages, contract value a year, who came and went in seven days, the rule in words."""

    mix: Mix
    contract_value: Decimal
    joined: int
    left: int
    words: str
    segment: Segment | None


def is_restricted(request: HttpRequest) -> bool:
    """True if stored numbers, which are about all accounts, would not be this person's."""
    member = getattr(request.user, "member", None)
    return bool(member and not request.user.is_superuser and member.is_restricted(Workspace.get()))


def members_of(accounts: QuerySet[Account], segment: Segment | None) -> QuerySet[Account]:
    """Those of the accounts that are in a segment now (all of them without a segment)."""
    if segment is None:
        return accounts
    return accounts.filter(memberships__segment=segment, memberships__left_at__isnull=True)


def everybody_for(request: HttpRequest) -> int:
    """How many accounts this person may see. A large number, which takes its time, is kept for some seconds."""
    seen = Account.objects.visible_to(request.user)
    if is_restricted(request) or seen.query.is_empty():
        return seen.count()
    kept: int | None = cache.get("accounts:live")
    number = seen.count() if kept is None else kept
    if kept is None and number > COUNT_CAP:
        cache.set("accounts:live", number, COUNT_SECONDS)
    return number


def tabs_for(
    request: HttpRequest, state: ListState, segments: list[Segment], total: int, subject: Subject = Subject.ACCOUNT
) -> list[Tab]:
    """All accounts (or users) first, then the visible segments in the company's order, with the numbers this person may
    see."""
    numbers = {item.pk: item.member_count for item in segments}
    if is_restricted(request):
        about = ABOUT[subject]
        seen = {f"{about.column}__in": about.ids(about.seen_by(request.user))}
        rows = about.memberships.objects.filter(left_at__isnull=True, segment__in=segments, **seen)
        numbers = dict(rows.values_list("segment").annotate(n=Count("pk")).order_by())
    other = state.but(q="", filters=(), status="")
    tabs = [Tab(f"All {subject.many}", "", total, other.but(segment="").url, not state.segment)]
    for item in segments:
        tabs.append(
            Tab(
                item.name, item.key, numbers.get(item.pk, 0), other.but(segment=item.key).url, item.key == state.segment
            )
        )
    return tabs


def strip_for(request: HttpRequest, reader: Reader, segment: Segment | None, total: int) -> Strip:
    """The strip; the numbers that need a pass over all members are kept for a minute."""
    seen = Account.objects.visible_to(request.user)
    if is_restricted(request):
        stages, mrr = _sums(members_of(seen, segment))
    else:
        name = f"strip:{segment.pk}:{segment.live_rev}:{segment.refreshed_at}" if segment else "strip:all"
        key = f"{name}:{total}".replace(" ", "_")
        kept = cache.get(key)
        stages, mrr = kept or _sums(members_of(seen, segment))
        if kept is None:
            cache.set(key, (stages, mrr), STRIP_SECONDS)
    joined, left = joined_left(days=7).get(segment.pk, (0, 0)) if segment else (0, 0)
    return Strip(_stage_mix(stages), Decimal(mrr or 0) * 12, joined, left, words_of(reader, segment), segment)


def words_of(reader: Reader, segment: Segment | None) -> str:
    """The rule in plain English; what is wrong with it, if it cannot be read."""
    if segment is None:
        return "Every account"
    try:
        return reader.read(segment.rule, subject=segment.subject).words
    except RuleError as error:
        return f"The rule cannot be read: {error.problems[0].message}"


def _sums(accounts: QuerySet[Account]) -> tuple[dict[str | None, int], Decimal]:
    """How many accounts are in each kind of stage, and their MRR, in one pass."""
    rows = list(accounts.order_by().values_list("stage").annotate(n=Count("pk"), mrr=Sum("mrr")))
    kinds = dict(LifecycleStage.objects.values_list("pk", "kind"))
    stages: dict[str | None, int] = {}
    for stage, number, _ in rows:
        kind = kinds.get(stage)
        stages[kind] = stages.get(kind, 0) + number
    return stages, sum((mrr or Decimal(0) for _, _, mrr in rows), Decimal(0))


def _stage_mix(stages: dict[str | None, int]) -> Mix:
    parts = [(f"stage-{kind}", label, stages.get(kind, 0)) for kind, label in LifecycleStage.Kind.choices]
    return mix([*parts, ("none", "No stage", stages.get(None, 0))])
