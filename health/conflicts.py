"""Accounts that several configs could score: which one does, and what each of the others would say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Count, QuerySet

from accounts.models import Account
from core.deadline import time_limit
from health.definition import UNSCORED, Definition, DefinitionError, Measure, read_definition
from health.judging import in_segments, judged
from health.models import AccountHealth, Band, HealthConfig
from segments.models import AccountMembership
from segments.questions import Reader

LIMIT_MS = 5_000
PAGE = 50


@dataclass(frozen=True)
class Verdict:
    """What one config says of an account. `wins` marks the one that counts, the first in the order."""

    config: HealthConfig
    score: Decimal | None
    band: str
    wins: bool

    @property
    def label(self) -> str:
        """The word for its band."""
        return str(Band(self.band).label)


@dataclass(frozen=True)
class Conflict:
    """An account with the verdicts of the configs whose segments it is in, in their order. `stored` is the health that
    is kept; a band by hand stands above every verdict."""

    account: Account
    verdicts: list[Verdict]
    stored: AccountHealth | None

    @property
    def differs(self) -> bool:
        """Whether another config would give another band."""
        return len({verdict.band for verdict in self.verdicts}) > 1


@dataclass(frozen=True)
class Conflicts:
    """One page of them, and how many there are."""

    rows: list[Conflict]
    total: int


def matching_configs() -> list[HealthConfig]:
    """The configs that share accounts: active ones of segments, in their order. The default scores only the rest."""
    return list(HealthConfig.objects.filter(active=True, is_default=False).select_related("segment"))


def configs_of(account: Account, configs: Sequence[HealthConfig] | None = None) -> list[HealthConfig]:
    """The configs whose segments an account is in, the one that counts first."""
    mine = set(
        AccountMembership.objects.filter(account=account, left_at__isnull=True, segment__health_config__active=True)
        .order_by()
        .values_list("segment_id", flat=True)
    )
    if len(mine) < 2 and configs is None:
        return []
    return [config for config in (matching_configs() if configs is None else configs) if config.segment_id in mine]


def conflicted(seen: QuerySet[Account], configs: Sequence[HealthConfig]) -> QuerySet[Account]:
    """The accounts in the segments of two configs or more."""
    several = (
        AccountMembership.objects.filter(
            segment_id__in=[config.segment_id for config in configs], left_at__isnull=True
        )
        .order_by()
        .values("account")
        .annotate(n=Count("segment"))
        .filter(n__gt=1)
    )
    return seen.filter(pk__in=several.values("account"))


def find_conflicts(
    seen: QuerySet[Account],
    reader: Reader,
    *,
    config: HealthConfig | None = None,
    differing: bool = False,
    page: int = 1,
    size: int = PAGE,
) -> Conflicts:
    """A page of the accounts (of those `seen`) that several configs could score, by name.

    `config` narrows them to those of its segment, `differing` to those whose band depends on the config. A handful of
    statements, however many accounts there are; all configs are asked in one. Raises TooSlow past five seconds each.
    """
    configs = matching_configs()
    found = conflicted(seen, configs)
    if config is not None:
        found = found.filter(in_segments([config.segment_id] if config.segment_id else []))
    read = [(one, _readable(one, reader)) for one in configs]
    start = max(0, page - 1) * size
    with time_limit(LIMIT_MS):
        if differing:
            total, ids = _differing(read, found, reader, start, size)
        else:
            total = found.count()
            ids = list(found.order_by("name_folded", "pk").values_list("pk", flat=True)[start : start + size])
        return Conflicts(_rows(read, ids, reader), total)


def _readable(config: HealthConfig, reader: Reader) -> Definition:
    """A config as it is scored: without the measures that failed the last time."""
    try:
        definition = read_definition(config.definition, reader, lenient=True)
    except DefinitionError:
        return UNSCORED
    return definition.but(lambda measure: _left_out(measure, config))


def _left_out(measure: Measure, config: HealthConfig) -> Measure:
    problem = measure.problem or str(config.problems.get(measure.key, ""))
    return Measure(measure.key, measure.name, measure.weight, problem=problem) if problem else measure


def _asked(
    read: Iterable[tuple[HealthConfig, Definition]], accounts: QuerySet[Account], reader: Reader
) -> str:
    """One query for what every config says of those of the accounts that are in its segment."""
    parts = []
    for config, definition in read:
        mine = accounts.filter(in_segments([config.segment_id or 0]))
        text = judged(definition, mine, reader.context)
        if text is not None:
            parts.append(f"(WITH {text} SELECT {config.pk} AS config, id, score, computed FROM wanted)")
    return " UNION ALL ".join(parts)


def _differing(
    read: Sequence[tuple[HealthConfig, Definition]], found: QuerySet[Account], reader: Reader, start: int, size: int
) -> tuple[int, list[int]]:
    """How many accounts have verdicts that differ, and the ids of one page of them."""
    asked = _asked(read, found, reader)
    if not asked:
        return 0, []
    statement = f"""
        WITH told AS ({asked}),
        differing AS MATERIALIZED (SELECT id FROM told GROUP BY id HAVING count(DISTINCT computed) > 1)
        SELECT (SELECT count(*) FROM differing),
               ARRAY(SELECT d.id FROM differing AS d JOIN accounts_account AS a ON a.id = d.id
                     ORDER BY a.name_folded, a.id LIMIT %(size)s OFFSET %(start)s)
    """  # noqa: S608  # compiled
    with connection.cursor() as cursor:
        cursor.execute(statement, {"today": reader.moment.today, "size": size, "start": start})
        total, ids = cursor.fetchone()
    return total, list(ids)


def _rows(
    read: Sequence[tuple[HealthConfig, Definition]], ids: Sequence[int], reader: Reader
) -> list[Conflict]:
    """The accounts of one page with every verdict."""
    asked = _asked(read, Account.objects.filter(pk__in=ids), reader) if ids else ""
    said: dict[tuple[int, int], tuple[Any, str]] = {}
    if asked:
        with connection.cursor() as cursor:
            cursor.execute(asked, {"today": reader.moment.today})
            said = {(pk, config): (score, band) for config, pk, score, band in cursor.fetchall()}
    accounts = Account.objects.in_bulk(ids)
    stored = AccountHealth.objects.in_bulk(ids)
    rows = []
    for pk in ids:
        mine = [config for config, _ in read if (pk, config.pk) in said]
        verdicts = [Verdict(one, *said[pk, one.pk], wins=one is mine[0]) for one in mine]
        rows.append(Conflict(accounts[pk], verdicts, stored.get(pk)))
    return rows
