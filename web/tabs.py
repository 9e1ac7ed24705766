"""The segment tabs that Accounts 360 and Subscription 360 share, and the strip that sums a segment up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.core.cache import cache
from django.db.models import Count, QuerySet, Sum
from django.http import HttpRequest

from accounts.fields import Subject
from accounts.models import Account, LifecycleStage
from core.deadline import TooSlow, time_limit
from health.models import Band
from segments.models import AccountMembership, Segment
from segments.questions import Reader
from segments.rules.tree import RuleError
from segments.subjects import ABOUT
from segments.trends import joined_left
from web.charts import Mix, Slice, mix
from web.columns import BAND
from web.filters import compact
from web.liststate import COUNT_CAP, ListState
from web.pages import workspace_of

STRIP_SECONDS, COUNT_SECONDS = 60, 10
BANDS_SECONDS, BANDS_LIMIT_MS = 120, 2_000


@dataclass(frozen=True)
class Tab:
    """One tab: a link to the same list in another segment."""

    label: str
    key: str
    number: int
    url: str
    current: bool


@dataclass(frozen=True)
class BandLink:
    """One band of a mix with the address of its accounts; `on` if that list shows already, and the link leads back."""

    item: Slice
    url: str
    on: bool


@dataclass(frozen=True)
class Strip:
    """A segment in one line: health (stages, while nobody is scored), contract value a year, who came and went in seven
    days, the rule in words. `bands` leads to the accounts of each band."""

    mix: Mix
    bands: list[BandLink]
    contract_value: Decimal
    joined: int
    left: int
    words: str
    segment: Segment | None


def is_restricted(request: HttpRequest) -> bool:
    """True if stored numbers, which are about all accounts, would not be this person's."""
    member = getattr(request.user, "member", None)
    return bool(member and not request.user.is_superuser and member.is_restricted(workspace_of(request)))


def count_in(request: HttpRequest, segment: Segment | None, scope: QuerySet[Account], everybody: int) -> int:
    """How many accounts are in a segment (in `scope`), as far as this person sees; `everybody` without one."""
    if segment is None:
        return everybody
    return scope.count() if is_restricted(request) else segment.member_count


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


def strip_for(request: HttpRequest, reader: Reader, segment: Segment | None, total: int, state: ListState) -> Strip:
    """The strip above a list in some state; the numbers that need a pass over all members are kept for a minute."""
    seen = Account.objects.visible_to(request.user)
    if is_restricted(request):
        stages, bands, mrr = _sums(members_of(seen, segment))
    else:
        name = f"sums:{segment.pk}:{segment.live_rev}:{segment.refreshed_at}" if segment else "sums:all"
        key = f"{name}:{total}".replace(" ", "_")
        kept = cache.get(key)
        stages, bands, mrr = kept or _sums(members_of(seen, segment))
        if kept is None:
            cache.set(key, (stages, bands, mrr), STRIP_SECONDS)
    joined, left = joined_left(days=7).get(segment.pk, (0, 0)) if segment else (0, 0)
    scored = is_scored(bands)
    return Strip(
        band_mix(bands) if scored else _stage_mix(stages),
        band_links(bands, state) if scored else [],
        Decimal(mrr or 0) * 12, joined, left, words_of(reader, segment), segment,
    )  # fmt: skip


def is_scored(bands: Mapping[str, int]) -> bool:
    """Whether any account has a score, so that a mix says something."""
    return any(number for band, number in bands.items() if band != Band.NONE)


def band_mix(bands: Mapping[str, int]) -> Mix:
    """The four bands as a bar."""
    return mix([(f"band-{band}", str(label), bands.get(str(band), 0)) for band, label in Band.choices])


def band_links(bands: Mapping[str, int], state: ListState) -> list[BandLink]:
    """Each band of a mix with the list of its accounts: that of `state`, filtered by it."""
    words = {f"band-{band}": compact(in_band(str(band))) for band in Band.values}
    others = tuple(item for item in state.filters if item not in words.values())
    found = []
    for item in band_mix(bands).slices:
        on = words[item.key] in state.filters
        filters = others if on else (*others, words[item.key])
        found.append(BandLink(item, state.but(filters=filters).url, on))
    return found


def in_band(band: str) -> dict[str, Any]:
    """The filter for the accounts of a band."""
    return {"field": BAND, "op": "is", "value": band}


def words_of(reader: Reader, segment: Segment | None) -> str:
    """The rule in plain English; what is wrong with it, if it cannot be read."""
    if segment is None:
        return "Every account"
    try:
        return reader.read(segment.rule, subject=segment.subject).words
    except RuleError as error:
        return f"The rule cannot be read: {error.first}"


def _sums(accounts: QuerySet[Account]) -> tuple[dict[str | None, int], dict[str, int], Decimal]:
    """How many accounts are in each kind of stage and in each band of health, and their MRR, in one pass."""
    rows = list(accounts.order_by().values_list("stage", "health__band").annotate(n=Count("pk"), mrr=Sum("mrr")))
    kinds = dict(LifecycleStage.objects.values_list("pk", "kind"))
    stages: dict[str | None, int] = {}
    bands: dict[str, int] = {}
    for stage, band, number, _ in rows:
        kind, band = kinds.get(stage), band or str(Band.NONE)
        stages[kind] = stages.get(kind, 0) + number
        bands[band] = bands.get(band, 0) + number
    return stages, bands, sum((row[-1] or Decimal(0) for row in rows), Decimal(0))


def bands_of(request: HttpRequest, segments: Sequence[Segment]) -> dict[int, dict[str, int]]:
    """How many members of each segment are in which band, by the segment's id: one statement for all that are not kept.

    It reads every membership, so what everybody may see is kept for some minutes, and a count that takes too long is
    left out: a list of segments without it is better than one that does not come.
    """
    mine = [item for item in segments if item.subject == Subject.ACCOUNT and item.active]
    everybody = not is_restricted(request)
    names = {item.pk: f"bands:{item.pk}:{item.live_rev}" for item in mine}
    kept = cache.get_many(names.values()) if everybody else {}
    found: dict[int, dict[str, int]] = {pk: kept[name] for pk, name in names.items() if name in kept}
    missing = [pk for pk in names if pk not in found]
    if not missing:
        return found
    rows = AccountMembership.objects.filter(segment_id__in=missing, left_at__isnull=True, account__archived_at=None)
    if not everybody:
        rows = rows.filter(account__in=Account.objects.visible_to(request.user).order_by().values("pk"))
    counted = rows.order_by().values_list("segment_id", "account__health__band").annotate(n=Count("pk"))
    fresh: dict[int, dict[str, int]] = {pk: {} for pk in missing}
    try:
        with time_limit(BANDS_LIMIT_MS):
            for segment, band, number in counted:
                band = band or str(Band.NONE)
                fresh[segment][band] = fresh[segment].get(band, 0) + number
    except TooSlow:
        return found
    if everybody:
        cache.set_many({names[pk]: bands for pk, bands in fresh.items()}, BANDS_SECONDS)
    return found | fresh


def _stage_mix(stages: dict[str | None, int]) -> Mix:
    parts = [(f"stage-{kind}", label, stages.get(kind, 0)) for kind, label in LifecycleStage.Kind.choices]
    return mix([*parts, ("none", "No stage", stages.get(None, 0))])
