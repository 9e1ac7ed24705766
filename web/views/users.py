"""Users: the customers' people under the tabs of segments of users, and a page for each with the reasons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.fields.json import KeyTextTransform
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET

from accounts.fields import Subject
from accounts.fields.reading import in_relationship
from accounts.models import EndUser, Relationship, UserInAccount
from core.clock import moment
from core.download import csv_response
from core.intake import BadValue, clean_text, fold
from segments.explaining import explain_segments
from segments.limits import PreviewTooSlow
from segments.models import Segment
from segments.places import accounts_matched
from segments.questions import Reader
from segments.subjects import ABOUT
from web.account_page import user_attributes
from web.columns import Column, Head, Labels, readable
from web.filters import Filters, dropped_notice, read_filters, reader_for
from web.listing import Cell
from web.liststate import COUNT_CAP, PAGE_SIZE, ListState, around, pager, state_of
from web.notices import notify
from web.pages import may_edit_segments, page, part
from web.tabs import tabs_for, words_of
from web.user_columns import by_field, chosen_of, field_of, groups_of, places_of, sorts, user_columns
from web.views.explaining import OFFERED, TOO_SLOW

PEOPLE = ABOUT[Subject.USER]
SORTS = {"name": "name_folded", "email": "folded__email", "title": "folded__title", "first_seen": "first_seen_at"}
LABELS = {"name": "Name", "email": "E-mail", "title": "Title", "first_seen": "First seen"}
PARTS = {"results": "web/users/_results_part.html", "list": "web/users/_list_part.html"}


@dataclass(frozen=True)
class UserList:
    """One state of the list."""

    state: ListState
    segments: list[Segment]
    segment: Segment | None
    filters: Filters
    reader: Reader
    available: dict[str, Column]
    columns: list[Column]
    rows: QuerySet[EndUser]
    problems: list[str]


def people_seen(request: HttpRequest) -> QuerySet[EndUser]:
    """The people whom this colleague may see."""
    return EndUser.objects.filter(Exists(PEOPLE.seen_by(request.user).order_by().filter(user=OuterRef("pk"))))


def read_list(request: HttpRequest) -> UserList:
    """Understand an address; what cannot be understood is left out and listed in `problems`."""
    state, problems = state_of(request.GET, "users", also=("col",))
    if "col" in request.GET:  # the form of the columns
        state = state.but(cols=tuple(key for key in request.GET.getlist("col") if key) or None)
    reader = reader_for(request)
    segments = list(Segment.objects.tabs(Subject.USER))
    segment = Segment.objects.filter(key=state.segment, subject=Subject.USER).first() if state.segment else None
    if segment is None and state.segment:
        problems.append(f"segment {state.segment}")
        state = state.but(segment="", page=state.page)
    filters = read_filters(request, reader.about(Subject.USER), state)
    state, available = filters.state, user_columns(reader.vocabulary)
    columns = chosen_of(available, state.cols)
    problems += [f"column {key}" for key in state.cols or () if key not in available]
    if state.sort.removeprefix("-") not in {"", *SORTS, *(one.key for one in available.values() if sorts(one))}:
        problems.append(f"sort {state.sort}")
        state = state.but(sort="", page=state.page)
    seen, rows = PEOPLE.seen_by(request.user), people_seen(request)
    if segment is not None:
        rows = rows.filter(memberships__segment=segment, memberships__left_at__isnull=True)
    if filters.question:
        rows = rows.filter(pk__in=PEOPLE.ids(filters.question.matching(seen)))
    rows = _ordered(_narrow(rows, state), state, available, seen)
    return UserList(state, segments, segment, filters, reader, available, columns, rows, [*filters.problems, *problems])


def _narrow(rows: QuerySet[EndUser], state: ListState) -> QuerySet[EndUser]:
    wanted = fold(state.q)
    return named(rows, wanted) if wanted else rows


def _ordered(
    rows: QuerySet[EndUser], state: ListState, available: dict[str, Column], seen: QuerySet[UserInAccount]
) -> QuerySet[EndUser]:
    """By what the address says; a field of a user in an account counts as in `by_field`."""
    key, down = state.sort.removeprefix("-") or "name", state.sort.startswith("-")
    if key in available:
        return by_field(rows, field_of(available[key]), seen, descending=down)
    by = F(SORTS[key]) if "__" not in SORTS[key] else KeyTextTransform(key, "folded")
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
    state, reader = found.state, found.reader
    if "col" in request.GET:
        return HttpResponseRedirect(state.url)
    start = (state.page - 1) * PAGE_SIZE
    rows = list(found.rows[start : start + PAGE_SIZE + 1])
    total = found.rows.order_by()[: COUNT_CAP + 1].count()
    everybody = total if not (state.segment or state.narrowed) else people_seen(request)[: COUNT_CAP + 1].count()
    if message := dropped_notice(found.problems):
        notify(request, message)
    context = {
        **around(request, state),
        "tabs": tabs_for(request, state, found.segments, everybody, Subject.USER),
        "segment": found.segment,
        "words": words_of(reader, found.segment) if found.segment else "",
        "heads": [_head(state, column, sortable) for column, sortable in _sortable(found.columns)],
        "sorted_by": _sorted_by(found),
        "columns": found.columns,
        "groups": groups_of(found.available, found.columns),
        "chips": found.filters.chips,
        "filter_url": reverse("users_filter"),
        "columns_carried": state.carried("cols"),
        "rows": _shown(request, rows[:PAGE_SIZE], found),
        "total": total,
        "capped": total > COUNT_CAP,
        "pager": pager(state, total, len(rows) > PAGE_SIZE),
        "may_edit": may_edit_segments(request),
    }
    return page(request, "web/users/page.html", context, parts=PARTS)


def _sortable(columns: list[Column]) -> list[tuple[Column, bool]]:
    """Every column with a head of its own, and whether the list can be put in order by it."""
    return [*((Column(key, label), True) for key, label in LABELS.items()), *((one, sorts(one)) for one in columns)]


def _sorted_by(found: UserList) -> tuple[Column, bool]:
    """The column that the list is in the order of, and whether it is descending."""
    key = found.state.sort.removeprefix("-") or "name"
    return found.available.get(key) or Column(key, LABELS[key]), found.state.sort.startswith("-")


def _head(state: ListState, column: Column, sortable: bool) -> Head:
    mine = sortable and column.key == (state.sort.removeprefix("-") or "name")
    down = state.sort.startswith("-")
    aria = ("descending" if down else "ascending") if mine else ""
    return Head(column, state.but(sort=("-" if mine and not down else "") + column.key).url if sortable else "", aria)


@dataclass(frozen=True)
class UserRow:
    """One line: a person, their open relationships, the ids of the accounts in which they match the segment, and for
    each further column the values in those relationships."""

    user: EndUser
    places: list[UserInAccount]
    matching: frozenset[int]
    cells: list[list[Cell]]


def _shown(request: HttpRequest, people: list[EndUser], found: UserList) -> list[UserRow]:
    ids = [person.pk for person in people]
    seen = PEOPLE.seen_by(request.user)
    values = {f"c{i}": in_relationship(field_of(column)) for i, column in enumerate(found.columns)}
    rows = seen.filter(user__in=ids, account__isnull=False).select_related("account").annotate(**values)
    places: dict[int, list[UserInAccount]] = {}
    for row in rows.order_by("account__name_folded", "account_id"):
        places.setdefault(row.user_id, []).append(row)
    matched = accounts_matched(found.segment, ids, seen, found.reader) if found.segment else {}
    labels = Labels()

    def cells(mine: list[UserInAccount]) -> list[list[Cell]]:
        return [
            [Cell(column, readable(field_of(column), getattr(one, f"c{i}"), labels)) for one in mine]
            for i, column in enumerate(found.columns)
        ]

    return [
        UserRow(one, mine, frozenset(account.pk for account in matched.get(one.pk, [])), cells(mine))
        for one in people
        for mine in [places.get(one.pk, [])]
    ]


@login_required
@require_GET
def users_export(request: HttpRequest) -> HttpResponseBase:
    """The same people as a CSV file, each once."""
    found = read_list(request)
    title = found.segment.name if found.segment else "All users"
    head = ["user", "name", "email", "title", "first_seen_at", "accounts", "roles"]
    head += [column.label for column in found.columns]
    head += ["matches_in"] if found.segment else []
    return csv_response(f"{title} {moment().today:%Y-%m-%d}", head, _export_rows(request, found))


def _export_rows(request: HttpRequest, found: UserList) -> Iterator[list[Any]]:
    people = found.rows.iterator(chunk_size=2_000)
    while some := list(islice(people, 2_000)):
        for row in _shown(request, some, found):
            one, accounts = row.user, [place.account.external_id for place in row.places if place.account]
            line = [one.external_id, one.name, one.email, one.title, one.first_seen_at, accounts]
            line.append([place.role or "" for place in row.places])
            line += [[_written(cell.value) for cell in cells] for cells in row.cells]
            inside = [p.account.external_id for p in row.places if p.account and p.account_id in row.matching]
            yield line + ([inside] if found.segment else [])


def _written(value: Any) -> str:
    """A value of one account among those of others in a cell."""
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "" if value is None else value.isoformat() if hasattr(value, "isoformat") else str(value)


@login_required
@require_GET
def user(request: HttpRequest, pk: int) -> HttpResponse:
    """A person: their attributes, their accounts, and every segment of users with the reason."""
    person = get_object_or_404(people_seen(request), pk=pk)
    seen = PEOPLE.seen_by(request.user).filter(user=person)
    reader = reader_for(request)
    segments = Segment.objects.filter(subject=Subject.USER, active=True).in_tab_order()
    try:
        found, text = explain_segments(segments, person, reader, seen), ""
    except PreviewTooSlow:
        found, text = [], TOO_SLOW
    mine = Relationship.objects.filter(user=person, account__in=seen.exclude(account=None).values("account"))
    columns, places = places_of(mine, reader.vocabulary)
    context = {
        "person": person,
        "attributes": user_attributes(person, reader.vocabulary),
        "columns": columns,
        "places": places,
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
