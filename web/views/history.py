"""A segment through time: its members on any day, how its size moved, who came and went and why."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET

from accounts.fields import Subject
from core.clock import Moment
from core.download import csv_response
from core.intake import BadValue, clean_date
from segments.history import CAUSES, Movement, definitions, first_day, holds_of, members_on, movements, sizes
from segments.models import Segment
from segments.places import accounts_matched
from segments.questions import Reader
from segments.subjects import members_of
from web.charts import size_chart
from web.filters import reader_for
from web.pages import page, page_number

PAGE, LAST_PAGE, MOVES = 50, 99_999, 50
RANGES = {"30": "30 days", "90": "90 days", "365": "12 months"}


@dataclass(frozen=True)
class Day:
    """The day that is looked at, and what was wrong with the one asked for."""

    day: dt.date
    problem: str = ""


@login_required
@require_GET
def segment_members(request: HttpRequest, pk: int) -> HttpResponse:
    """Members on any day (`on`), size by day (`days`), entries and exits with their cause (`before`: older ones)."""
    segment = get_object_or_404(Segment, pk=pk)
    reader = reader_for(request)
    now, seen = reader.moment, members_of(segment).seen_in_the_past_by(request.user)
    chosen = _day(request.GET.get("on", ""), now)
    members = members_on(segment, chosen.day, now, seen)
    total, number = members.count(), page_number(request.GET.get("page"), LAST_PAGE)
    days = request.GET.get("days", "") if request.GET.get("days", "") in RANGES else "90"
    points = sizes(segment, int(days), now, seen)
    moves = movements(segment, reader, seen, before=_instant(request.GET.get("before", "")), limit=MOVES)
    shown = list(members[(number - 1) * PAGE : number * PAGE])
    _put_accounts(request, segment, shown, reader)
    context = {
        "segment": segment,
        "of_users": segment.subject == Subject.USER,
        "on": chosen,
        "is_today": chosen.day == now.today,
        "first": first_day(segment, now),
        "members": shown,
        "total": total,
        "previous": number - 1,
        "next": number + 1 if total > number * PAGE else 0,
        "days": days,
        "ranges": RANGES.items(),
        "points": list(reversed(points)),
        "chart": size_chart(points, definitions(segment, points[0][0], now)) if len(points) > 1 else None,
        "moves": [(move, CAUSES[move.cause]) for move in moves],
        "older": _older(moves),
        "holds": holds_of(segment),
    }
    return page(request, "web/segments/members.html", context)


@login_required
@require_GET
def segment_members_export(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The members on a day as CSV; of a day before the first entry the name and the head say that nothing is known."""
    segment = get_object_or_404(Segment, pk=pk)
    reader = reader_for(request)
    now, column = reader.moment, segment.subject
    day = _day(request.GET.get("on", ""), now).day
    rows = members_on(segment, day, now, members_of(segment).seen_in_the_past_by(request.user))
    more = ["email", "matches_today_in"] if column == Subject.USER else []
    head = [column, "name", *more, "entered_at", "left_at"]
    name, since = f"{segment.key} on {day.isoformat()}", first_day(segment, now)
    if day < since:
        name, head = f"{name}, known from {since.isoformat()}", [*head, f"known from {since.isoformat()}"]
    return csv_response(name, head, _lines(request, segment, rows, reader))


def _lines(request: HttpRequest, segment: Segment, rows: QuerySet[Any], reader: Reader) -> Iterator[list[Any]]:
    """A line for each member; of users, with the accounts in which they match, looked up by the thousand."""
    stays = rows.iterator(chunk_size=2000)
    while some := list(islice(stays, 2000)):
        _put_accounts(request, segment, some, reader)
        for row in some:
            member = row.account if segment.subject == Subject.ACCOUNT else row.user
            more = [member.email, [one.external_id for one in row.matching]] if segment.subject == Subject.USER else []
            yield [member.external_id, member.name, *more, row.entered_at, row.left_at]


def _put_accounts(request: HttpRequest, segment: Segment, rows: list[Any], reader: Reader) -> None:
    """Give the stays of users the accounts in which they match at present (`matching`)."""
    if segment.subject != Subject.USER:
        return
    seen = members_of(segment).seen_by(request.user)
    found = accounts_matched(segment, [row.user_id for row in rows], seen, reader)
    for row in rows:
        row.matching = found.get(row.user_id, [])


def _day(text: str, now: Moment) -> Day:
    if not text:
        return Day(now.today)
    try:
        day = clean_date(text)
    except BadValue:
        return Day(now.today, "Enter a date such as 2026-11-22. The members of today are shown.")
    if day > now.today:
        return Day(now.today, "That day lies ahead. The members of today are shown.")
    return Day(day)


def _instant(text: str) -> dt.datetime | None:
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def _older(moves: list[Movement]) -> str:
    return moves[-1].at.isoformat() if len(moves) == MOVES else ""
