"""Subscription 360: the subscriptions of a segment's accounts, under the same tabs as Accounts 360."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.fields.json import KeyTextTransform
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_GET

from accounts.models import Account, Subscription, SubscriptionStatus, TeamMember
from core.clock import moment
from core.download import csv_response
from core.intake import fold
from segments.models import Segment
from segments.questions import Reader
from web.columns import Column, Labels, chosen_columns, column_groups, heads, sort_column
from web.filters import dropped_notice, held_by, read_csm, reader_for
from web.liststate import COUNT_CAP, PAGE_SIZE, ListState, around, pager, state_of
from web.notices import notify
from web.pages import may_edit_segments, page
from web.preferences import read_preferences
from web.subscription_columns import ACCOUNT, DEFAULT, subscription_columns, subscription_rows, valued, values_of
from web.tabs import count_in, everybody_for, is_restricted, members_of, strip_for, tabs_for

PARTS = {"results": "web/subscriptions/_results_part.html", "list": "web/subscriptions/_list_part.html"}
DEFAULT_SORT = "renews_on"


@dataclass(frozen=True)
class SubscriptionList:
    """One state of the list."""

    state: ListState
    reader: Reader
    segments: list[Segment]
    segment: Segment | None
    csm: TeamMember | None
    scope: QuerySet[Account]
    all: QuerySet[Subscription]
    rows: QuerySet[Subscription]
    available: dict[str, Column]
    columns: list[Column]
    sort: tuple[Column, bool]
    problems: list[str]


def read_list(request: HttpRequest) -> SubscriptionList:
    """Understand an address; what cannot be understood is left out and listed in `problems`."""
    state, problems = state_of(request.GET, "subscriptions")
    segments = list(Segment.objects.tabs())
    segment = next((item for item in segments if item.key == state.segment), None)
    if segment is None and state.segment:
        segment = Segment.objects.filter(key=state.segment, subject=Segment.Subject.ACCOUNT).first()
    if segment is None and state.segment:
        problems.append(f"segment {state.segment}")
        state = state.but(segment="", page=state.page)
    if state.status and not SubscriptionStatus.objects.filter(key=state.status).exists():
        problems.append(f"status {state.status}")
        state = state.but(status="", page=state.page)
    csm, state = read_csm(request, state, problems)
    reader = reader_for(request)
    available = subscription_columns(reader.vocabulary)
    sort = sort_column(available, state.sort or DEFAULT_SORT, ACCOUNT)
    if sort is None:
        problems.append(f"sort {state.sort}")
        state, sort = state.but(sort="", page=state.page), (available[DEFAULT_SORT], False)
    kept = read_preferences(request).columns.get("subscriptions")
    columns = chosen_columns(available, state.cols, kept, DEFAULT)
    scope = members_of(Account.objects.visible_to(request.user), segment)
    everything = Subscription.objects.all()
    if segment or is_restricted(request):
        everything = everything.filter(account__in=scope.order_by().values("pk"))
    else:
        everything = everything.filter(account__archived_at__isnull=True)
    rows = _narrow(everything, state, csm, sort)
    return SubscriptionList(
        state, reader, segments, segment, csm, scope, everything, rows, available, columns, sort, problems
    )


def _narrow(
    rows: QuerySet[Subscription], state: ListState, csm: TeamMember | None, sort: tuple[Column, bool]
) -> QuerySet[Subscription]:
    if csm:
        rows = rows.filter(account__in=held_by(csm))
    if state.status:
        rows = rows.filter(status=state.status)
    if wanted := fold(state.q):
        rows = rows.alias(**{f"{name}_text": KeyTextTransform(name, "folded") for name in ("plan", "external_id")})
        named = Q(account__name_folded__contains=wanted) | Q(plan_text__contains=wanted)
        rows = rows.filter(named | Q(external_id_text__contains=wanted))
    by = sort[0].order(sort[1])
    return rows.order_by(*([by] if by is not None else []), "pk")


@login_required
@require_GET
def subscriptions(request: HttpRequest) -> HttpResponse:
    """The list: whole, its results (another segment), or its rows (search, status, sort, page)."""
    found = read_list(request)
    state = found.state
    start = (state.page - 1) * PAGE_SIZE
    rows = list(valued(found.rows, found.columns)[start : start + PAGE_SIZE + 1])
    some = found.rows.order_by().values("pk")[: COUNT_CAP + 1]
    sums = Subscription.objects.filter(pk__in=some).aggregate(
        n=Count("pk"), active=Sum("mrr_base", filter=Q(status__kind="active"))
    )
    everybody = everybody_for(request)
    in_segment = count_in(request, found.segment, found.scope, everybody)
    if message := dropped_notice(found.problems):
        notify(request, message)
    context = {
        **around(request, state),
        "tabs": tabs_for(request, state.but(sort=state.sort), found.segments, everybody),
        "segment": found.segment,
        "csm": found.csm,
        "strip": strip_for(request, found.reader, found.segment, in_segment, all_of(state)),
        "heads": heads(state, found.columns, found.sort, ACCOUNT),
        "columns": found.columns,
        "columns_url": reverse("subscriptions_columns"),
        "groups": column_groups(found.available, found.columns),
        "sorted_by": found.sort,
        "rows": subscription_rows(rows[:PAGE_SIZE], found.columns),
        "in_segment": in_segment,
        "total": sums["n"],
        "capped": sums["n"] > COUNT_CAP,
        "active_mrr": sums["active"] or 0,
        "pager": pager(state, sums["n"], len(rows) > PAGE_SIZE),
        "statuses": [(item, state.but(status=item.key).url) for item in SubscriptionStatus.objects.all()],
        "any_status": state.but(status="").url,
        "may_edit": may_edit_segments(request),
    }
    return page(request, "web/subscriptions/page.html", context, parts=PARTS)


def all_of(state: ListState) -> ListState:
    """The accounts of the same segment and CSM."""
    return ListState(reverse("accounts"), segment=state.segment, csm=state.csm)


@login_required
@require_GET
def subscriptions_export(request: HttpRequest) -> HttpResponseBase:
    """The same subscriptions as a CSV file."""
    found = read_list(request)
    title = found.segment.name if found.segment else "All accounts"
    names = (column.label for column in found.columns)
    head = ["Subscription id", "Account id", "Account", *names, "MRR in its currency", "Currency"]
    return csv_response(f"{title} subscriptions {moment().today:%Y-%m-%d}", head, _export_rows(found))


def _export_rows(found: SubscriptionList) -> Iterator[list[Any]]:
    labels = Labels()
    for item in valued(found.rows, found.columns).iterator(chunk_size=2_000):
        values = values_of(item, found.columns, labels)
        yield [item.external_id, item.account.external_id, item.account.name, *values, item.mrr, item.currency]
