"""What is worked out of an account's rows for its fields: the last touchpoint, how its MRR moved, and how old those
figures are that the roll-up of billing writes, which stamps nothing."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from django.db.models import ExpressionWrapper, F, Max, OuterRef, Subquery, TextField, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, Greatest

from accounts.fields.attributes import stamped
from accounts.fields.expressions import ONE_DECIMAL, DaysBefore, local_day, ratio
from accounts.models import MrrDay, Note, Subscription
from core.clock import Moment


def last_touchpoint(prefix: str) -> Combinable:
    """When somebody last spoke with the account; a note of ours alone is no touchpoint."""
    touching = Note.objects.filter(account=OuterRef(prefix + "pk")).exclude(kind=Note.Kind.NOTE).order_by("-at")
    return Subquery(touching.values("at")[:1])


def mrr_before(days: int) -> Callable[[str, Moment | None], Combinable]:
    """The MRR of so many days ago; missing where it was not known then."""

    def value(prefix: str, moment: Moment | None = None) -> Combinable:
        day = DaysBefore(local_day(None, moment), Value(days))
        kept = MrrDay.objects.filter(account=OuterRef(prefix + "pk"), day__lte=day).order_by("-day")
        return Subquery(kept.values("mrr")[:1])

    return value


def mrr_change(days: int) -> Callable[..., Combinable]:
    """How many percent the MRR is above that of so many days ago, negative below; missing where there was none."""
    before = mrr_before(days)

    def value(prefix: str, moment: Moment | None = None) -> Combinable:
        share = ratio(lambda p: F(p + "mrr") * 100, lambda p: before(p, moment))(prefix)
        return ExpressionWrapper(share - Value(Decimal(100)), output_field=ONE_DECIMAL)

    return value


def told_by_billing(*columns: str, stated: str = "") -> Callable[[str], Combinable]:
    """When one of these columns of the account's subscriptions was told last. Where it has none, and what was `stated`
    for it counts, when that was."""

    def value(prefix: str) -> Combinable:
        told = [Coalesce(stamped(name)(""), Value("")) for name in columns]
        newest = Max(Greatest(*told), output_field=TextField())
        mine = Subscription.objects.filter(account=OuterRef(f"{prefix}pk")).order_by().values("account")
        found = Subquery(mine.annotate(newest=newest).values("newest"), output_field=TextField())
        return Coalesce(found, stamped(stated)(prefix)) if stated else found

    return value


_COUNTED = ("status", "starts_on", "ends_on")  # what decides whether a subscription counts
MRR_TOLD = told_by_billing("mrr", "currency", *_COUNTED, stated="stated_mrr")
LICENCES_TOLD = told_by_billing("quantity", *_COUNTED, stated="stated_licences")
PLAN_TOLD = told_by_billing("plan", *_COUNTED)
RENEWAL_TOLD = told_by_billing("renews_on", *_COUNTED)
TRIAL_TOLD = told_by_billing("trial_starts_on", "trial_ends_on")
