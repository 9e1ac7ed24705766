"""What the explanations of a page of accounts read, in one statement each: past days, versions, what a share is of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from django.db.models import OuterRef, Q, Subquery

from accounts.fields import Field
from accounts.models import Account
from core.clock import Moment
from health.definition import UNSCORED, Definition, DefinitionError, Measure, read_definition
from health.models import HealthConfigVersion, HealthDay
from health.scoring import number, share_of
from segments.questions import Reader


def days_before(ids: Sequence[int], now: Moment, days: int) -> dict[int, HealthDay]:
    """The row that counted so many days ago, by account: one look into the index for each, however long the history."""
    day = now.today - dt.timedelta(days=days)
    newest = HealthDay.objects.filter(account=OuterRef("pk"), day__lte=day).order_by("-day").values("pk")[:1]
    chosen = Account.objects.filter(pk__in=ids).order_by().values_list(Subquery(newest))
    rows = HealthDay.objects.filter(pk__in=chosen).order_by()
    return {row.account_id: row for row in rows.only("account_id", "config_id", "version", "values", "measures")}


def versions_of(wanted: Iterable[tuple[int | None, int]]) -> list[HealthConfigVersion]:
    """The versions of configs that scores were made with."""
    any_of = Q()
    for config, version in wanted:
        if config is not None:
            any_of |= Q(config_id=config, number=version)
    rows = HealthConfigVersion.objects.filter(any_of).order_by().select_related("config")
    return list(rows) if any_of else []


def definitions_of(
    wanted: Iterable[tuple[int | None, int]], reader: Reader
) -> dict[tuple[int | None, int], Definition]:
    """The versions of configs (primary key and number) that scores were made with, as far as they can be read."""
    return {(row.config_id, row.number): lenient(row.definition, reader) for row in versions_of(wanted)}


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
    """What measures are percentages of, by account and key of the field, in one statement; in none if none are."""
    fields: dict[str, Field] = {}
    for definition in definitions:
        for measure in definition.measures:
            if (key := whole_of(measure)) and measure.good and measure.good.of:
                fields[key] = measure.good.of
    if not fields:
        return {}
    values = {f"whole_{i}": number(field, reader.context) for i, field in enumerate(fields.values())}
    rows = Account.objects.filter(pk__in=ids).order_by().annotate(**values).values_list("pk", *values)
    return {(row[0], key): value for row in rows for key, value in zip(fields, row[1:], strict=True)}
