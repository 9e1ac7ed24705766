"""The rule: an event that names no account happened in the single account to which its person belonged at its time."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Generic, NamedTuple, TypeVar

from django.db import connection

Name = TypeVar("Name")  # of an account: its primary key or its external id


class Span(NamedTuple, Generic[Name]):
    """A period of belonging to an account; it covers its first instant and not its last, None is no end."""

    account: Name
    starts: dt.datetime
    ends: dt.datetime | None = None

    def covers(self, at: dt.datetime) -> bool:
        """Whether the person belonged to the account at this instant."""
        return self.starts <= at and (self.ends is None or at < self.ends)


def home_at(spans: Collection[Span[Name]], at: dt.datetime) -> Name | None:
    """The only account whose period covers the instant; None if there are several, or none.

    Before the first period of all begins it is the account of that period, if there is one such: SDKs send events
    before the group call. Only the periods and the instant count, never what is known now or came first.
    """
    here = {span.account for span in spans if span.covers(at)}
    if not here and spans and at < (first := min(span.starts for span in spans)):
        here = {span.account for span in spans if span.starts == first}
    return here.pop() if len(here) == 1 else None


def spans_of(users: Iterable[int]) -> dict[int, list[Span[int]]]:
    """All periods of these users (primary keys), ended ones too."""
    found: dict[int, list[Span[int]]] = defaultdict(list)
    wanted = list(users)
    if wanted:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT user_id, account_id, started_at, ended_at FROM accounts_relationship"
                " WHERE user_id = ANY(%s::bigint[])",
                [wanted],
            )
            for user, account, starts, ends in cursor.fetchall():
                found[user].append(Span(account, starts, ends))
    return found
