"""The rows of Accounts 360: first the ids of one page, then those fifty rows with what the columns need.

The statements are a constant number. An unfiltered list takes its count from the segment's row; a filtered one is
counted with its page.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Count, Expression, F, OrderBy, QuerySet
from django.db.models.functions import TruncWeek

from accounts.models import Account
from core.clock import Moment
from health.explaining import HealthLine, health_lines
from segments.questions import Reader
from usage.models import DailyUsage
from web.charts import Spark, spark
from web.columns import BAND, DIMENSIONS, METER, REASON, SCORE, WEEKLY, Column, Labels, readable, selection
from web.liststate import COUNT_CAP, PAGE_SIZE

WEEKS = 12
_NARROWED = """
WITH found (id, mrr, {keys}) AS MATERIALIZED ({matching} LIMIT {enough})
SELECT CASE WHEN count(*) <= %s THEN ARRAY(SELECT id FROM found ORDER BY {order} OFFSET %s LIMIT %s) END,
    count(*), coalesce(sum(mrr), 0)
FROM found
"""


@dataclass(frozen=True)
class Cell:
    """One value of a row with its column; `extra` is what a column that is put together shows beside it."""

    column: Column
    value: Any
    extra: Any = None


@dataclass(frozen=True)
class Row:
    """One account of the list."""

    pk: int
    name: str
    cells: list[Cell]
    facts: list[Cell]


def ordered(accounts: QuerySet[Account], column: Column, descending: bool) -> QuerySet[Account]:
    """By a column, missing values last, ties by name."""
    by = column.order(descending)
    rest = [F("pk")] if column.key == "name" else [F("name_folded"), F("pk")]
    return accounts.order_by(*([by] if by is not None else []), *rest)


def page_ids(accounts: QuerySet[Account], page: int) -> tuple[list[int], bool]:
    """The ids of one page, and whether there is another after it."""
    start = (page - 1) * PAGE_SIZE
    for rows in (_scored_first(accounts), accounts):
        if rows is not None:
            found = list(rows.values_list("pk", flat=True)[start : start + PAGE_SIZE + 1])
            if len(found) > PAGE_SIZE:
                return found[:PAGE_SIZE], True
    return found, False


def _scored_first(accounts: QuerySet[Account]) -> QuerySet[Account] | None:
    """In the order of the health score, only those that have one, who are before all others either way: PostgreSQL can
    then walk the index of scores instead of sorting everybody. None in any other order."""
    first, *rest = accounts.query.order_by
    if not isinstance(first, OrderBy) or first.expression != F(SCORE):
        return None
    by = F(SCORE).desc() if first.descending else F(SCORE).asc()
    return accounts.filter(health__score__isnull=False).order_by(by, *rest)


def narrowed_page(accounts: QuerySet[Account], page: int) -> tuple[list[int], bool, int, Decimal | None]:
    """One page of a narrowed list with the whole list's count and MRR (None for more than 10,000).

    What matches is found before it is put in order. Left to itself the planner walks all accounts in the order of the
    sort until enough of them match, which takes ten times as long when few do. When many match, the search for them
    ends early and that walk is the quicker way.
    """
    keys = [key if isinstance(key, OrderBy) else OrderBy(cast(Expression, key)) for key in accounts.query.order_by]
    named = {f"by_{i}": key.expression for i, key in enumerate(keys)}
    order = ", ".join(f"by_{i} {'DESC' if key.descending else 'ASC'} NULLS LAST" for i, key in enumerate(keys))
    try:
        rows = accounts.order_by().annotate(**named).values_list("pk", "mrr", *named)
        matching, params = rows.query.sql_with_params()
    except EmptyResultSet:
        return [], False, 0, Decimal(0)
    start = (page - 1) * PAGE_SIZE
    with connection.cursor() as cursor:
        statement = _NARROWED.format(matching=matching, keys=", ".join(named), order=order, enough=COUNT_CAP + 1)
        cursor.execute(statement, [*params, COUNT_CAP, start, PAGE_SIZE + 1])
        ids, number, mrr = cursor.fetchone()
    if number > COUNT_CAP:
        return *page_ids(accounts, page), number, None
    return ids[:PAGE_SIZE], len(ids) > PAGE_SIZE, number, mrr


def strip_of(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Key and name of the dimensions that the strips of some rows show, in the order in which configs have them; at
    most eight."""
    found: dict[str, str] = {}
    cells = (cell for row in rows for cell in row.cells if cell.column.key == DIMENSIONS and cell.value)
    strips = [cell.value.dimensions for cell in cells]
    for strip in sorted(strips, key=len, reverse=True):
        for key, (name, _) in strip.items():
            found.setdefault(key, name)
    return list(found.items())[:8]


def load_rows(ids: Sequence[int], columns: Sequence[Column], reader: Reader) -> list[Row]:
    """The rows of a page in its order."""
    needed = {**selection(columns), "f_mrr": F("mrr"), "f_renews": F("renews_on"), "f_stage": F("stage__name")}
    found = Account.objects.filter(pk__in=ids).order_by().annotate(**needed).values("pk", "name", *needed)
    by_id = {row["pk"]: row for row in found}
    keys = {column.key for column in columns}
    lines = weekly_users(ids, reader.moment) if WEEKLY in keys else {}
    told = health_lines(ids, reader) if keys & {DIMENSIONS, REASON} else {}
    labels = Labels()
    return [_row(by_id[pk], columns, lines.get(pk), told.get(pk), labels) for pk in ids if pk in by_id]


def _row(
    row: dict[str, Any], columns: Sequence[Column], line: Spark | None, told: HealthLine | None, labels: Labels
) -> Row:
    cells = []
    for i, column in enumerate(columns):
        if column.key == METER:
            cells.append(Cell(column, row["active"] or 0, row["seats"]))
        elif column.key == WEEKLY:
            cells.append(Cell(column, line))
        elif column.key in (DIMENSIONS, REASON):
            cells.append(Cell(column, told))
        elif column.key == BAND and column.field:
            cells.append(Cell(column, readable(column.field, row[f"c{i}"], labels), (row["pk"], row["score"])))
        elif column.field:
            cells.append(Cell(column, readable(column.field, row[f"c{i}"], labels)))
    fact = Column("fact", "")
    facts = [
        Cell(fact, row["f_mrr"], "mrr"),
        Cell(fact, row["f_renews"], "renews"),
        Cell(fact, row["f_stage"], "stage"),
    ]
    return Row(row["pk"], row["name"], cells, [item for item in facts if item.value not in (None, "")])


def weekly_users(ids: Sequence[int], moment: Moment) -> dict[int, Spark]:
    """Weekly active users of the last twelve whole or begun weeks, for a page of accounts in one statement."""
    monday = moment.today - dt.timedelta(days=moment.today.weekday())
    weeks = [monday - dt.timedelta(weeks=n) for n in reversed(range(WEEKS))]
    rows = (
        DailyUsage.objects.active()
        .filter(account__in=ids, day__gte=weeks[0], user__isnull=False)
        .order_by()
        .values_list("account", TruncWeek("day"))
        .annotate(n=Count("user", distinct=True))
    )
    counts: dict[int, dict[dt.date, int]] = {}
    for pk, week, number in rows:
        counts.setdefault(pk, {})[week] = number
    lines = {pk: spark([weeks_of.get(week, 0) for week in weeks]) for pk, weeks_of in counts.items()}
    return {pk: line for pk, line in lines.items() if line}
