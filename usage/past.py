"""What was known of usage on a past day: events and counts up to it, who was seen by then, the figures and traits.

Usage counts by when it happened: an event that arrived late is there on its day, as it is in the daily counts (imported
history would otherwise be unknown for all time before the import). First and last signs of life are exact to the day.

    past_activity   account_id, user_id (NULL: the account itself), first_day, last_day; in a table of the session
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.db import DatabaseError, connection

from accounts.fields import Category, Kind, Owner, Vocabulary
from accounts.fields.uses import texts_in
from accounts.models import Account
from core.clock import Moment
from core.deadline import TooSlow, time_limit
from core.shadow import Shadows, forget, session_table
from core.spans import ONE_DAY
from usage.metrics import refresh_metrics
from usage.models import AccountUsage, PrunedMonth, Trait
from usage.traits.computing import in_order
from usage.traits.definitions import METHODS, Scope, read_definition
from usage.traits.reading import TraitError, TraitFailed
from usage.traits.storing import fold_values, write_values

ACTIVITY = "past_activity"
TRAIT_LIMIT_MS = 60_000
SEEN = {"first_seen_at", "last_seen_at"}
# Any event is a sign of life of the account, except of a user who was not there; those of a user besides are signs of
# the user.
_SEEN = """
SELECT account_id, user_id, min(day) AS first_day, max(day) AS last_day FROM usage_dailyusage
WHERE day > %(after)s AND day <= %(day)s AND count > absent GROUP BY account_id, user_id
"""
_ADVANCE = f"""
INSERT INTO {ACTIVITY} AS known (account_id, user_id, first_day, last_day) {_SEEN}
ON CONFLICT (account_id, user_id) DO UPDATE SET last_day = EXCLUDED.last_day
"""  # constants of this module
# At noon, which every day has, whatever its clocks do.
_AT = "((a.{day} + time '12:00') AT TIME ZONE %(zone)s)"
_USERS = f"""
SELECT row_number() OVER () AS id, a.account_id, a.user_id, {_AT.format(day="first_day")} AS first_seen_at,
       {_AT.format(day="last_day")} AS last_seen_at
