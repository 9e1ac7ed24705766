"""What the explanations of a page of accounts read, in one statement each: past days, versions, what a share is of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Q

from accounts.fields import Field
from accounts.models import Account
from core.clock import Moment
from health.definition import UNSCORED, Definition, DefinitionError, Measure, read_definition
from health.models import AccountHealth, HealthConfigVersion
from health.scoring import number, share_of
from segments.questions import Reader


@dataclass(frozen=True)
class Earlier:
    """What an account was scored on a past day: with which version, the values and scores of its measures."""

    config_id: int | None
    version: int
    values: list[Decimal | None]
    measures: list[Decimal | None]


# One look into the index of days for each account, however long its history.
_WITH_DAY = """
SELECT health.*, day.config_id AS day_config, day.version AS day_version, day.values AS day_values,
       day.measures AS day_measures
FROM health_accounthealth AS health
LEFT JOIN LATERAL (
    SELECT config_id, version, "values", measures FROM health_healthday
    WHERE account_id = health.account_id AND day <= %s ORDER BY day DESC LIMIT 1
) AS day ON true
WHERE health.account_id = ANY(%s)
"""


def health_with_past(ids: Sequence[int], now: Moment, days: int) -> tuple[dict[int, AccountHealth], dict[int, Earlier]]:
    """The health of these accounts, and what counted so many days ago where anything did, by account."""
    found: dict[int, AccountHealth] = {}
    past: dict[int, Earlier] = {}
    row: Any  # with columns that the model does not have
    for row in AccountHealth.objects.raw(_WITH_DAY, [now.today - dt.timedelta(days=days), list(ids)]):
        found[row.account_id] = row
        if row.day_version is not None:
            past[row.account_id] = Earlier(row.day_config, row.day_version, row.day_values, row.day_measures)
    return found, past


def versions_of(wanted: Iterable[tuple[int | None, int]]) -> list[HealthConfigVersion]:
    """The versions of configs that scores were made with."""
    any_of = Q()
    for config, version in wanted:
        if config is not None:
            any_of |= Q(config_id=config, number=version)
    rows = HealthConfigVersion.objects.filter(any_of).order_by().select_related("config")
    return list(rows) if any_of else []


def lenient(data: Any, reader: Reader) -> Definition:
    """A stored definition, measures that cannot be read any more kept with their problem; empty if nothing can be."""
    try:
        return read_definition(data, reader, lenient=True)
    except DefinitionError:
        return UNSCORED


def whole_of(measure: Measure) -> str:
    """The key of the field that both limits are percentages of; "" if there is none."""
    return measure.good.of.key if share_of(measure) and measure.good and measure.good.of else ""


def wholes_of(
    ids: Sequence[int], definitions: Iterable[Definition], reader: Reader
) -> dict[tuple[int, str], Decimal | None]:
    """What limits are percentages of, by account and key of the field, in one statement; in none if none are."""
    fields: dict[str, Field] = {}
    for definition in definitions:
        for measure in definition.measures:
            limits = [side for side in (measure.good, measure.poor) if side is not None]
            fields |= {limit.whole: limit.of for limit in limits if limit.of is not None}
    if not fields:
        return {}
    values = {f"whole_{i}": number(field, reader.context) for i, field in enumerate(fields.values())}
    rows = Account.objects.filter(pk__in=ids).order_by().annotate(**values).values_list("pk", *values)
    return {(row[0], key): value for row in rows for key, value in zip(fields, row[1:], strict=True)}
