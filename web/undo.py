"""Undo instead of confirm: the inverse of an action is kept for half an hour under a token of its author's own."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from django.core.exceptions import ObjectDoesNotExist
from django.http import HttpRequest

KEPT_SECONDS = 30 * 60
Inverse = Callable[[HttpRequest, dict[str, Any]], str]
_inverses: dict[str, Inverse] = {}


class UndoGone(LookupError):
    """The token is unknown, used up, too old, or somebody else's."""


@dataclass(frozen=True)
class Undone:
    """What was undone, in a sentence, and the page it was done on."""

    text: str
    back: str


def inverse(kind: str) -> Callable[[Inverse], Inverse]:
    """Declare how a kind of action is undone; the function returns the sentence for the notice."""

    def declare(function: Inverse) -> Inverse:
        _inverses[kind] = function
        return function

    return declare


def keep_inverse(request: HttpRequest, kind: str, data: dict[str, Any], *, back: str) -> str:
    """Keep what undoes an action and return its token; `back` is the path of the page to return to."""
    token = secrets.token_urlsafe(16)
    kept = {"kind": kind, "data": data, "user": request.user.pk, "back": back}
    cache.set(f"undo:{token}", kept, KEPT_SECONDS)
    return token


def kept_values(request: HttpRequest, token: str, kind: str) -> dict[str, Any]:
    """What undoing an action of a kind would use, left as it is; nothing for a token that undoes nothing any more."""
    kept = cache.get(f"undo:{token}")
    mine = kept is not None and kept["user"] == request.user.pk and kept["kind"] == kind
    return dict(kept["data"]) if mine else {}


def undo(request: HttpRequest, token: str) -> Undone:
    """Undo once. Raises UndoGone."""
    kept = cache.get(f"undo:{token}")
    if kept is None or kept["user"] != request.user.pk or not cache.delete(f"undo:{token}"):
        raise UndoGone(token)
    try:
        said = _inverses[kept["kind"]](request, kept["data"])
    except ObjectDoesNotExist as error:  # deleted since
        raise UndoGone(token) from error
    return Undone(said, kept["back"])