FROM {ACTIVITY} AS a WHERE a.user_id IS NOT NULL
"""  # noqa: S608  # likewise
_ACCOUNTS = f"""
UPDATE pg_temp.usage_accountusage AS u
SET first_seen_at = {_AT.format(day="first_day")}, last_seen_at = {_AT.format(day="last_day")}
FROM (SELECT account_id, min(first_day) AS first_day, max(last_day) AS last_day FROM {ACTIVITY} GROUP BY 1) AS a
WHERE a.account_id = u.account_id
"""  # noqa: S608  # likewise
_BY_USAGE = """
UPDATE past_account AS p SET came = used.first
FROM (SELECT account_id, min(day) AS first FROM usage_dailyusage WHERE count > 0 GROUP BY 1) AS used
WHERE used.account_id = p.id AND (p.came IS NULL OR used.first < p.came)
"""


@dataclass
class PastUsage:
    """Goes forward from day to day, so that each costs what happened since the one before. Of the figures only the
    `columns` are made that somebody reads."""

    day: dt.date
    columns: frozenset[str]

    @classmethod
    def up_to(cls, day: dt.date, columns: frozenset[str]) -> PastUsage:
        """Begin at a day. Call it after `accounts.past` is prepared; accounts that used the product earlier than
        anything else is known of them came then."""
        session_table(ACTIVITY, _SEEN, {"after": dt.date.min, "day": day}, key="account_id, user_id")
        with connection.cursor() as cursor:
            cursor.execute(_BY_USAGE)
        return cls(day, columns)

    def advance(self, day: dt.date) -> None:
        """Go on to a later day."""
        with connection.cursor() as cursor:
            cursor.execute(_ADVANCE, {"after": self.day, "day": day})
        self.day = day

    def show(self, shadows: Shadows, moment: Moment) -> None:
        """Usage as it was at the end of that day, with the figures as the refresh makes them."""
        day = moment.today
        assert day == self.day
        end = moment.start_of(day + ONE_DAY)
        shadows.view("usage_dailyusage", f"SELECT * FROM {shadows.real('usage_dailyusage')} WHERE day <= %s", [day])  # noqa: S608
        shadows.view("usage_event", f"SELECT * FROM {shadows.real('usage_event')} WHERE at < %s", [end])  # noqa: S608
        # The sums of the last days are kept for the present only.
        shadows.view("usage_recentday", f"SELECT * FROM {shadows.real('usage_recentday')} WHERE false")  # noqa: S608
        # What happened first until then did so whatever came since.
        shadows.view("usage_firstuse", f"SELECT * FROM {shadows.real('usage_firstuse')} WHERE day <= %s", [day])  # noqa: S608
        shadows.view("usage_useractivity", _USERS, {"zone": moment.zone.key})
        shadows.empty("usage_accountusage", "account_id")
        refresh_metrics(moment, columns=self.columns)
        if self.columns & SEEN:
            with connection.cursor() as cursor:
                cursor.execute(_ACCOUNTS, {"zone": moment.zone.key})
        shadows.counted("usage_accountusage", "account_id")


def forget_usage() -> None:
    """Drop the table of the session."""
    forget(ACTIVITY)


def columns_read(keys: Iterable[str], vocabulary: Vocabulary) -> frozenset[str]:
    """The columns of the usage numbers that the values of these fields are made of, as their SQL names them."""
    fields = [vocabulary[key] for key in keys if key in vocabulary]
    values = {
        f"value_{i}": field.value("")
        for i, field in enumerate(fields)
        if field.owner is Owner.ACCOUNT and field.category is Category.USAGE
    }
    if not values:
        return frozenset()
    sql = str(Account.objects.order_by().annotate(**values).values(*values).query)
    return frozenset(re.findall(rf'"{AccountUsage._meta.db_table}"\."(\w+)"', sql))


def traits_read(keys: Iterable[str], vocabulary: Vocabulary) -> list[Trait]:
    """The traits behind these fields and those that they are made of, each after what it reads."""
    traits = {trait.field_key: trait for trait in Trait.objects.filter(active=True)}
    bands = {trait.band_key: trait.field_key for trait in traits.values()}
    wanted, waiting = set(), [bands.get(key, key) for key in keys]
    while waiting:
        key = waiting.pop()
        if key in traits and key not in wanted:
            wanted.add(key)
            waiting += [bands.get(text, text) for text in texts_in(traits[key].definition)]
    return [trait for trait in in_order(list(traits.values())) if trait.field_key in wanted]


def unknowable(traits: Iterable[Trait]) -> dict[str, str]:
    """The fields of traits whose past nobody can tell, with the reason: those in SQL, and what is made of them."""
    found: dict[str, str] = {}
    for trait in traits:
        below = texts_in(trait.definition) & found.keys()
        method = METHODS.get(trait.method)
        if method is None or method.administrators:
            found[trait.field_key] = f"{trait.name} is written in SQL, which knows the present only."
        elif below:
            found[trait.field_key] = found[min(below)]
        if trait.field_key in found:
            found[trait.band_key] = found[trait.field_key]
    return found


def show_traits(shadows: Shadows, moment: Moment, traits: Collection[Trait], words: Vocabulary) -> dict[str, str]:
    """Compute these traits as of a day; those that fail are told with the reason."""
    shadows.empty("usage_accounttraits", "account_id")
    shadows.empty("usage_usertraits", "account_id, user_id")
    failed: dict[str, str] = {}
    for trait in traits:
        try:
            with time_limit(TRAIT_LIMIT_MS):
                found = read_definition(trait.subject, trait.method, trait.definition, words)
                write_values(trait.subject, trait.key, found.source(Scope(trait.subject, moment, words)))
                if found.kind in (Kind.TEXT, Kind.CHOICE, Kind.LIST):
                    fold_values(trait.subject, trait.key)
        except (TraitError, TraitFailed, TooSlow, DatabaseError) as error:
            failed[trait.field_key] = str(error).splitlines()[0][:200] if str(error) else "It takes too long."
    for table in ("usage_accounttraits", "usage_usertraits"):
        shadows.counted(table, "account_id")
    return failed


def events_since() -> dt.date | None:
    """The first day all of whose events are still there; None if none were dropped."""
    newest = PrunedMonth.objects.order_by("-month").values_list("month", flat=True).first()
    return None if newest is None else (newest + dt.timedelta(days=32)).replace(day=1)
