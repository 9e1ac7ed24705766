"""Taking values back: a value becomes what it was before a fact, as if that fact had never come.

Only where the fact's stamp still stands; a value that somebody else has set or confirmed since stays as it is. The
history of values keeps both the fact and its withdrawal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.facts.merge import Change, check_spans, log_changes
from accounts.facts.money import lock_rates, price
from accounts.facts.rows import write_rows
from accounts.facts.shapes import SUBSCRIPTION, Shape
from accounts.facts.values import jsonable
from accounts.models import AttributeChange, Relationship
from core.intake import BadValue, clean_text

Stamp = Sequence[Any] | None


@dataclass(frozen=True, slots=True)
class Earlier:
    """A value as it was (in JSON form) with its stamp, and the stamp of the fact that is taken back."""

    value: Any
    stamp: Stamp
    by: Stamp


@dataclass(slots=True)
class Rewound:
    """What was taken back and what was not: `kept` names (row, key) of values that were changed since."""

    changed: set[int] = field(default_factory=set)
    kept: list[tuple[int, str]] = field(default_factory=list)


@transaction.atomic
def rewind(shape: Shape, wanted: Mapping[int, Mapping[str, Earlier]], *, source: str) -> Rewound:
    """Give values back what they were, row by row; `wanted` names rows by primary key."""
    source, done, now = clean_text(source, 80), Rewound(), timezone.now()
    if shape is SUBSCRIPTION:
        lock_rates()
    manager: Any = shape.model._default_manager
    rows = manager.filter(pk__in=wanted).select_for_update(no_key=True).order_by("external_id")
    log: list[Change] = []
    written = []
    for row in rows:
        ours = {key: item for key, item in wanted[row.pk].items() if row.stamps.get(key) == item.by}
        done.kept += [(row.pk, key) for key in wanted[row.pk] if key not in ours]
        values = {key: shape.stored(key, item.value) for key, item in ours.items()}
        try:
            together = {key: values.get(key, shape.read(row, key)) for span in shape.spans for key in span}
            check_spans(shape, together)
        except BadValue:
            done.kept += [(row.pk, key) for key in ours]
            continue
        for key, item in ours.items():
            log.append(Change(row, key, jsonable(shape.read(row, key)), item.value, now))
            shape.write(row, key, values[key])
            if item.stamp is None:
                row.stamps.pop(key, None)
            else:
                row.stamps[key] = list(item.stamp)
        if ours:
            written.append(row)
            done.changed.add(row.pk)
    if shape is SUBSCRIPTION:
        price(written)
    write_rows(shape, written)
    log_changes(shape, log, source, now)
    return done


@transaction.atomic
def remove(shape: Shape, pks: Iterable[int], *, allowed: Callable[[list[Any]], set[int]]) -> set[int]:
    """Delete rows with their history of values; `allowed` is shown the locked rows and names those that may go."""
    manager: Any = shape.model._default_manager
    order = "id" if shape.model is Relationship else "external_id"
    rows = list(manager.filter(pk__in=list(pks)).select_for_update().order_by(order))
    going = allowed(rows)
    AttributeChange.objects.filter(subject=shape.subject, object_id__in=going).delete()
    manager.filter(pk__in=going).delete()
    return going
