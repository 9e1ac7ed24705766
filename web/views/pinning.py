"""Pins on screen: the page of a segment's pins, and the buttons that pin, keep out and unpin, each with an undo."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from accounts.fields import Subject
from accounts.models import Account
from core.clock import moment
from core.intake import BadValue, clean_date, fold, short, whole
from segments.models import Pin, PinQuerySet, Segment
from segments.pinning import pin_member, restore_pin, unpin_member
from segments.subjects import ABOUT, Members, members_of
from web.notices import back_to, notify
from web.pages import may_edit_segments, page
from web.undo import inverse, keep_inverse
from web.views.segments import editors_only

PAST_SHOWN = 50


@login_required
@require_GET
def segment_pins(request: HttpRequest, pk: int) -> HttpResponse:
    """Who is in a segment, or out of it, by hand; the past pins below."""
    segment = get_object_or_404(Segment, pk=pk)
    pins = _seen(request).filter(segment=segment).select_related("account", "user", "author__member")
    today = moment().today
    now = list(pins.in_force(today))
    context = {
        "segment": segment,
        "pins": now,
        "past": pins.exclude(pk__in=[pin.pk for pin in now])[:PAST_SHOWN],
        "may_edit": may_edit_segments(request),
        "kinds": Pin.Kind.choices,
        "today": today,
    }
    return page(request, "web/segments/pins.html", context)


@login_required
@require_POST
def pin_add(request: HttpRequest) -> HttpResponse:
    """Pin a member in, or keep it out; both are named in the form (`segment` by id, `account` by id or name; in a
    segment of users that is a user, by id, name or e-mail)."""
    editors_only(request)
    back = back_to(request, reverse("segments"))
    try:
        segment = _segment(request)
        member = member_named(request, members_of(segment))
        earlier = Pin.objects.open().filter(segment=segment, **{members_of(segment).column: member}).first()
        pin = pin_member(
            segment,
            member,
            kind=request.POST.get("kind", ""),
            reason=request.POST.get("reason", ""),
            until=_until(request),
            author=request.user,
        )
    except BadValue as problem:
        notify(request, f"Not pinned. {problem}")
        return HttpResponseRedirect(back)
    data = {"pin": pin.pk, "earlier": earlier.pk if earlier else 0}
    notify(request, _said(pin), undo=keep_inverse(request, "pin", data, back=back))
    return HttpResponseRedirect(back)


def _said(pin: Pin) -> str:
    done = "pinned into" if pin.kind == Pin.Kind.IN else "kept out of"
    until = f" until {pin.until.day} {pin.until:%b %Y}" if pin.until else ""
    return f"{pin.member} {done} {pin.segment}{until}. The members follow within seconds."


def _segment(request: HttpRequest) -> Segment:
    given = request.POST.get("segment", "")
    found = Segment.objects.filter(pk=whole(given) or 0).first()
    if found is None:
        raise BadValue("Choose a segment.")
    return found


def account_named(request: HttpRequest) -> Account:
    """The account that a form names in `account`, by its id or its name. Raises BadValue."""
    found: Account = member_named(request, ABOUT[Subject.ACCOUNT])
    return found


def member_named(request: HttpRequest, about: Members) -> Any:
    """The account, or the user, that a form names in `account`: by id, by name, a user also by email. Raises
    BadValue."""
    given = request.POST.get("account", "").replace("\x00", "").strip()
    seen = about.model.objects.filter(pk__in=about.ids(about.seen_by(request.user)))
    found = list(seen.filter(external_id=given)[:1]) or list(seen.filter(name=given)[:2])
    if not found and about.subject is Subject.USER:
        found = list(seen.filter(folded__email=fold(given))[:2]) if given else []
    if len(found) != 1:
        several = f"Several {about.subject.many} have this name; give the {about.column}'s id."
        text = several if found else "Choose one from the list."
        raise BadValue(f"There is no single {about.column} “{short(given)}”. {text}")
    return found[0]


def _seen(request: HttpRequest) -> PinQuerySet:
    """The pins of the accounts and users that may be seen."""
    accounts, users = (about.ids(about.seen_by(request.user)) for about in ABOUT.values())
    return Pin.objects.filter(Q(account__in=accounts) | Q(user__in=users))


def _until(request: HttpRequest) -> dt.date | None:
    given = request.POST.get("until", "").strip()
    return clean_date(given) if given else None


@login_required
@require_POST
def pin_end(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a pin out: the rule decides again."""
    editors_only(request)
    pin = get_object_or_404(_seen(request).select_related("segment", "account", "user"), pk=pk)
    back = back_to(request, reverse("segment_pins", args=[pin.segment_id]))
    if pin.ended_at is None and unpin_member(pin.segment, pin.member):
        token = keep_inverse(request, "unpin", {"pin": pin.pk}, back=back)
        notify(request, f"{pin.member} unpinned. The rule of {pin.segment} decides again.", undo=token)
    else:
        notify(request, f"{pin.member} was unpinned already.")
    return HttpResponseRedirect(back)


@inverse("pin")
def _take_back(request: HttpRequest, data: dict[str, Any]) -> str:
    pin = Pin.objects.select_related("segment", "account", "user").get(pk=data["pin"])
    earlier = Pin.objects.filter(pk=data["earlier"]).first()
    if earlier is None:
        unpin_member(pin.segment, pin.member)
        return f"{pin.member} unpinned."
    restore_pin(earlier)
    return f"{pin.member} is pinned as before."


@inverse("unpin")
def _put_back(request: HttpRequest, data: dict[str, Any]) -> str:
    pin = restore_pin(Pin.objects.select_related("segment", "account", "user").get(pk=data["pin"]))
    return _said(pin)
