"""Reading cells: dates in the file's own form, empty cells, conditions; then whole rows as facts."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from functools import lru_cache
from typing import Any

from accounts.facts import SHAPES, Fact, RelationshipFact
from accounts.facts.shapes import Form
from accounts.models import AttributeDefinition
from core.intake import BadValue, clean_boolean, clean_date, clean_datetime, short
from integrations.mapping import SUBJECT_OF, Plan
from usage.store import EventFact

_NUMERIC_DATE = re.compile(r"(\d{1,4})[./-](\d{1,2})[./-](\d{1,4})\b")
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d(T|$)")
_TIMES = ("", " %H:%M", " %H:%M:%S", "T%H:%M", "T%H:%M:%S")
TIME_FIELDS = ("at", "started_at", "ended_at")


@lru_cache(maxsize=20_000)
def read_instant(text: str, form: str | None, zone: dt.tzinfo) -> dt.datetime:
    """An instant, or a day's first instant, in the file's form (a time of day may follow it) or in ISO form.

    Raises BadValue, also for a date of which nobody can say whether the day or the month comes first.
    """
    if form:
        for time in _TIMES:
            try:
                return clean_datetime(text, zone, form + time)
            except BadValue:
                continue
        raise BadValue(f"“{short(text)}” is not a date in the form {form}.")
    found = _NUMERIC_DATE.match(text.strip())
    if found and len(found[1]) != 4:
        raise BadValue(f"“{short(text)}” may begin with the day or the month. Say which: --date-format %d-%m-%Y")
    return clean_datetime(text, zone)


@lru_cache(maxsize=20_000)
def read_day(text: str, form: str | None, zone: dt.tzinfo) -> dt.date:
    """A calendar day in the file's form or in ISO form. Raises BadValue like `read_instant`."""
    if form:
        return read_instant(text, form, zone).astimezone(zone).date()
    found = _NUMERIC_DATE.match(text.strip())
    if found and len(found[1]) != 4:
        raise BadValue(f"“{short(text)}” may begin with the day or the month. Say which: --date-format %d-%m-%Y")
    return clean_date(text)


class FieldError(ValueError):
    """A cell that cannot be read, with the field it feeds."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        super().__init__(reason)


class RowReader:
    """Turns the rows of one file into facts.

    `as_of` is the time at which rows without a time of their own were true; `clear_empty` makes an empty cell clear the
    value instead of leaving it as it is. In a `typed` file (a spreadsheet) dates come in ISO form, whatever form those
    have that were typed in as texts.
    """

    def __init__(
        self, plan: Plan, zone: dt.tzinfo, as_of: dt.datetime, clear_empty: bool = False, *, typed: bool = False
    ) -> None:
        self.typed = typed
        self.plan, self.zone, self.as_of, self.clear_empty = plan, zone, as_of, clear_empty
        self._index = {name: place for place, name in enumerate(plan.header)}
        self._dates = self._date_fields()
        self._ids = [self._index[name] for name in plan.mapping.message_id]

    def _date_fields(self) -> dict[str, Any]:
        readers: dict[str, Any] = dict.fromkeys(TIME_FIELDS, read_instant)
        subject = SUBJECT_OF.get(self.plan.kind)
        if subject:
            for name, column in SHAPES[subject].columns.items():
                if column.form in (Form.DATE, Form.DATETIME):
                    readers[name] = read_day if column.form is Form.DATE else read_instant
            for made in AttributeDefinition.objects.filter(subject=subject, kind__in=("date", "datetime")):
                readers[f"custom.{made.key}"] = read_day if made.kind == "date" else read_instant
        return readers

    def values(self, cells: list[str]) -> dict[str, Any]:
        """The values of a row by field. Raises FieldError."""
        found: dict[str, Any] = dict(self.plan.mapping.constants)
        for target in self.plan.targets:
            self._take(found, target.field, cells[target.index])
        for rule in self.plan.mapping.when:
            if cells[self._index[rule.column]].strip().casefold() == rule.text.casefold():
                for name, value in rule.values.items():
                    if isinstance(value, dict):
                        self._take(found, name, cells[self._index[value["column"]]])
                    else:
                        found[name] = value
        return found

    def _take(self, found: dict[str, Any], name: str, cell: str) -> None:
        text = cell.strip()
        if not text:
            if self.clear_empty and name not in TIME_FIELDS:
                found[name] = None
            return
        read = self._dates.get(name)
        if read is None:
            found[name] = text
            return
        form = None if self.typed and _ISO_DATE.match(text) else self.plan.date_format
        try:
            found[name] = read(text, form, self.zone)
        except BadValue as error:
            raise FieldError(name, str(error)) from error

    def fact(self, cells: list[str]) -> Fact | RelationshipFact | EventFact:
        """The fact that a row states. Raises FieldError."""
        values = self.values(cells)
        at = values.pop("at", None) or self.as_of
        match self.plan.kind:
            case "relationships":
                return RelationshipFact(
                    user=_need(values, "user"),
                    account=_need(values, "account"),
                    at=at,
                    started_at=values.pop("started_at", None),
                    ended_at=values.pop("ended_at", None),
                    values=values,
                )
            case "events":
                return self._event(values, at, cells)
        return Fact(_need(values, "external_id"), values, at)

    def _event(self, values: dict[str, Any], at: dt.datetime, cells: list[str]) -> EventFact:
        if self._ids:
            message_id = ":".join(cells[place].strip() for place in self._ids)
        else:
            # Without an id of its own, a row that is the same to the last cell is the same event.
            message_id = values.get("message_id") or hashlib.sha256("\x1f".join(cells).encode()).hexdigest()[:32]
        prefix = "properties."
        properties = {
            name.removeprefix(prefix): _plain(value) for name, value in values.items() if name.startswith(prefix)
        }
        return EventFact(
            message_id=message_id + self.plan.mapping.message_suffix,
            name=_need(values, "event"),
            at=at,
            account=values.get("account"),
            user=values.get("user"),
            properties=properties,
            active=_active(values),
        )


def _need(values: dict[str, Any], name: str) -> str:
    value = values.pop(name, None)
    if not value:
        raise FieldError(name, "The cell is empty; every row needs one.")
    return str(value)


def _active(values: dict[str, Any]) -> bool:
    """Whether the user was there, which is so if nothing is said."""
    given = values.get("context_active")
    try:
        return given is None or clean_boolean(given)
    except BadValue as error:
        raise FieldError("context_active", str(error)) from error


def _plain(value: Any) -> Any:
    """A property's text as the number or truth it plainly is, so that sums over it are possible."""
    if not isinstance(value, str):
        return value
    if re.fullmatch(r"-?(0|[1-9]\d{0,14})", value):
        return int(value)
    if re.fullmatch(r"-?(0|[1-9]\d{0,8})\.\d{1,6}", value):
        return float(value)
    return {"true": True, "false": False}.get(value.lower(), value)
