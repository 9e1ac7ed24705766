"""What data moved, on the timeline: segments entered and left, subscriptions and attributes changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.urls import reverse

from accounts.models import Account, AttributeChange, Subject, Subscription
from core.clock import Moment
from segments.models import AccountMembership, Pin, SegmentRefresh
from web.timeline.entries import Entry, Rows, Source, Tell, Told

_TRIGGERS = {"daily": "found by the daily refresh", "data": "after new data", "save": "after the segment was saved"}


def _stays(when: str, cause: str, pin: str) -> Rows:
    def rows(account: Account, now: Moment) -> QuerySet[AccountMembership]:
        mine = AccountMembership.objects.filter(account=account, segment__internal=False)
        earlier = SegmentRefresh.objects.filter(segment=OuterRef("segment"), pk__lt=OuterRef(cause))
        mine = mine.filter(**{f"{when}__isnull": False}).annotate(happened=F(when), was_there=Exists(earlier))
        return mine.select_related("segment", f"{cause}__run", f"{pin}__author__member")

    return rows


def _tell_stays(word: str, cause: str, pin: str) -> Tell:
    def tell(rows: Sequence[AccountMembership], told: Told) -> list[Entry]:
        found = []
        for row in rows:
            why, who = cause_of(getattr(row, cause), getattr(row, pin), new=not getattr(row, "was_there"))  # noqa: B009
            title = f"{word} segment {row.segment.name}"
            url = f"{reverse('account_segments', args=[row.account_id])}?segment={row.segment.key}"
            found.append(Entry(getattr(row, "happened"), "layers", title, why, who, url))  # noqa: B009
        return found

    return tell


def cause_of(refresh: SegmentRefresh | None, pin: Pin | None, *, new: bool) -> tuple[str, str]:
    """Why a member entered or left a segment, and who had a hand in it. `new`: it was the segment's first refresh."""
    if pin is not None:
        by = getattr(pin.author, "member", None) or pin.author
        return f"{pin.get_kind_display()} by hand: {pin.reason}", str(by or "")
    if refresh is None:
        return "", ""
    if refresh.new_definition:
        return "The segment was new" if new else "The rule of the segment, or what it reads, was changed", ""
    told = _TRIGGERS.get(refresh.run.trigger, "")
    return (told[:1].upper() + told[1:]) if told else "", ""


def _attributes(account: Account, now: Moment) -> QuerySet[AttributeChange]:
    rows = AttributeChange.objects.filter(subject=Subject.ACCOUNT, object_id=account.pk, old__isnull=False)
    return rows.annotate(happened=F("at"))


def _tell_attributes(rows: Sequence[AttributeChange], told: Told) -> list[Entry]:
    return [
        Entry(one.at, "tag", f"{_name(one.key, told.labels)} changed", _from_to(one), who=f"from {one.source}")
        for one in rows
    ]


def _subscriptions(account: Account, now: Moment) -> QuerySet[AttributeChange]:
    """What changed about a contract, and that there is one: what was told when it came is no change."""
    mine = Subscription.objects.filter(account=account).order_by().values("pk")
    rows = AttributeChange.objects.filter(subject=Subject.SUBSCRIPTION, object_id__in=mine)
    began = AttributeChange.objects.filter(
        subject=Subject.SUBSCRIPTION, object_id=OuterRef("object_id"), key="account", old__isnull=True,
        recorded_at=OuterRef("recorded_at"),
    )  # fmt: skip
    told = Q(old__isnull=False) & ~Q(key="account") & ~Exists(began) | Q(old__isnull=True, key="account")
    return rows.filter(told).annotate(happened=F("at"))


def _tell_subscriptions(rows: Sequence[AttributeChange], told: Told) -> list[Entry]:
    found = Subscription.objects.in_bulk([one.object_id for one in rows])
    entries = []
    for one in rows:
        contract = found.get(one.object_id)
        name = (contract.plan or contract.external_id) if contract else "no longer there"
        title, text = f"Subscription {name}: {_TERMS.get(one.key, _name(one.key, {}).lower())} changed", _from_to(one)
        if one.key == "account":
            title, text = f"Subscription {name} added", ""
        entries.append(Entry(one.at, "cycle", title, text, who=f"from {one.source}"))
    return entries


_TERMS = {
    "mrr": "MRR", "quantity": "licences", "starts_on": "start", "ends_on": "end", "renews_on": "renewal",
    "trial_starts_on": "start of the trial", "trial_ends_on": "end of the trial",
}  # fmt: skip


def _name(key: str, labels: Mapping[str, str]) -> str:
    plain = key.removeprefix("custom.")
    return labels.get(key) or labels.get(f"custom.{key}") or plain.replace("_", " ").capitalize()


def _from_to(change: AttributeChange) -> str:
    return f"{_value(change.old)} → {_value(change.new)}"


def _value(value: Any) -> str:
    if value is None or value == "":
        return "no value"
    if isinstance(value, dict) and "amount" in value:
        return f"{value['amount']} {value.get('currency', '')}".strip()
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


SOURCES = (
    Source("joined", "segments", _stays("entered_at", "opened_by", "opened_pin"),
           _tell_stays("Joined", "opened_by", "opened_pin")),
    Source("left", "segments", _stays("left_at", "closed_by", "closed_pin"),
           _tell_stays("Left", "closed_by", "closed_pin")),
    Source("contract", "subscriptions", _subscriptions, _tell_subscriptions),
    Source("attribute", "changes", _attributes, _tell_attributes),
)  # fmt: skip
