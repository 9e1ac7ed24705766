"""A rule's conditions asked of a past day, and what could not be known of these days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from django.db.models import F, QuerySet

from accounts.models import Account
from alerts.definition import Definition, scoped, stored_definition
from alerts.models import AlertReplay, AlertReplayDay
from alerts.past import HEALTH, days_of
from core.clock import moment
from core.deadline import time_limit
from core.ids import Ids, OneOf
from core.refusals import Problem
from core.spans import ONE_DAY
from health.models import HealthDay
from segments.past_days import PastDays
from segments.questions import Question, Reader
from segments.rules.nodes import fields_of, walk
from segments.rules.tree import RuleError
from segments.unknown_days import Gap, Reads, gaps_of

LIMIT_MS = 60_000


@dataclass
class Asking:
    """A definition with all that is needed to ask it of past days; `ever` are the accounts for which it held so far."""

    definition: Definition
    asked: dict[str, Any]
    clear: Any
    past: PastDays
    ever: set[int] = field(default_factory=set)

    def day(self, replay: AlertReplay, day: dt.date) -> AlertReplayDay:
        """What is found of a day, which is later than the one before; not stored. Raises RuleError where the past of a
        field cannot be told, TooSlow."""
        with self.past.day(day) as (reader, failed):
            self.refuse(failed)
            with time_limit(LIMIT_MS):
                members = _ids(reader.read(self.asked).accounts())
                self.ever.update(members)
                clear, archived = self.others(reader) if self.clear else ([], [])
        return AlertReplayDay(replay=replay, day=day, members=members, clear=clear, archived=archived)

    def others(self, reader: Reader) -> tuple[list[int], list[int]]:
        """Of those for which it held so far: who is clear, and who is archived."""
        mine = Ids.of(self.ever)
        asked = OneOf(F("pk"), mine)
        clear = replace(reader, accounts=mine).read(self.clear).accounts().filter(asked)
        archived = Account.objects.filter(asked, archived_at__isnull=False)
        return _ids(clear), _ids(archived)

    def refuse(self, fields: dict[str, str]) -> None:
        """Refuse fields whose past cannot be told, with the reason."""
        read = self.fields()
        for key in sorted(fields):
            if key in read:
                raise RuleError([Problem("/condition", "unknown-past", fields[key])])

    def questions(self) -> list[Question]:
        """Both conditions."""
        return [one for one in (self.definition.condition, self.definition.clear) if one is not None]

    def fields(self) -> set[str]:
        """The fields that they read."""
        return set[str]().union(*(fields_of(one.rule) for one in self.questions()))

    def gaps(self, first_day: dt.date, last_day: dt.date) -> list[Gap]:
        """What is to be said of the days."""
        nodes = [node for one in self.questions() for node in walk(one.rule)]
        reads = Reads.of(self.fields(), nodes, self.past.reader.vocabulary)
        found = list(gaps_of(reads, self.past.segments, first_day, last_day, self.past.reader.moment))
        if any(key.startswith(HEALTH) for key in reads.fields):
            first = HealthDay.objects.order_by("day").values_list("day", flat=True).first()
            if first is None or first > first_day:
                note = "Nobody was scored yet: every account is Not scored."
                found.append(Gap("Health", note, first - ONE_DAY if first else None))
        return found


@contextmanager
def asking(replay: AlertReplay) -> Iterator[Asking]:
    """What a replay needs; its tables of the session go at the end. Raises RuleError and BadValue where the definition
    cannot be read, or asks for what nobody can say of the past."""
    reader = Reader.now(moment())
    definition = stored_definition(replay.definition, reader)
    data = definition.data()
    asked = scoped(data["condition"], definition.segments)
    rules = [asked, *([data["clear"]] if data["clear"] else [])]
    with days_of(reader, rules) as past:
        found = Asking(definition, asked, data["clear"], past)
        found.refuse(past.unknown)
        yield found


def _ids(rows: QuerySet[Account]) -> list[int]:
    return sorted(rows.order_by().values_list("pk", flat=True))
