"""What names a field, so that none is deleted under the rule that reads it. Apps declare how to find their own uses."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from core.intake import fold


@dataclass(frozen=True)
class FieldUse:
    """One thing that names a field: what it is, its name, its id."""

    kind: str
    name: str
    pk: int


Finder = Callable[[], Iterable[tuple[FieldUse, set[str]]]]
_finders: list[Finder] = []


def find_field_uses_with(finder: Finder) -> Finder:
    """Declare a function that yields everything of an app that names fields, each with the texts in it."""
    _finders.append(finder)
    return finder


def uses_of_field(key: str) -> list[FieldUse]:
    """Everything that names a field."""
    return list(dict.fromkeys(use for finder in _finders for use, texts in finder() if key in texts))


def uses_of_values(keys: Collection[str], values: Collection[str]) -> list[FieldUse]:
    """Everything that names one of these fields and one of these values of theirs, compared as choices are."""
    wanted = {fold(value) for value in values}
    found = [
        use
        for finder in _finders
        for use, texts in (finder() if wanted else ())
        if texts & set(keys) and {fold(text) for text in texts} & wanted
    ]
    return list(dict.fromkeys(found))


def uses_by_text() -> dict[str, list[FieldUse]]:
    """Everything that names fields, by every text in it: keys of fields and names of events are among these."""
    found: dict[str, dict[FieldUse, None]] = {}
    for finder in _finders:
        for use, texts in finder():
            for text in texts:
                found.setdefault(text, {})[use] = None
    return {text: list(uses) for text, uses in found.items()}


Follower = Callable[[Collection[str], bool], None]
_followers: list[Follower] = []


def follow_fields_with(follower: Follower) -> Follower:
    """Declare a function that has evaluated again what names one of the fields with these keys. It is also told whether
    they were defined anew: then what moves is not the customers' doing."""
    _followers.append(follower)
    return follower


def tell_of_fields(keys: Collection[str], *, redefined: bool) -> None:
    """Tell everybody who declared so that the values of fields changed, of any number of accounts, because somebody
    changed a definition or asked for them. Call it in the transaction that wrote them."""
    for follower in _followers:
        follower(keys, redefined)


def texts_in(data: Any) -> set[str]:
    """Every text of a JSON tree, read without parsing, so that a broken rule is seen too."""
    if isinstance(data, str):
        return {data}
    items: Iterable[Any] = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    return set().union(*(texts_in(item) for item in items))
