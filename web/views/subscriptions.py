"""Subscription 360: the subscriptions of a segment's accounts, under the same tabs as Accounts 360."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.fields.json import KeyTextTransform
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_GET

from accounts.models import Account, Subscription, SubscriptionStatus
from core.clock import moment
from core.download import csv_response
from core.intake import fold
from segments.models import Segment
from web.filters import dropped_notice, reader_for
from web.liststate import COUNT_CAP, PAGE_SIZE, ListState, pager, state_of
from web.notices import notify
from web.pages import may_edit_segments, page
from web.tabs import everybody_for, is_restricted, members_of, strip_for, tabs_for

PARTS = {"results": "web/subscriptions/_results_part.html", "list": "web/subscriptions/_list_part.html"}
DEFAULT_SORT = "renews_on"


@dataclass(frozen=True)
class Column:
    """One column: its key in addresses, label, what it is sorted by, whether it is a number."""

    key: str
    label: str
    order: str
    numeric: bool = False

    @property
    def css(self) -> str:
        """A class that may be used in a style sheet."""
        return "s-" + self.key.replace("_", "-")


COLUMNS = (
    Column("account", "Account", "account__name_folded"),
    Column("plan", "Plan", "folded__plan"),
    Column("status", "Status", "status__position"),
    Column("mrr", "MRR", "mrr_base", True),
    Column("licences", "Licences", "quantity", True),
    Column("billing", "Billing", "billing_period"),
    Column("started", "Started", "starts_on"),
    Column("renews_on", "Renewal", "renews_on"),
    Column("auto_renew", "Auto-renew", "auto_renew"),
    Column("ends", "Ends", "ends_on"),
)
_BY_KEY = {column.key: column for column in COLUMNS}


@dataclass(frozen=True)
class SubscriptionList:
    """One state of the list."""

    state: ListState
    segments: list[Segment]
    segment: Segment | None
    scope: QuerySet[Account]
    all: QuerySet[Subscription]
    rows: QuerySet[Subscription]
    sort: tuple[Column, bool]
    problems: list[str]


def read_list(request: HttpRequest) -> SubscriptionList:
    """Understand an address; what cannot be understood is left out and listed in `problems`."""
    state, problems = state_of(request.GET, reverse("subscriptions"))
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
    key = (state.sort or DEFAULT_SORT).removeprefix("-")
    if key not in _BY_KEY:
        problems.append(f"sort {state.sort}")
        state, key = state.but(sort="", page=state.page), DEFAULT_SORT
    sort = (_BY_KEY[key], state.sort.startswith("-"))
    scope = members_of(Account.objects.visible_to(request.user), segment)
    everything = Subscription.objects.all()
    if segment or is_restricted(request):
        everything = everything.filter(account__in=scope.order_by().values("pk"))
    else:
        everything = everything.filter(account__archived_at__isnull=True)
    return SubscriptionList(
        state, segments, segment, scope, everything, _narrow(everything, state, sort), sort, problems
    )


def _narrow(rows: QuerySet[Subscription], state: ListState, sort: tuple[Column, bool]) -> QuerySet[Subscription]:
    if state.status:
        rows = rows.filter(status=state.status)
    if wanted := fold(state.q):
        rows = rows.alias(**{f"{name}_text": KeyTextTransform(name, "folded") for name in ("plan", "external_id")})
        named = Q(account__name_folded__contains=wanted) | Q(plan_text__contains=wanted)
        rows = rows.filter(named | Q(external_id_text__contains=wanted))
    by = F(sort[0].order)
    return rows.order_by(by.desc(nulls_last=True) if sort[1] else by.asc(nulls_last=True), "pk")


@login_required
@require_GET
def subscriptions(request: HttpRequest) -> HttpResponse:
    """The list: whole, its results (another segment), or its rows (search, status, sort, page)."""
    found = read_list(request)
    state = found.state
    start = (state.page - 1) * PAGE_SIZE
    rows = list(found.rows.select_related("account", "status")[start : start + PAGE_SIZE + 1])
    some = found.rows.order_by().values("pk")[: COUNT_CAP + 1]
    sums = Subscription.objects.filter(pk__in=some).aggregate(
        n=Count("pk"), active=Sum("mrr_base", filter=Q(status__kind="active"))
    )
    everybody = everybody_for(request)
    in_segment = everybody
    if found.segment:
        in_segment = found.scope.count() if is_restricted(request) else found.segment.member_count
    if message := dropped_notice(found.problems):
        notify(request, message)
    context = {
        "state": state,
        "tabs": tabs_for(request, state.but(sort=state.sort), found.segments, everybody),
        "segment": found.segment,
        "strip": strip_for(request, reader_for(request), found.segment, in_segment, all_of(state)),
        "heads": [_head(state, column, found.sort) for column in COLUMNS],
        "sorted_by": found.sort,
        "rows": rows[:PAGE_SIZE],
        "in_segment": in_segment,
        "total": sums["n"],
        "capped": sums["n"] > COUNT_CAP,
        "active_mrr": sums["active"] or 0,
        "pager": pager(state, sums["n"], len(rows) > PAGE_SIZE),
        "statuses": [(item, state.but(status=item.key).url) for item in SubscriptionStatus.objects.all()],
        "any_status": state.but(status="").url,
        "carried": state.carried("q"),
        "without_q": state.but(q="").url,
        "may_edit": may_edit_segments(request),
    }
    return page(request, "web/subscriptions/page.html", context, parts=PARTS)


def all_of(state: ListState) -> ListState:
    """The accounts of the same segment."""
    return ListState(reverse("accounts"), segment=state.segment)


def _head(state: ListState, column: Column, sort: tuple[Column, bool]) -> dict[str, Any]:
    mine = column.key == sort[0].key
    down = not sort[1] if mine else column.numeric
    return {
        "column": column,
        "url": state.but(sort=("-" if down else "") + column.key).url,
        "aria": ("descending" if sort[1] else "ascending") if mine else "",
    }


@login_required
@require_GET
def subscriptions_export(request: HttpRequest) -> HttpResponseBase:
    """The same subscriptions as a CSV file."""
    found = read_list(request)
    title = found.segment.name if found.segment else "All accounts"
    head = ["Subscription id", "Account id", *(column.label for column in COLUMNS), "MRR in its currency", "Currency"]
    return csv_response(f"{title} subscriptions {moment().today:%Y-%m-%d}", head, _export_rows(found.rows))


def _export_rows(rows: QuerySet[Subscription]) -> Iterator[list[Any]]:
    for item in rows.select_related("account", "status").iterator(chunk_size=2_000):
        yield [
            item.external_id, item.account.external_id, item.account.name, item.plan, item.status.name, item.mrr_base,
            item.quantity, item.get_billing_period_display(), item.starts_on, item.renews_on, item.auto_renew,
            item.ends_on, item.mrr, item.currency,
        ]  # fmt: skip
