"""Pins as they are read: which decide today, what they say, and what they change about a rule's answer."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from accounts.models import Account
from segments.models import Pin, Segment
from segments.subjects import members_of


def pin_words(pin: Pin) -> str:
    """ "Pinned in by Ada until 1 Dec 2026: board decision" (read `author__member` with the pin)."""
    until = f" until {pin.until.day} {pin.until:%b %Y}" if pin.until else ""
    return f"{pin.get_kind_display()} by {author_name(pin)}{until}: {pin.reason}"


def author_name(pin: Pin) -> str:
    """The colleague's name, else the log-in's; somebody who was deleted is somebody."""
    if pin.author is None:
        return "somebody"
    member = getattr(pin.author, "member", None)
    return str(member.name if member else pin.author.get_username())


def pins_of(account: Account, today: dt.date) -> list[Pin]:
    """The pins that decide for an account today, in the order of the segments."""
    found = Pin.objects.in_force(today).filter(account=account, segment__internal=False)
    return list(found.select_related("segment", "author__member").order_by("segment__position", "pk"))


def pin_targets() -> list[tuple[int, str]]:
    """The segments into which an account can be pinned, by id and name, in the company's order."""
    found = Segment.objects.filter(subject=Segment.Subject.ACCOUNT).in_tab_order()
    return list(found.values_list("pk", "name"))


@dataclass(frozen=True)
class PinEffect:
    """What pins change about a rule's answer, and about who joins and leaves with it.

    `brought` members do not match and are in, `kept` match and are out. The other numbers correct those of a preview
    that knows only the rule: members that stay or join against the stored ones.
    """

    brought: int = 0
    kept: int = 0
    joins: int = 0
    stays: int = 0


def pin_effect(segment: Segment, matching: QuerySet[Any], base: QuerySet[Any], today: dt.date) -> PinEffect:
    """Compare a segment's pins with the rows of `base` that match a rule."""
    members = members_of(segment)
    column = f"{members.column}_id"
    kinds = dict(Pin.objects.in_force(today).filter(segment=segment).values_list(column, "kind"))
    if not kinds:
        return PinEffect()
    seen = set(base.order_by().filter(**{f"{members.pk}__in": kinds}).values_list(members.pk, flat=True))
    met = set(matching.order_by().filter(**{f"{members.pk}__in": seen}).values_list(members.pk, flat=True))
    stored = members.open_of(segment).filter(**{f"{column}__in": seen})
    inside = set(stored.values_list(column, flat=True))
    brought = {pk for pk in seen - met if kinds[pk] == Pin.Kind.IN}
    kept = {pk for pk in seen & met if kinds[pk] == Pin.Kind.OUT}
    return PinEffect(
        brought=len(brought),
        kept=len(kept),
        joins=len(brought - inside) - len(kept - inside),
        stays=len(brought & inside) - len(kept & inside),
    )
