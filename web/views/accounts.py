"""Accounts 360: the accounts of a segment, searched, filtered, sorted, paged, exported; every state is an address."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from accounts.models import Account, TeamMember
from core.clock import moment
from core.download import csv_response
from core.intake import whole
from health.explaining import health_lines
from segments.models import Segment
from segments.questions import Reader
from web.columns import (
    DEFAULT_SORT,
    NAME,
    REASON,
    Column,
    Labels,
    all_columns,
    apart,
    chosen_columns,
    column_groups,
    has_health,
    heads,
    readable,
    selection,
    sort_column,
    standard_columns,
)
from web.filters import Filters, dropped_notice, narrow, read_filters, reader_for
from web.listing import load_rows, narrowed_page, ordered, page_ids, strip_of
from web.liststate import ListState, around, pager, state_of
from web.notices import back_to, notify
from web.pages import may_change_accounts, may_edit_segments, page
from web.preferences import read_preferences
from web.tabs import count_in, everybody_for, members_of, strip_for, tabs_for
from web.views.health_why import peeked

AT_ONCE = 2_000  # lines of an export that are read together
MOST_CHOSEN = 1_000  # accounts that are ticked one by one; a form may have 2,000 fields
PARTS = {"results": "web/accounts/_results_part.html", "list": "web/accounts/_list_part.html"}


@dataclass(frozen=True)
class AccountList:
    """One state of the list: what was understood of the address and the accounts it means."""

    state: ListState
    segments: list[Segment]
    segment: Segment | None
    filters: Filters
    reader: Reader
    available: dict[str, Column]
    sort: tuple[Column, bool]
    scope: QuerySet[Account]
    accounts: QuerySet[Account]
    problems: list[str]


def list_of(request: HttpRequest, query: QueryDict) -> AccountList:
    """Understand an address; what cannot be understood is left out and listed in `problems`."""
    state, unknown = state_of(query, "accounts", also=("peek",))
    reader = reader_for(request)
    segments = list(Segment.objects.tabs())
    segment = next((item for item in segments if item.key == state.segment), None)
    if segment is None and state.segment:
        # A hidden segment has no tab, but a link to it works.
        segment = Segment.objects.filter(key=state.segment, subject=Segment.Subject.ACCOUNT).first()
        if segment is None:
            unknown.append(f"segment {state.segment}")
            state = state.but(segment="", page=state.page)
    filters = read_filters(request, reader, state)
    state = filters.state
    available = all_columns(reader.vocabulary)
    sort = sort_column(available, state.sort or DEFAULT_SORT)
    if sort is None:
        unknown.append(f"sort {state.sort}")
        state = state.but(sort="", page=state.page)
        sort = sort_column(available, DEFAULT_SORT) or (NAME, False)
    seen = Account.objects.visible_to(request.user)
    scope = members_of(seen, segment)
    accounts = ordered(narrow(members_of(seen.holding(state.q), segment), filters), *sort)
    return AccountList(
        state, segments, segment, filters, reader, available, sort, scope, accounts, [*filters.problems, *unknown]
    )


def _chosen(request: HttpRequest, found: AccountList) -> list[Column]:
    kept = read_preferences(request).columns.get("accounts")
    return chosen_columns(found.available, found.state.cols, kept, standard_columns(found.available))


@login_required
@require_GET
def accounts(request: HttpRequest) -> HttpResponse:
    """The list: whole, its results (another segment), or its rows (search, sort, page)."""
    found = list_of(request, request.GET)
    state = found.state
    everybody = everybody_for(request)
    in_segment = count_in(request, found.segment, found.scope, everybody)
    total, mrr = in_segment, None
    if state.narrowed:
        ids, has_next, total, mrr = narrowed_page(found.accounts, state.page)
    else:
        ids, has_next = page_ids(found.accounts, state.page)
    columns = _chosen(request, found)
    rows = load_rows(ids, columns, found.reader)
    strip = strip_for(request, found.reader, found.segment, in_segment, state)
    if not state.narrowed:
        mrr = strip.contract_value / 12
    if message := dropped_notice(found.problems):
        notify(request, message)
    context = {
        **around(request, state),
        "tabs": tabs_for(request, state, found.segments, everybody),
        "segment": found.segment,
        "strip": strip,
        "chips": found.filters.chips,
        "filter_url": reverse("accounts_filter"),
        "csm": found.filters.csm,
        "heads": heads(state, columns, found.sort),
        "columns": columns,
        "columns_url": reverse("accounts_columns"),
        "groups": column_groups(found.available, columns),
        "rows": rows,
        "dimensions": strip_of(rows),
        "scored": has_health(found.available),
        "why": f"{state.url}{'&' if state.query else '?'}peek=",
        "peek": peeked(request, found.reader),
        "everybody": everybody,
        "in_segment": in_segment,
        "total": total,
        "mrr": mrr,
        "pager": pager(state, total, has_next),
        "sorted_by": found.sort,
        "most_chosen": MOST_CHOSEN,
        "members": TeamMember.objects.all() if may_change_accounts(request) else [],
        "may_edit": may_edit_segments(request),
        "from_query": state.query,
    }
    return page(request, "web/accounts/page.html", context, parts=PARTS)


def ticked(data: QueryDict) -> list[int]:
    """The ids of the accounts that a form names; none if it means all of the list (`scope=filter`)."""
    named = data.getlist("account") if data.get("scope") != "filter" else []
    return [pk for text in named if (pk := whole(text))]


@login_required
@require_http_methods(["GET", "POST"])
def accounts_export(request: HttpRequest) -> HttpResponseBase:
    """The same accounts and columns as a CSV file, or only those that are named. The form of the list, whose ids may be
    more than an address holds, names the list in `next`."""
    data, query = request.GET, request.GET
    if request.method == "POST":
        data, query = request.POST, QueryDict(back_to(request, "").partition("?")[2])
    found = list_of(request, query)
    columns, accounts = apart(_chosen(request, found), found.available), found.accounts
    if chosen := ticked(data):
        accounts = ordered(Account.objects.visible_to(request.user).filter(pk__in=chosen), *found.sort)
    title = found.segment.name if found.segment else "All accounts"
    head = ["Account id", "Account", *(column.label for column in columns)]
    return csv_response(f"{title} {moment().today:%Y-%m-%d}", head, _export_rows(accounts, columns, found.reader))


def _export_rows(accounts: QuerySet[Account], columns: list[Column], reader: Reader) -> Iterator[list[Any]]:
    """Line by line; the reasons for the health are told for some accounts at once."""
    needed, labels = selection(columns), Labels()
    told = any(column.key == REASON for column in columns)
    rows = accounts.annotate(**needed).values("pk", "external_id", "name", *needed).iterator(chunk_size=AT_ONCE)
    while some := list(islice(rows, AT_ONCE)):
        lines = health_lines([row["pk"] for row in some], reader) if told else {}
        for row in some:
            values = [
                readable(column.field, row[f"c{i}"], labels) if column.field else lines[row["pk"]].reason
                for i, column in enumerate(columns)
            ]
            yield [row["external_id"], row["name"], *values]
