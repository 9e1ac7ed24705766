"""Defining custom attributes, and guessing the kind of one from the texts of a file."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from typing import Any

from accounts.models import AttributeDefinition, Subject
from accounts.models.attribute import KEY
from core.intake import BadValue, clean_text, fold, short

Kind = AttributeDefinition.Kind
MAX_CHOICES = 20
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_NUMBER = re.compile(r"[-+]?\d{1,15}(\.\d{1,6})?")
_PADDED = re.compile(r"[-+]?0\d")


def attribute_key(name: str) -> str:
    """A key made from a column's or attribute's name: small letters, digits and _, beginning with a letter."""
    key = re.sub(r"[^a-z0-9]+", "_", fold(name)).strip("_")[:60]
    return key if key[:1].isalpha() else f"a_{key}".rstrip("_")[:60]


def define_attribute(
    subject: Subject, key: str, *, kind: str, name: str = "", choices: Sequence[str] = (), description: str = "",
    active: bool = True,
) -> AttributeDefinition:  # fmt: skip
    """The definition with this key, made if it is new (with all that is given); choices that it lacks are added.

    Raises BadValue if the key cannot be a key, or if it exists with another kind.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", key) or len(key) > 60:
        raise BadValue(f"“{short(key)}” cannot be a key. {KEY.message}")
    defaults: dict[str, Any] = {"name": clean_text(name or key.replace("_", " ").capitalize(), 120), "kind": kind}
    defaults |= {"description": clean_text(description, 255), "choices": list(choices), "active": active}
    found, made = AttributeDefinition.objects.get_or_create(subject=subject, key=key, defaults=defaults)
    if found.kind != kind:
        raise BadValue(f"The attribute “{key}” exists already as {found.get_kind_display().lower()}.")
    known = {fold(choice) for choice in found.choices}
    missing = [choice for choice in choices if fold(choice) not in known]
    if not made and missing:
        found.choices = [*found.choices, *missing]
        found.save(update_fields=["choices"])
    return found


def guess_kind(samples: Sequence[str]) -> tuple[str, list[str]]:
    """The kind that fits every sample that is not empty, and the choices if it is a choice.

    Numbers with leading zeros stay texts, because they are codes. A choice is at most 20 different short texts, each
    met three times on average.
    """
    texts = [text.strip() for text in samples if text.strip()]
    if not texts:
        return Kind.TEXT, []
    fits: list[tuple[str, Callable[[str], Any]]] = [
        (Kind.BOOLEAN, lambda text: text.lower() in {"true", "false", "yes", "no"}),
        (Kind.NUMBER, lambda text: _NUMBER.fullmatch(text) and not _PADDED.match(text)),
        (Kind.DATE, lambda text: _ISO_DATE.fullmatch(text) and _is_instant(text)),
        (Kind.DATETIME, lambda text: _ISO_DATE.match(text) and len(text) > 10 and _is_instant(text)),
        (Kind.LINK, lambda text: re.match(r"https?://\S+$", text, re.IGNORECASE)),
    ]
    for kind, test in fits:
        if all(test(text) for text in texts):
            return kind, []
    distinct = {fold(text): text for text in reversed(texts)}
    if len(distinct) <= MAX_CHOICES and len(texts) >= 3 * len(distinct) and all(len(text) <= 60 for text in texts):
        return Kind.CHOICE, sorted(distinct.values())
    return Kind.TEXT, []


def _is_instant(text: str) -> bool:
    try:
        dt.datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
