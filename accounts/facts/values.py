"""Reading values for the write side: columns into what the model holds, attributes into the JSON form of their kind."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from accounts.facts.base import CLEARED
from accounts.facts.shapes import CUSTOM, Column, Form, Shape
from accounts.models import AttributeDefinition, Subscription
from core.intake import (
    BadValue,
    clean_boolean,
    clean_currency,
    clean_date,
    clean_datetime,
    clean_id,
    clean_number,
    clean_text,
    fold,
    short,
)
from core.models import Workspace

MAX_COUNT = 2_147_483_647
MAX_LIST = 200
_CUSTOM_KEY = re.compile(r"custom\.[a-z][a-z0-9_]{0,59}")
EXACT_DIGITS = 15  # a JSON reader with binary fractions keeps this many
PERIODS = {
    "monthly": "monthly", "month": "monthly", "quarterly": "quarterly", "quarter": "quarterly", "yearly": "yearly",
    "year": "yearly", "annual": "yearly", "annually": "yearly", "other": "other",
}  # fmt: skip
Kind = AttributeDefinition.Kind


def jsonable(value: Any) -> Any:
    """A column's value in JSON, for the change log and for comparing two values."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dt.date):
        return value.isoformat()
    return value


def canonical(value: Any) -> str:
    """A text by which two values are told apart and put in order, the same wherever it is computed."""
    return json.dumps(jsonable(value), sort_keys=True, ensure_ascii=True)


def json_number(value: Any) -> int | float:
    """A number that JSON keeps exactly: any whole number of 20 digits, or a fraction of at most 15 digits."""
    number = clean_number(value)
    if number == number.to_integral_value():
        return int(number)
    if len(number.normalize().as_tuple().digits) > EXACT_DIGITS:
        raise BadValue(f"“{short(value)}” has more than {EXACT_DIGITS} digits. Round it.")
    return float(number)


def money_column(value: Any) -> Decimal:
    """An amount of money that is not negative, rounded to cents."""
    amount = clean_number(value).quantize(Decimal("0.01"), ROUND_HALF_UP)
    if amount < 0 or amount.adjusted() > 17:
        raise BadValue("An amount lies between 0 and 18 digits.")
    return amount


def count_column(value: Any) -> int:
    """A whole number from 0 on."""
    number = clean_number(value)
    if number != number.to_integral_value() or not 0 <= number <= MAX_COUNT:
        raise BadValue(f"“{short(value)}” is not a whole number from 0 to {MAX_COUNT:,}.")
    return int(number)


def period_column(value: Any) -> str:
    """A billing period by one of its usual names."""
    found = PERIODS.get(fold(clean_text(value, 40)))
    if not found:
        raise BadValue(f"“{short(value)}” is not a billing period. Allowed: {', '.join(Subscription.Period.values)}.")
    return found


def money_value(value: Any, currency: str) -> dict[str, Any]:
    """`{"amount", "currency"}` from such an object, from "120 EUR", or from a number in the workspace's currency."""
    if isinstance(value, Mapping):
        if set(value) - {"amount", "currency"} or "amount" not in value:
            raise BadValue('Money is {"amount": number, "currency": code}.')
        return {"amount": json_number(value["amount"]), "currency": clean_currency(value.get("currency") or currency)}
    if isinstance(value, str):
        found = re.fullmatch(r"\s*([A-Za-z]{3})?\s*([-+.\d]+)\s*([A-Za-z]{3})?\s*", value[:80])
        if found and not (found[1] and found[3]):
            return {"amount": json_number(found[2]), "currency": clean_currency(found[1] or found[3] or currency)}
    return {"amount": json_number(value), "currency": currency}


def choice_value(value: Any, choices: Iterable[str]) -> str:
    """The choice that is meant, as it is written in the definition."""
    text, known = clean_text(value, 255), list(choices)
    found = next((choice for choice in known if fold(choice) == fold(text)), None)
    if found is None:
        raise BadValue(f"“{short(text)}” is not among the choices: {', '.join(map(str, known[:20])) or 'none yet'}.")
    return found


def list_value(value: Any) -> list[str]:
    """A list of texts, or a text with `;` between the items; empty items and repetitions are left out."""
    items = value.split(";") if isinstance(value, str) else value
    if not isinstance(items, list | tuple):
        raise BadValue("Expected a list of texts, or one text with ; between the items.")
    found = list(dict.fromkeys(text for text in (clean_text(str(item), 255) for item in items) if text))
    if len(found) > MAX_LIST:
        raise BadValue(f"The list has {len(found)} items; at most {MAX_LIST} are kept.")
    return found


