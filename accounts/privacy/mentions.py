"""Finding and removing what names a subject in texts and JSON: file cells, messages, answers, lists of problems."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

from django.db.models import Model, Q, QuerySet, TextField
from django.db.models.functions import Cast

from accounts.privacy.holdings import USER, Subject
from accounts.privacy.redacting import ERASED, SHORTEST, erasable_texts


def pattern(subject: Subject) -> str:
    """A regular expression, the same for Python and PostgreSQL, of what names the subject; case does not matter.

    A person's texts are found anywhere. An account's id, often a common word, only where it stands alone, and an id of
    fewer than four characters only where it is a whole text.
    """
    wanted = [text for text in erasable_texts(subject) if subject.kind == USER or text != subject.external_id]
    found = [re.escape(form) for text in wanted for form in _forms(text)]
    for form in _forms(subject.external_id):
        text = re.escape(form)
        if len(form) < SHORTEST:
            found.append(f'(^|["“]){text}(["”:]|$)')
        elif subject.kind != USER:
            found.append(rf"(?<![\w.@-]){text}(?![\w@-]|\.\w)")
    return "|".join(dict.fromkeys(found))


def _forms(text: str) -> list[str]:
    """A text as it is, and as it stands in JSON."""
    return list(dict.fromkeys([text, json.dumps(text, ensure_ascii=False)[1:-1]]))


@lru_cache(maxsize=16)
def _compiled(wanted: str) -> re.Pattern[str]:
    return re.compile(wanted, re.IGNORECASE)


def is_named(subject: Subject, text: str) -> bool:
    """Whether a text names the subject."""
    return _compiled(pattern(subject)).search(text) is not None


def mentioning(model: type[Model], subject: Subject, *columns: str) -> QuerySet[Any]:
    """The rows whose columns, of text or JSON, name the subject."""
    wanted, casts, found = pattern(subject), {}, Q(pk__in=[])
    for column in columns:
        casts[f"said_{column}"] = Cast(column, TextField())
        found |= Q(**{f"said_{column}__iregex": wanted})
    return model._default_manager.alias(**casts).filter(found)


def scrub(value: Any, subject: Subject) -> Any:
    """The value with every text that names the subject replaced, however deep it stands; keys likewise."""
    if isinstance(value, str):
        return ERASED if is_named(subject, value) else value
    if isinstance(value, list):
        return [scrub(item, subject) for item in value]
    if isinstance(value, dict):
        return {scrub(key, subject): scrub(item, subject) for key, item in value.items()}
    return value
