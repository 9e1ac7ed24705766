"""Loading a file: batches of rows into the write side, good rows in, every bad row reported."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from django.db import transaction

from accounts.facts import (
    Outcome,
    define_attribute,
    guess_kind,
    record_accounts,
    record_relationships,
    record_subscriptions,
    record_users,
)
from accounts.facts.attributes import attribute_key
from accounts.models import AttributeDefinition, Subscription
from accounts.privacy.gate import erased_among
from core.clock import moment
from core.intake import BadValue, short
from integrations.ledger import Ledger, Progress, Rejects, Seen, Summary
from integrations.mapping import SUBJECT_OF, MappingFile, Plan, make_plan
from integrations.reading import FieldError, RowReader, read_day
from integrations.sources.csv import BadRow, Row, Table
from integrations.sources.tables import open_table
from integrations.sources.xlsx import Sheet
from usage.store import EventFact, PostgresStore

SAMPLE = 2_000
PASSED_OVER = 20_000
Bad = tuple[int, str, str, list[str]]  # line, column, reason, cells


@dataclass
class Order:
    """What is to be loaded, and how. `overrides` are the `--map` options."""

    kind: str
    path: Path
    mapping: MappingFile = field(default_factory=MappingFile)
    overrides: dict[str, str] = field(default_factory=dict)
    source: str = ""
    date_format: str | None = None
    encoding: str | None = None
    new_attributes: bool = False
    create_missing: bool = False
    clear_empty: bool = False
    dry_run: bool = False
    rejects: Path | None = None
    batch: int = 2_000
    as_of: dt.datetime | None = None
    keep: Callable[[dict[str, str]], bool] | None = None
    unpacked: int | None = None

    def open(self) -> Table | Sheet:
        """The file's rows. Raises NotReadable."""
        return open_table(self.path, self.encoding, self.unpacked)


def load_file(
    order: Order,
    *,
    watch: Callable[[Progress], None] = lambda progress: None,
    stop: Callable[[], bool] = lambda: False,
    ledger: Ledger | None = None,
) -> Summary:
    """Load one file. Raises NotReadable or BadMapping if it cannot be loaded at all.

    Each batch is a transaction of its own, so what was loaded stays when `stop` says so or the machine ends; a `ledger`
    that knows how far an earlier attempt came makes this one go on there. A dry run is one transaction that is taken
    back.
    """
    ledger = ledger or Ledger()
    summary = ledger.summary
    with ExitStack() as stack:
        if order.dry_run:
            stack.enter_context(transaction.atomic())
            stack.callback(transaction.set_rollback, True)
        plan = prepare(order, summary)
        table = stack.enter_context(closing(order.open()))
        rejects = stack.enter_context(closing(Rejects(order.rejects, table.header, ledger)))
        seen = None if plan.kind == "events" or plan.has("at") else stack.enter_context(closing(Seen()))
        present = moment()
        reader = RowReader(
            plan, present.zone, order.as_of or present.now, order.clear_empty, typed=isinstance(table, Sheet)
        )
        rows, position = iter(table), ledger.position
        _pass_over(islice(rows, position), reader, seen, ledger)
        while batch := list(islice(rows, order.batch)):
            position += len(batch)
            with transaction.atomic():
                ledger.begin()
                _load_batch(order, reader, batch, seen, rejects, ledger)
                progress = Progress(table.place(), table.size, summary.rows, summary.bad_rows)
                ledger.end(progress, position)
            watch(progress)
            if stop():
                summary.stopped = True
                break
    return summary


def _pass_over(rows: Iterable[Row | BadRow], reader: RowReader, seen: Seen | None, ledger: Ledger) -> None:
    """Rows that an earlier attempt has dealt with: only their keys matter, so that a repetition is still found."""
    for count, item in enumerate(rows):
        if count % PASSED_OVER == 0:
            ledger.alive()
        if seen and isinstance(item, Row):
            with suppress(FieldError):
                seen.earlier(_key(reader.fact(item.cells)), item.line)


def prepare(order: Order, summary: Summary) -> Plan:
    """Make the attributes that the order asks for, and decide about every column."""
    for key, words in order.mapping.attributes.items():
        _define(order.kind, key, **dict(words))
    asked = {column: name for column, name in order.overrides.items() if name.startswith("custom.")}
    with closing(order.open()) as table:
        if not (order.new_attributes and order.kind in SUBJECT_OF):
            plan = make_plan(order.kind, table.header, order.mapping, order.overrides, date_format=order.date_format)
            summary.unknown = plan.unknown
            return plan
        # Those that --map asks for do not exist yet, so the first plan is made without them.
        others = order.overrides | dict.fromkeys(asked, "")
        plan = make_plan(order.kind, table.header, order.mapping, others, date_format=order.date_format)
        rows = [item.cells for item in islice(table, SAMPLE) if isinstance(item, Row)]
    for column in [*plan.unknown, *(name for name in plan.header if name in asked)]:
        key = asked[column].removeprefix("custom.") if column in asked else attribute_key(column)
        if AttributeDefinition.objects.filter(subject=SUBJECT_OF[order.kind], key=key).exists():
            continue
        place = plan.header.index(column)
        kind, choices = _guess([cells[place] for cells in rows], plan.date_format)
        _define(order.kind, key, name=column[:120], kind=kind, choices=choices)
        summary.made.append(f"{key} ({kind})")
    return make_plan(order.kind, plan.header, order.mapping, order.overrides, date_format=order.date_format)


