"""What a definition gives accounts, as SQL that stores nothing: a scoring, a draft and a comparison are built on it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

from django.core.exceptions import EmptyResultSet
from django.db import DatabaseError, connection
from django.db.models import Exists, OuterRef, QuerySet

from accounts.models import Account
from core.deadline import TooSlow, time_limit
from health.definition import Definition, Dimension, Measure
from health.scoring import arithmetic, columns, plain, shown_sql
from health.statements import JUDGED
from segments.models import AccountMembership
from segments.rules.compiler import Context


def judged(
    definition: Definition,
    accounts: QuerySet[Account],
    context: Context,
    *,
    shown: bool = False,
    parts: bool = True,
    held: Collection[int] = (),
) -> str | None:
    """The common table expressions from accounts to `wanted` (id, score, computed, band, overridden, coverage,
    dimensions, measures, amounts, shown), bound but for the place %(today)s; None if no account can be among them.

    With `shown` it yields what a distribution of each measure is drawn of; without, that array is empty. Without
    `parts` so are dimensions, measures and amounts, for whoever asks for bands alone. Measures at the places `held`
    keep the score that they have by this version; then the places %(config)s and %(version)s are to be bound too.
    """
    read = bound_read(definition, accounts, context)
    if read is None:
        return None
    sums = arithmetic(definition)
    scores, amounts = (
        [_kept(sql, name, i) if i in held else sql for i, sql in enumerate(found)]
        for name, found in (("measures", sums.measures), ("values", sums.values))
    )
    n = len(sums.measures) if parts else 0
    looks = [shown_sql(i, measure) for i, measure in enumerate(definition.measures)] if shown else []
    pairs = ", ".join(f"'{key}', d{i}" for i, (key, _) in enumerate(sums.dimensions))
    return JUDGED.format(
        read=read,
        measures=_named("m", scores),
        values=_named("x", amounts) if parts else "",
        kept=_KEPT if held else "",
        shown=_named("s", looks),
        dimensions=_named("d", [sql for _, sql in sums.dimensions]),
        score=sums.score,
        coverage=sums.coverage,
        by_key=f"jsonb_build_object({pairs})" if parts else "NULL::jsonb",
        measure_array=f"ARRAY[{', '.join(f'm{i}' for i in range(n))}]::numeric(4, 1)[]",
        value_array=f"ARRAY[{', '.join(f'x{i}' for i in range(n))}]::numeric(30, 6)[]",
        shown_array=f"ARRAY[{', '.join(f's{i}' for i in range(len(looks)))}]::numeric[]",
        least=plain(definition.least_coverage),
        good=plain(definition.good),
        poor=plain(definition.poor),
    )


_KEPT = """
    LEFT JOIN health_accounthealth AS kept ON kept.account_id = read.id
        AND kept.config_id = %(config)s::bigint AND kept.version = %(version)s::int"""


def _kept(sql: str, column: str, place: int) -> str:
    return f"CASE WHEN kept.account_id IS NULL THEN {sql} ELSE kept.{column}[{place + 1}] END"


def _named(letter: str, expressions: Collection[str]) -> str:
    return "".join(f", {sql} AS {letter}{i}" for i, sql in enumerate(expressions))


def bound_read(definition: Definition, accounts: QuerySet[Account], context: Context) -> str | None:
    """The query of a definition's columns over accounts, with its values in it; None if it can have no row."""
    read = columns(definition, context)
    try:
        sql, params = accounts.order_by().annotate(**read).values_list("pk", *read).query.sql_with_params()
    except EmptyResultSet:
        return None
    # Its values are bound by place, those of the whole by name: what is bound already is one text.
    bound = cast(Any, connection.ops).compose_sql(sql, params).replace("%", "%%")
    return f"SELECT * FROM ({bound}) AS answer ({', '.join(['id', *read])})"  # noqa: S608  # compiled


def without_failing(
    definition: Definition, accounts: QuerySet[Account], context: Context, limit_ms: int
) -> tuple[Definition, dict[str, str]]:
    """Try each measure alone; those that the database refuses are kept with the reason as their problem, by key."""
    failed: dict[str, str] = {}

    def tried(measure: Measure) -> Measure:
        read = bound_read(Definition((Dimension("", "", measure.weight, (measure,)),)), accounts, context)
        try:
            with time_limit(limit_ms), connection.cursor() as cursor:
                if read is not None:
                    cursor.execute(f"SELECT count(one) FROM ({read}) AS one", {})  # noqa: S608  # compiled
        except (DatabaseError, TooSlow) as error:
            text = "It takes too long." if isinstance(error, TooSlow) else str(error).splitlines()[0][:200]
            failed[measure.key] = text
            return Measure(measure.key, measure.name, measure.weight, problem=text)
        return measure

    return definition.but(tried), failed


def in_segments(segments: Collection[int]) -> Exists:
    """That an account is a stored member of one of these segments."""
    return Exists(
        AccountMembership.objects.filter(account=OuterRef("pk"), segment_id__in=list(segments), left_at__isnull=True)
    )
