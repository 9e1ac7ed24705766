"""What values the attributes have: a real example of each, and on how many of the rows there is one at all.

Neither reads more than a few rows of a table, however many it holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Model, Q, QuerySet
from django.db.models.expressions import RawSQL

from accounts.fields import Field, Kind, Owner, Vocabulary
from accounts.fields.sql import Known
from accounts.models import Account, Relationship, Subscription

# How many rows are looked at, spread evenly over all there are: a share of 3 % is then told within about one per cent.
LOOKED_AT = 1000
# Of fewer rows no share is worth telling.
FEWEST = 20
# "Few values": below this share it is said, so that nobody builds a rule on what hardly any account has.
FEW = 0.25
_SPREAD = (
    "SELECT generate_series(min({key}), max({key}), greatest((max({key}) - min({key})) / %s, 1)::bigint) FROM {table}"
)


@dataclass(frozen=True)
class _Source:
    """The rows on which fields of some owners are found, `examples` with the likeliest to have values first."""

    called: str
    owners: Mapping[Owner, str]
    rows: QuerySet[Any]
    examples: QuerySet[Any]

    def fields(self, vocabulary: Vocabulary) -> list[Field]:
        """The fields that these rows have."""
        return [item for item in vocabulary.values() if item.owner in self.owners]


def _sources(seen: QuerySet[Account]) -> list[_Source]:
    accounts, theirs = seen.order_by(), {"account__in": seen.order_by().values("pk")}
    people, subscriptions = Relationship.objects.open().filter(**theirs), Subscription.objects.filter(**theirs)
    return [
        _Source("accounts", {Owner.ACCOUNT: ""}, accounts, accounts.filter(Q(mrr__gt=0)).order_by("-mrr", "pk")),
        _Source("users", {Owner.USER: "user__", Owner.RELATIONSHIP: ""}, people, people.order_by("-pk")),
        _Source("subscriptions", {Owner.SUBSCRIPTION: ""}, subscriptions, subscriptions.order_by("-pk")),
    ]


def examples(vocabulary: Vocabulary, seen: QuerySet[Account]) -> dict[str, Any]:
    """One real value for each field that has a free one, by its key, from the few rows likely to have most of them.

    Only accounts `seen`, their users and subscriptions give one: an example is a value of some account.
    """
    found: dict[str, Any] = {}
    for source in _sources(seen):
        fields = [item for item in source.fields(vocabulary) if item.kind not in (Kind.BOOLEAN, Kind.CHOICE)]
        named = {f"x{i}": (item.shown or item.value)(source.owners[item.owner]) for i, item in enumerate(fields)}
        for row in source.examples.annotate(**named).values(*named)[:3]:
            for i, item in enumerate(fields):
                if found.get(item.key) in (None, "") and row[f"x{i}"] not in (None, ""):
                    found[item.key] = row[f"x{i}"]
    return found


def few_values(vocabulary: Vocabulary) -> dict[str, str]:
    """The fields that fewer than a quarter of the rows have, by key, with the share in words: "3% of accounts".

    Counted over LOOKED_AT rows at most, spread over all there are, whoever asks: a share tells nothing of an account.
    One statement per kind of row, after one that sees whether there are enough of them.
    """
    told: dict[str, str] = {}
    for source in _sources(Account.objects.live()):
        if source.rows[:FEWEST].count() < FEWEST:
            continue
        fields = source.fields(vocabulary)
        filled = {
            f"n{i}": Count("pk", filter=Known((item.fed or item.value)(source.owners[item.owner])))
            for i, item in enumerate(fields)
        }
        counts = source.rows.filter(pk__in=_spread(source.rows.model)).aggregate(looked_at=Count("pk"), **filled)
        if counts["looked_at"] < FEWEST:
            continue
        for i, item in enumerate(fields):
            share = counts[f"n{i}"] / counts["looked_at"]
            if share < FEW:
                told[item.key] = f"{_percent(share)} of {source.called}"
    return told


def _spread(model: type[Model]) -> RawSQL:
    """The keys of LOOKED_AT places, evenly between the first and the last key of a table; some may be of no row."""
    key = model._meta.pk.column
    sql = _SPREAD.format(key=f'"{key}"', table=f'"{model._meta.db_table}"')
    return RawSQL(sql, (LOOKED_AT,))  # noqa: S611 - the names are the model's own


def _percent(share: float) -> str:
    if share == 0:
        return "0%"
    return "under 1%" if share < 0.01 else f"{share:.0%}"
