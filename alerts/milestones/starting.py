"""From which day the expected days of a milestone are counted: an expression over the account's row."""

from __future__ import annotations

from django.db.models import DateField, DateTimeField, OuterRef, Subquery, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Coalesce, TruncDate

from accounts.fields import Field, Kind, Owner, Stage, Vocabulary, vocabulary
from accounts.models import Subscription
from alerts.models import Milestone
from core.clock import Moment

DATES = (Kind.DATE, Kind.DATETIME)


def dates_to_count_from(known: Vocabulary) -> dict[str, Field]:
    """The fields that expected days may be counted from: dates of the account itself, known before milestones are."""
    return {
        key: one for key, one in known.items()
        if one.owner is Owner.ACCOUNT and one.kind in DATES and one.rows is None and one.stage < Stage.MILESTONES
    }  # fmt: skip


def start_of(milestone: Milestone, now: Moment) -> Combinable:
    """The day as an expression; missing where it is not known, and then an account is never overdue."""
    if milestone.start == Milestone.Start.SUBSCRIPTION:
        first = Coalesce("starts_on", "trial_starts_on")
        mine = Subscription.objects.filter(account=OuterRef("pk")).order_by(first.asc(nulls_last=True))
        return Subquery(mine.values_list(first)[:1], output_field=DateField())
    if milestone.start == Milestone.Start.FIELD:
        return _of_field(milestone.start_field, now)
    # The first day that is known of the account: of the contract, the trial, or its first row here.
    return Coalesce("customer_since", "trial_starts_on", TruncDate("created_at", tzinfo=now.zone))


def _of_field(key: str, now: Moment) -> Combinable:
    found = dates_to_count_from(vocabulary()).get(key)
    if found is None:  # the attribute was deleted
        return Value(None, output_field=DateField())
    value = found.value("")
    return TruncDate(Cast(value, DateTimeField()), tzinfo=now.zone) if found.kind is Kind.DATETIME else value