def link_value(value: Any) -> str:
    """A web address; no other scheme is ever shown as a link."""
    text = clean_text(value, 2_000)
    if not re.match(r"https?://[^\s/]", text, re.IGNORECASE):
        raise BadValue(f"“{short(text)}” is not a link. It begins with https:// or http://.")
    return text


class Reader:
    """Reads the values of one kind of row against the company's present terms, attributes and currency.

    Make one per batch; it asks the database once for each list it needs. `accounts` maps external ids to primary keys
    for the columns that name an account.
    """

    def __init__(self, shape: Shape, accounts: Mapping[str, int] | None = None) -> None:
        self.shape, self.accounts = shape, accounts or {}
        workspace = Workspace.get()
        self.currency, self.zone = workspace.currency, workspace.zone
        self.definitions = {
            item.key: item for item in AttributeDefinition.objects.filter(subject=shape.subject, active=True)
        }
        self._terms: dict[str, dict[str, str]] = {}

    def read(self, key: str, value: Any) -> Any:
        """The value as it is stored, None if it is missing; raises BadValue for an unknown key or a bad value."""
        if value is CLEARED and _CUSTOM_KEY.fullmatch(key):
            return None
        if key.startswith(CUSTOM):
            definition = self.definitions.get(key.removeprefix(CUSTOM))
            if definition is None:
                raise BadValue(self._unknown(key))
            found = None if value is None else self._attribute(definition, value)
        else:
            column = self.shape.columns.get(key)
            if column is None:
                raise BadValue(self._unknown(key))
            found = None if value is None else self._column(key, column, value)
        return None if found == "" or found == [] else found

    def _unknown(self, key: str) -> str:
        allowed = [*self.shape.columns, *(CUSTOM + name for name in self.definitions)]
        return f"“{short(key)}” is not a field of {self.shape.subject.label.lower()}s. Allowed: {', '.join(allowed)}."

    def _column(self, key: str, column: Column, value: Any) -> Any:
        if column.form is Form.TEXT:
            return clean_text(str(value) if isinstance(value, int | float | Decimal) else value, column.limit)
        if value == "":
            return None
        match column.form:
            case Form.TERM:
                return self._term(key, column, value)
            case Form.ACCOUNT:
                external_id = clean_id(value)
                if external_id not in self.accounts:
                    raise BadValue(f"There is no account “{short(external_id)}”. Load accounts first.")
                return self.accounts[external_id]
            case Form.DATETIME:
                return clean_datetime(value, self.zone)
        readers: dict[Form, Any] = {
            Form.MONEY: money_column, Form.COUNT: count_column, Form.DATE: clean_date, Form.BOOLEAN: clean_boolean,
            Form.PERIOD: period_column, Form.CURRENCY: clean_currency,
        }  # fmt: skip
        return readers[column.form](value)

    def _term(self, key: str, column: Column, value: Any) -> str:
        if key not in self._terms:
            known: dict[str, str] = {}
            for term in column.terms._default_manager.all() if column.terms else ():
                known[fold(term.name)] = term.key
                known[term.key] = term.key
            self._terms[key] = known
        found = self._terms[key].get(fold(clean_text(value, 255)))
        if found is None:
            allowed = ", ".join(sorted(set(self._terms[key].values())))
            raise BadValue(f"“{short(value)}” is not a known {key}. Allowed: {allowed}.")
        return found

    def _attribute(self, definition: AttributeDefinition, value: Any) -> Any:
        if value == "":
            return None
        match definition.kind:
            case Kind.NUMBER | Kind.PERCENT:
                return json_number(value)
            case Kind.MONEY:
                return money_value(value, self.currency)
            case Kind.BOOLEAN:
                return clean_boolean(value)
            case Kind.DATE:
                return clean_date(value).isoformat()
            case Kind.DATETIME:
                return clean_datetime(value, self.zone).isoformat().replace("+00:00", "Z")
            case Kind.CHOICE:
                return choice_value(value, definition.choices)
            case Kind.LIST:
                return list_value(value)
            case Kind.LINK:
                return link_value(value)
        return clean_text(str(value) if isinstance(value, int | float | Decimal) else value)
