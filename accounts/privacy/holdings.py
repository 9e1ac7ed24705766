"""What is held about a user or an account, and how it is erased: each app declares its own, in `personal_data.py`.

A kind is erased in batches, each its own transaction, in the order of `order`: what leads to other rows goes after
them, the record itself last (`LAST`). A model with a foreign key to a user or an account that is neither declared nor
exempt fails a test, so that a new table cannot be forgotten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db.models import Model, QuerySet

from accounts.models import Account, EndUser
from accounts.models.privacy import DataSubject

USER, ACCOUNT = DataSubject.USER.value, DataSubject.ACCOUNT.value
LAST = 100


@dataclass(frozen=True)
class Subject:
    """Who is meant: the record's primary key (0 once it is gone), its external id, and texts that name it."""

    kind: str
    pk: int
    external_id: str
    texts: tuple[str, ...] = ()
    name: str = ""


class Files(list[Path]):
    """Files that are asked for like rows; erasing deletes them."""

    def exists(self) -> bool:
        """Whether there is one."""
        return bool(self)


Rows = QuerySet[Any] | Files
Find = Callable[[Subject], Rows]
Erase = Callable[[Any, Subject, int], "Counter[str]"]


@dataclass(frozen=True, kw_only=True)
class Holding:
    """A kind of rows about a subject.

    `find` gives the rows by kind of subject, those still to be erased. `erase` takes the rows, the subject and a limit,
    removes (or empties) at most so many and returns how many of each kind; without it rows are deleted. `columns` are
    what an export shows: title to lookup (None: not exported). `names` yields external ids that the rows hold as text,
    by kind of subject: after a restore they are compared with what was erased. `known_as` yields other ids under which
    the subject would come in again; they are kept out together with its own. A kind that is files has no model.
    """

    key: str
    label: str
    model: type[Model] | None
    find: Mapping[str, Find]
    order: int = 50
    erase: Erase | None = None
    columns: Mapping[str, str] | None = None
    names: Mapping[str, Callable[[], Iterable[str]]] = field(default_factory=dict)
    known_as: Mapping[str, Callable[[Subject], Iterable[str]]] = field(default_factory=dict)


_holdings: dict[str, Holding] = {}
_exempt: dict[str, str] = {}


def hold(*found: Holding) -> None:
    """Declare kinds of rows; a key that is taken is a programmer's mistake and raises ValueError."""
    for item in found:
        if item.key in _holdings:
            raise ValueError(f"{item.key} is declared twice")
        _holdings[item.key] = item


def exempt(models: Mapping[str, str]) -> None:
    """Declare models (`app.Model`, or `app.Model.field`) that hold nothing to erase, each with the reason."""
    _exempt.update(models)


def holdings(kind: str) -> list[Holding]:
    """The kinds that hold rows about such a subject, in the order of erasing."""
    found = [item for item in _holdings.values() if kind in item.find]
    return sorted(found, key=lambda item: (item.order, item.key))


def declared() -> tuple[set[str], Mapping[str, str]]:
    """The labels of the models that are declared, and those that are exempt with their reasons."""
    return {item.model._meta.label for item in _holdings.values() if item.model}, dict(_exempt)


def names_held(kind: str) -> Iterator[str]:
    """Every external id that is held as text somewhere, some more than once."""
    for item in _holdings.values():
        if kind in item.names:
            yield from item.names[kind]()


def other_ids(subject: Subject) -> set[str]:
    """The ids, besides its own, under which the subject would come in again."""
    found = {
        name
        for item in _holdings.values()
        if subject.kind in item.known_as
        for name in item.known_as[subject.kind](subject)
    }
    return found - {subject.external_id}


def find_subject(kind: str, external_id: str) -> Subject:
    """The subject with this id, whether its record is there or not."""
    if kind == USER:
        user = EndUser.objects.filter(external_id=external_id).first()
        texts = (user.external_id, user.email, user.name) if user else (external_id,)
        return Subject(kind, user.pk if user else 0, external_id, texts, str(user) if user else "")
    account = Account.objects.filter(external_id=external_id).first()
    return Subject(kind, account.pk if account else 0, external_id, (external_id,), str(account) if account else "")


def counted(subject: Subject) -> list[tuple[Holding, int]]:
    """How many rows of each kind there are, those of none left out."""
    found = [(item, item.find[subject.kind](subject)) for item in holdings(subject.kind)]
    numbers = [(item, len(rows) if isinstance(rows, Files) else rows.order_by().count()) for item, rows in found]
    return [(item, number) for item, number in numbers if number]


def erase_batch(item: Holding, subject: Subject, limit: int) -> Counter[str]:
    """Erase at most `limit` rows; nothing left gives an empty count. The caller has a transaction."""
    rows = item.find[subject.kind](subject)
    if isinstance(rows, Files):
        for path in rows[:limit]:
            path.unlink(missing_ok=True)
        return Counter({item.key: len(rows[:limit])} if rows else {})
    rows = rows.order_by()
    if item.erase is not None:
        return item.erase(rows, subject, limit)
    chosen = list(rows.values_list("pk", flat=True)[:limit])
    if not chosen or item.model is None:
        return Counter()
    # The rows alone: what refers to them is a holding of its own, or is emptied by the database's own constraint.
    return Counter({item.key: delete_rows(item.model, chosen)})


def delete_rows(model: type[Model], pks: list[Any]) -> int:
    """Delete rows with what Django cascades to; how many of the model's own."""
    deleted = model._base_manager.filter(pk__in=pks).delete()[1]
    return deleted.get(model._meta.label, 0)
