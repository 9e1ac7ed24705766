"""Messages of alerts: a text that may name fields of the account, `{{ account.mrr }}`, filled in when one is opened."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from accounts.fields import Field, Owner, Stage, Vocabulary, vocabulary
from accounts.models import Account
from core.intake import BadValue, clean_text, short
from segments.questions import Reader
from segments.rules.describe import Words

LONGEST, FILLED = 500, 1_000
_FIELD = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")


def check_message(text: str, limit: int = LONGEST, known: Vocabulary | None = None) -> str:
    """A message as it may be stored; the fields there are (`known`) are read if it names some and none were given.

    Raises BadValue for a field that does not exist or has no single value.
    """
    found = clean_text(text, limit)
    if keys := _FIELD.findall(found):
        known = known or vocabulary()
        for key in keys:
            _field(key, known)
    if "{{" in _FIELD.sub("", found) or "}}" in _FIELD.sub("", found):
        raise BadValue("A pair of braces is left open. Write a field as {{ account.name }}.")
    return found


def sayable(known: Vocabulary) -> dict[str, list[Field]]:
    """The fields that a message may name, by the category of the picker."""
    found: dict[str, list[Field]] = {}
    for one in known.values():
        if _has_one_value(one):
            found.setdefault(one.category.value, []).append(one)
    return found


def filled(text: str, accounts: Collection[int], reader: Reader, limit: int = FILLED) -> dict[int, str]:
    """The message for each of the accounts, in one statement. A field that was deleted since is left as a dash."""
    keys = list(dict.fromkeys(_FIELD.findall(text)))
    if not keys:
        return dict.fromkeys(accounts, text[:limit])
    fields = {key: reader.vocabulary[key] for key in keys if key in reader.vocabulary}
    columns = {f"said_{place}": (field.shown or field.value)("") for place, field in enumerate(fields.values())}
    rows = Account.objects.filter(pk__in=accounts).annotate(**columns).order_by().values("pk", *columns)
    words = reader.words
    return {row["pk"]: _said(text, fields, row, words)[:limit] for row in rows}


def _said(text: str, fields: Mapping[str, Field], row: Mapping[str, Any], words: Words) -> str:
    said = {key: words.actual(field, row[f"said_{place}"]) or "–" for place, (key, field) in enumerate(fields.items())}
    return _FIELD.sub(lambda found: said.get(found.group(1), "–"), text)


def _field(key: str, known: Vocabulary) -> Field:
    found = known.get(key)
    if found is None:
        raise BadValue(f"The message names “{short(key)}”, and there is no such field. Choose one of the account’s.")
    if not _has_one_value(found):
        raise BadValue(f"{found.label} has no single value that a message could show. Choose a field of the account.")
    return found


def _has_one_value(one: Field) -> bool:
    """Whether an account has one value of it when an alert is opened."""
    return one.owner is Owner.ACCOUNT and one.rows is None and one.stage < Stage.ALERTS
