"""Why the values of a field changed, where whoever owns them keeps that: a person here, a definition, the customer.

A value that a colleague gave (in a form here, as an override of health, as a pulse, as a milestone that is reached) is
set by hand. What programs tell, over the API or in a file, is new data, also where a person sent it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from accounts.facts.shapes import ACCOUNT, CUSTOM, USER, Shape
from accounts.fields import Field, Owner
from accounts.models import AttributeChange, Subscription
from alerts.milestones.redefined import field_keys
from alerts.models import MilestoneChange
from health.models import BandChange

Why = dict[int, str]
FORMS = "admin:"  # what a value that was written in a form here has as its source
BAND = "health.band"
GIVEN = ("account.pulse", "account.pulse_at", "health.overridden")  # what only a person gives
# What an account states counts only while it has no subscription (see `accounts.billing`).
STATED = {"mrr": "stated_mrr", "licences": "stated_licences"}
KINDS = {"stage_type": "stage"}
BANDS = {
    BandChange.Cause.FIRST: "data", BandChange.Cause.DATA: "data", BandChange.Cause.TIME: "time",
    BandChange.Cause.VERSION: "definition", BandChange.Cause.CONFIG: "definition", BandChange.Cause.OVERRIDE: "hand",
}  # fmt: skip
ORIGINS = {
    MilestoneChange.Origin.HAND: "hand", MilestoneChange.Origin.DEFINITION: "definition",
    MilestoneChange.Origin.RULE: "data",
}  # fmt: skip


def reasons_of(field: Field, members: Collection[int]) -> Why:
    """Why each of some accounts, or users (primary keys), has the value that it has, as far as that is kept; those that
    are left out have the usual cause. One statement."""
    if field.key == BAND:
        rows = BandChange.objects.filter(account__in=members).order_by("account_id", "-at", "-pk")
        return {pk: BANDS[BandChange.Cause(cause)] for pk, cause in _newest(rows, "account_id", "cause")}
    if field.key in GIVEN:
        return dict.fromkeys(members, "hand")
    if field.key.startswith("milestone."):
        return _of_milestone(field.key, members)
    return _of_facts(field, members)


def _of_milestone(key: str, members: Collection[int]) -> Why:
    """Of a milestone that became overdue because nothing happened, time is the reason."""
    named = key.split(".")[1]
    if key not in field_keys(named):
        return {}
    rows = MilestoneChange.objects.filter(account__in=members, milestone__key=named).order_by("account_id", "-pk")
    kinds = MilestoneChange.Kind
    return {
        pk: "time" if (kind, origin) == (kinds.OVERDUE, MilestoneChange.Origin.RULE) else ORIGINS[origin]
        for pk, kind, origin in _newest(rows, "account_id", "kind", "origin")
    }


def _newest(rows: QuerySet[Any], owner: str, *columns: str) -> Iterable[tuple[Any, ...]]:
    """Of each owner the first row, in the order of the rows, which is the newest."""
    return rows.distinct(owner).values_list(owner, *columns)


def _of_facts(field: Field, members: Collection[int]) -> Why:
    """The values whose newest change was written in a form."""
    shape = USER if field.owner is Owner.USER else ACCOUNT
    key = _key_in(shape, field.key)
    if key is None:
        return {}
    rows = AttributeChange.objects.filter(subject=shape.subject, object_id__in=members, key=key)
    if key in STATED.values():
        rows = rows.exclude(Exists(Subscription.objects.filter(account=OuterRef("object_id"))))
    newest = _newest(rows.order_by("object_id", "-pk"), "object_id", "source")
    return {pk: "hand" for pk, source in newest if source.startswith(FORMS)}


def _key_in(shape: Shape, key: str) -> str | None:
    """What the write side calls the column or attribute behind a field; None for a field that is worked out."""
    name = key.removeprefix(f"{shape.subject}.")
    name = (STATED | KINDS).get(name, name) if shape is ACCOUNT else name
    return name if name in shape.columns or name.startswith(CUSTOM) else None
