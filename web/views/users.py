"""Users: the customers' people under the tabs of segments of users, and a page for each with the reasons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.fields.json import KeyTextTransform
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET

from accounts.fields import Subject
from accounts.models import EndUser, Relationship, UserInAccount
from core.clock import moment
from core.download import csv_response
from core.intake import BadValue, clean_text, fold
from segments.explaining import explain_segments
from segments.models import Segment
from segments.places import accounts_matched
from segments.questions import PreviewTooSlow
from segments.subjects import ABOUT
from web.filters import dropped_notice, reader_for
from web.liststate import COUNT_CAP, PAGE_SIZE, ListState, pager, state_of
from web.notices import notify
from web.pages import may_edit_segments, page, part
from web.tabs import tabs_for, words_of
from web.views.explaining import OFFERED, TOO_SLOW

PEOPLE = ABOUT[Subject.USER]
SORTS = {"name": "name_folded", "email": "folded__email", "title": "folded__title", "first_seen": "first_seen_at"}
LABELS = {"name": "Name", "email": "E-mail", "title": "Title", "first_seen": "First seen"}
PARTS = {"results": "web/users/_results_part.html", "list": "web/users/_list.html"}


@dataclass(frozen=True)
class UserList:
    """One state of the list."""

    state: ListState
    segments: list[Segment]
    segment: Segment | None
    rows: QuerySet[EndUser]
    problems: list[str]


def people_seen(request: HttpRequest) -> QuerySet[EndUser]:
    """The people whom this colleague may see."""
    return EndUser.objects.filter(Exists(PEOPLE.seen_by(request.user).order_by().filter(user=OuterRef("pk"))))


def read_list(request: HttpRequest) -> UserList:
    """Understand an address; what cannot be understood is left out and listed in `problems`."""
    state, problems = state_of(request.GET, reverse("users"))
    segments = list(Segment.objects.tabs(Subject.USER))
    segment = Segment.objects.filter(key=state.segment, subject=Subject.USER).first() if state.segment else None
    if segment is None and state.segment:
        problems.append(f"segment {state.segment}")
        state = state.but(segment="", page=state.page)
    if state.sort.removeprefix("-") not in {"", *SORTS}:
        problems.append(f"sort {state.sort}")
        state = state.but(sort="", page=state.page)
    rows = people_seen(request)
    if segment is not None:
        rows = rows.filter(memberships__segment=segment, memberships__left_at__isnull=True)
    return UserList(state, segments, segment, _narrow(rows, state), problems)


def _narrow(rows: QuerySet[EndUser], state: ListState) -> QuerySet[EndUser]:
    if wanted := fold(state.q):
        rows = named(rows, wanted)
    key = state.sort.removeprefix("-") or "name"
    by = F(SORTS[key]) if "__" not in SORTS[key] else KeyTextTransform(key, "folded")
    down = state.sort.startswith("-")
    return rows.order_by(by.desc(nulls_last=True) if down else by.asc(nulls_last=True), "pk")


def named(rows: QuerySet[EndUser], wanted: str) -> QuerySet[EndUser]:
    """Those whose name, e-mail address or id holds a folded text."""
    rows = rows.alias(email_text=KeyTextTransform("email", "folded"), id_text=KeyTextTransform("external_id", "folded"))
    held = Q(name_folded__contains=wanted) | Q(email_text__contains=wanted) | Q(id_text__contains=wanted)
    return rows.filter(held)


@login_required
@require_GET
def users(request: HttpRequest) -> HttpResponse:
    """The list: whole, its results (another segment), or its rows (search, sort, page)."""
    found = read_list(request)
    state, reader = found.state, reader_for(request)
    start = (state.page - 1) * PAGE_SIZE
    rows = list(found.rows[start : start + PAGE_SIZE + 1])
    total = found.rows.order_by()[: COUNT_CAP + 1].count()
    everybody = total if not (state.segment or state.q) else people_seen(request)[: COUNT_CAP + 1].count()
    if message := dropped_notice(found.problems):
        notify(request, message)
    context = {
        "state": state,
        "tabs": tabs_for(request, state, found.segments, everybody, Subject.USER),
        "segment": found.segment,
        "words": words_of(reader, found.segment) if found.segment else "",
        "heads": [_head(state, key) for key in SORTS],
        "rows": _shown(request, rows[:PAGE_SIZE], found.segment),
        "total": total,
        "capped": total > COUNT_CAP,
        "pager": pager(state, total, len(rows) > PAGE_SIZE),
        "carried": state.carried("q"),
        "may_edit": may_edit_segments(request),
    }
    return page(request, "web/users/page.html", context, parts=PARTS)


def _head(state: ListState, key: str) -> dict[str, Any]:
    mine = key == (state.sort.removeprefix("-") or "name")
    down = state.sort.startswith("-")
    aria = ("descending" if down else "ascending") if mine else ""
    return {"key": key, "label": LABELS[key], "url": state.but(sort=("-" if mine and not down else "") + key).url,
            "aria": aria}  # fmt: skip


@dataclass(frozen=True)
class UserRow:
    """One line: a person, their open relationships, and the ids of the accounts in which they match the segment."""

    user: EndUser
    places: list[UserInAccount]
    matching: frozenset[int]


def _shown(request: HttpRequest, people: list[EndUser], segment: Segment | None) -> list[UserRow]:
    ids = [person.pk for person in people]
    seen = PEOPLE.seen_by(request.user)
    places: dict[int, list[UserInAccount]] = {}
    for row in (
        seen.filter(user__in=ids, account__isnull=False).select_related("account").order_by("account__name_folded")
    ):
        places.setdefault(row.user_id, []).append(row)
    matched = accounts_matched(segment, ids, seen, reader_for(request)) if segment else {}
    return [
        UserRow(one, places.get(one.pk, []), frozenset(account.pk for account in matched.get(one.pk, [])))
        for one in people
    ]


@login_required
@require_GET
def users_export(request: HttpRequest) -> HttpResponseBase:
    """The same people as a CSV file, each once."""
    found = read_list(request)
    title = found.segment.name if found.segment else "All users"
    head = ["user", "name", "email", "title", "first_seen_at", "accounts", "roles"]
    head += ["matches_in"] if found.segment else []
    return csv_response(f"{title} {moment().today:%Y-%m-%d}", head, _export_rows(request, found))


def _export_rows(request: HttpRequest, found: UserList) -> Iterator[list[Any]]:
    people = found.rows.iterator(chunk_size=2_000)
    while some := list(islice(people, 2_000)):
        for row in _shown(request, some, found.segment):
            one, accounts = row.user, [place.account.external_id for place in row.places if place.account]
            line = [one.external_id, one.name, one.email, one.title, one.first_seen_at, accounts]
            line.append([place.role or "" for place in row.places])
            inside = [p.account.external_id for p in row.places if p.account and p.account_id in row.matching]
            yield line + ([inside] if found.segment else [])


@login_required
@require_GET
def user(request: HttpRequest, pk: int) -> HttpResponse:
    """A person: their accounts, and every segment of users with the reason."""
    person = get_object_or_404(people_seen(request), pk=pk)
    seen = PEOPLE.seen_by(request.user).filter(user=person)
    segments = Segment.objects.filter(subject=Subject.USER, active=True).in_tab_order()
    try:
        found, text = explain_segments(segments, person, reader_for(request), seen), ""
    except PreviewTooSlow:
        found, text = [], TOO_SLOW
    mine = Relationship.objects.filter(user=person, account__in=seen.exclude(account=None).values("account"))
    context = {
        "person": person,
        "relationships": mine.select_related("account").order_by("ended_at", "account__name_folded"),
        "inside": [item for item in found if item.member_since],
        "outside": [item for item in found if not item.member_since],
        "text": text,
    }
    return page(request, "web/users/user.html", context)


@login_required
@require_GET
def user_names(request: HttpRequest) -> HttpResponse:
    """People whose name, e-mail address or id holds the text, as options for a field."""
    try:
        wanted = fold(clean_text(request.GET.get("check", ""), 200))
    except BadValue:
        wanted = ""
    found = named(people_seen(request), wanted).order_by("name_folded", "pk")[:OFFERED] if wanted else []
    return part(request, "web/explain/_names.html", {"members": found})
