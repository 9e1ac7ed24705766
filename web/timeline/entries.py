"""What a timeline is made of: sources, each of which knows its rows and how they are told."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet

from accounts.models import Account
from core.clock import Moment
from segments.questions import Reader


@dataclass(frozen=True)
class File:
    """A file that hangs on an entry: its name, its size in bytes, and where it is had."""

    name: str
    size: int
    url: str


@dataclass(frozen=True)
class Entry:
    """One thing that happened: when, an icon, a title, the words or the cause, who did it, a page that tells more."""

    at: dt.datetime
    icon: str
    title: str
    text: str = ""
    who: str = ""
    url: str = ""
    files: tuple[File, ...] = ()


@dataclass(frozen=True)
class Told:
    """What telling may need: the account, the page's reader, and names for the keys of attributes."""

    account: Account
    reader: Reader
    labels: Mapping[str, str] = field(default_factory=dict)


Rows = Callable[[Account, Moment], QuerySet[Any]]
Tell = Callable[[Sequence[Any], Told], Sequence[Entry]]


@dataclass(frozen=True)
class Source:
    """One kind of rows. `rows` are those of an account, annotated with `happened`; `tell` turns rows, however many,
    into entries in the same order with the same number of statements. `show` is the filter's word that it belongs to.
    """

    key: str
    show: str
    rows: Rows
    tell: Tell
