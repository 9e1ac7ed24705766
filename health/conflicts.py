"""Accounts that several configs could score: which one does, and what each of the others would say."""

from __future__ import annotations

from collections.abc import Sequence
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

LIMIT_MS = 10_000


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


def matching_configs() -> list[HealthConfig]:
    """The configs that share accounts: active ones of segments, in their order. The default scores only the rest."""
    return list(HealthConfig.objects.filter(active=True, is_default=False).select_related("segment"))


def other_configs_of(account: Account) -> int:
    """How many configs fit an account besides the one that counts."""
    found = AccountMembership.objects.filter(
        account=account, left_at__isnull=True, segment__health_config__active=True
    ).count()
    return max(0, found - 1)


class Comparison:
    """The configs that share accounts, each read once. All of them are asked in one statement, which may take ten
    seconds; TooSlow is raised past that."""

    def __init__(self, reader: Reader, configs: Sequence[HealthConfig] | None = None) -> None:
        self.reader = reader
        self.configs = matching_configs() if configs is None else list(configs)
        self.read = [(config, _readable(config, reader)) for config in self.configs]

    def accounts(
        self, seen: QuerySet[Account], *, config: HealthConfig | None = None, differing: bool = False
    ) -> QuerySet[Account]:
        """The accounts (of those `seen`) in the segments of two configs or more; `config` narrows them to those of its
        segment, `differing` to those whose band depends on the config."""
        members = AccountMembership.objects.filter(
            segment_id__in=[one.segment_id for one in self.configs], left_at__isnull=True
        )
        several = members.order_by().values("account").annotate(n=Count("segment")).filter(n__gt=1)
        found = seen.filter(pk__in=several.values("account"))
        if config is not None:
            found = found.filter(in_segments([config.segment_id or 0]))
        return found.filter(pk__in=self._differing(found)) if differing else found

    def told(self, accounts: Sequence[Account]) -> list[Conflict]:
        """What every config says of each of these accounts, in their order."""
        ids = [account.pk for account in accounts]
        rows = self._rows("SELECT * FROM ({asked}) AS told", Account.objects.filter(pk__in=ids)) if ids else []
        said = {(pk, config): (score, band) for config, pk, score, band in rows}
        stored = AccountHealth.objects.in_bulk(ids)
        found = []
        for account in accounts:
            mine = [config for config in self.configs if (account.pk, config.pk) in said]
            verdicts = [Verdict(one, *said[account.pk, one.pk], wins=one is mine[0]) for one in mine]
            found.append(Conflict(account, verdicts, stored.get(account.pk)))
        return found

    def _differing(self, found: QuerySet[Account]) -> list[int]:
        """The ids of the accounts for which the verdicts differ."""
        statement = "SELECT id FROM ({asked}) AS told GROUP BY id HAVING count(DISTINCT computed) > 1"
        return [pk for (pk,) in self._rows(statement, found)]

    def _rows(self, statement: str, accounts: QuerySet[Account]) -> list[Any]:
        """Run a statement over what every config says of those of the accounts that are in its segment."""
        parts = []
        for config, definition in self.read:
            mine = accounts.filter(in_segments([config.segment_id or 0]))
            text = judged(definition, mine, self.reader.context)
            if text is not None:
                said = f"SELECT {config.pk} AS config, id, score, computed FROM wanted"  # noqa: S608  # a number of ours
                parts.append(f"(WITH {text} {said})")
        if not parts:
            return []
        with time_limit(LIMIT_MS), connection.cursor() as cursor:
            cursor.execute(statement.format(asked=" UNION ALL ".join(parts)), {"today": self.reader.moment.today})
            return list(cursor.fetchall())


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