def _define(rows: str, key: str, **words: Any) -> None:
    try:
        define_attribute(SUBJECT_OF[rows], key, **words)
    except BadValue as error:
        raise FieldError(f"custom.{key}", str(error)) from error


def _guess(samples: list[str], date_format: str | None) -> tuple[str, list[str]]:
    texts = [text for text in samples if text.strip()]
    if texts and date_format:
        try:
            for text in texts:
                read_day(text, date_format, dt.UTC)
            return AttributeDefinition.Kind.DATE, []
        except BadValue:
            pass
    kind, choices = guess_kind(texts)
    # A sample cannot know every choice of a long file, so only one that was seen whole becomes a list of choices.
    return (kind, choices) if kind != AttributeDefinition.Kind.CHOICE or len(samples) < SAMPLE else ("text", [])


def _load_batch(
    order: Order, reader: RowReader, batch: list[Row | BadRow], seen: Seen | None, rejects: Rejects, ledger: Ledger
) -> None:
    summary = ledger.summary
    facts: list[Any] = []
    rows: list[Row] = []
    bad: list[Bad] = []
    for item in batch:
        if isinstance(item, BadRow):
            summary.rows += 1
            bad.append((item.line, item.column, item.reason, item.cells))
            continue
        if order.keep and not order.keep(dict(zip(reader.plan.header, item.cells, strict=True))):
            continue
        summary.rows += 1
        try:
            fact = reader.fact(item.cells)
            before = seen.earlier(_key(fact), item.line) if seen else None
            if before:
                raise FieldError(_key_field(order.kind), f"“{short(_key(fact))}” stands already on line {before}.")
        except FieldError as error:
            bad.append((item.line, reader.plan.header_of(error.name), str(error), item.cells))
            continue
        facts.append(fact)
        rows.append(item)
    ledger.facts(order.kind, facts, [row.line for row in rows])
    for index, key, reason in _record(order, reader, facts, rows, ledger):
        bad.append((rows[index].line, reader.plan.header_of(key), reason, rows[index].cells))
    for problem in sorted(_without_erased(bad), key=lambda item: item[0]):
        rejects.add(*problem)


def _without_erased(bad: list[Bad]) -> list[Bad]:
    """Bad rows, those that name somebody who was erased without their cells."""
    if not bad:
        return bad
    ids = [{text for cell in cells if (text := cell.strip()) and len(text) <= 255} for *_, cells in bad]

    def named() -> dict[str, set[str]]:
        every = set().union(*ids)
        return {"user": every, "account": every}

    erased = {external_id: reason for (_, external_id), reason in erased_among(named).items()}
    found: list[Bad] = []
    for problem, texts in zip(bad, ids, strict=True):
        why = next((erased[text] for text in sorted(texts) if text in erased), None)
        found.append(problem if why is None else (problem[0], problem[1], why, []))
    return found


def _key(fact: Any) -> str:
    if hasattr(fact, "external_id"):
        return str(fact.external_id)
    return "\x1f".join((fact.user, fact.account, str(fact.started_at or ""), str(fact.ended_at or "")))


def _key_field(kind: str) -> str:
    return "user" if kind == "relationships" else "external_id"


def _record(
    order: Order, reader: RowReader, facts: list[Any], rows: list[Row], ledger: Ledger
) -> Iterator[tuple[int, str, str]]:
    source = order.source or order.mapping.source or f"file {order.path.name}"[:80]
    match order.kind:
        case "accounts":
            outcome = record_accounts(facts, source=source)
        case "users":
            outcome = record_users(facts, source=source)
        case "relationships":
            outcome = record_relationships(facts, source=source, create_missing=order.create_missing)
        case "subscriptions":
            outcome = record_subscriptions(facts, source=source, create_missing=order.create_missing)
        case _:
            yield from _record_events(order, reader, facts, rows, source, ledger)
            return
    _count(outcome, ledger.summary)
    ledger.recorded(outcome)
    for reject in outcome.rejected:
        yield reject.index, reject.key, reject.reason


def _count(outcome: Outcome, summary: Summary) -> None:
    summary.created += len(outcome.created)
    summary.updated += len(outcome.updated)
    summary.unchanged += len(outcome.unchanged)


def _record_events(
    order: Order, reader: RowReader, facts: list[EventFact], rows: list[Row], source: str, ledger: Ledger
) -> Iterator[tuple[int, str, str]]:
    places = list(range(len(facts)))
    by_subscription = next((target.index for target in reader.plan.targets if target.field == "subscription"), None)
    if by_subscription is not None:
        wanted = {row.cells[by_subscription].strip() for row in rows}
        found = Subscription.objects.filter(external_id__in={text for text in wanted if "\x00" not in text})
        homes = dict(found.values_list("external_id", "account__external_id"))
        placed, places_kept = [], []
        for place, (fact, row) in enumerate(zip(facts, rows, strict=True)):
            name = row.cells[by_subscription].strip()
            if name and name not in homes:
                yield place, "subscription", f"There is no subscription “{short(name)}”. Load subscriptions first."
                continue
            more = {"subscription_id": name} if name else {}
            placed.append(
                replace(fact, account=fact.account or homes.get(name), properties={**more, **fact.properties})
            )
            places_kept.append(place)
        facts, places = placed, places_kept
    result = PostgresStore().append(facts, source=source, create_missing=order.create_missing)
    ledger.summary.created += result.stored
    ledger.summary.unchanged += result.repeated
    ledger.summary.homeless += result.homeless
    ledger.appended(result)
    for reject in result.rejected:
        yield places[reject.index], reject.key, reject.reason
