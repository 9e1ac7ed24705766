"""Connections: the list, a page for each with its runs and what is unmatched, and the buttons that move them."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from core.api.access import is_administrator
from core.intake import BadValue, fold
from integrations.connections.editing import disconnect, make_account, match_by_hand, open_run
from integrations.connections.opening import check
from integrations.connections.running import cancel, request_run, resume
from integrations.models import Connection, ConnectionLink, ConnectionRun
from web.notices import notify
from web.pages import is_part, page, progress_part
from web.views.pinning import account_named
from web.views.segments import editors_only

RUNS, UNMATCHED = 20, 50


def administrators_only(request: HttpRequest) -> None:
    """Credentials, and ending a connection, are for administrators."""
    if not is_administrator(request.user):
        raise PermissionDenied


@login_required
@require_GET
def connections(request: HttpRequest) -> HttpResponse:
    """Every connection with the state of its last run and how many records are nobody yet."""
    editors_only(request)
    last = ConnectionRun.objects.filter(connection=OuterRef("pk")).order_by("-id").values("pk")[:1]
    nobody = Q(links__account__isnull=True, links__gone_at__isnull=True, links__kind__in=("customer", "company"))
    rows = list(Connection.objects.annotate(last=Subquery(last), nobody=Count("links", filter=nobody)))
    runs = ConnectionRun.objects.in_bulk([row.last for row in rows if row.last])
    context = {
        "rows": [{"connection": row, "run": runs.get(row.last), "nobody": row.nobody} for row in rows],
        "kinds": Connection.Kind.choices,
        "may_connect": is_administrator(request.user),
    }
    return page(request, "web/connections/page.html", context)


@login_required
@require_GET
def connection(request: HttpRequest, pk: int) -> HttpResponse:
    """One connection: how it goes, what it did, and which records have no account."""
    editors_only(request)
    found = get_object_or_404(Connection, pk=pk)
    asked = fold(request.GET.get("q", "").replace("\x00", "")[:120])
    nobody = unmatched(found)
    shown = nobody.filter(label_folded__contains=asked) if asked else nobody
    runs = list(found.runs.all()[: RUNS + 1])
    context: dict[str, Any] = {
        "connection": found, "run": next((run for run in runs if run.is_open), None), "runs": runs[:RUNS],
        "more_runs": len(runs) > RUNS, "unmatched": shown[:UNMATCHED], "nobody": nobody.count(),
        "shown": shown.count(), "q": request.GET.get("q", ""), "most": UNMATCHED,
        "may_connect": is_administrator(request.user),
    }  # fmt: skip
    return page(request, "web/connections/connection.html", context)


def unmatched(of: Connection) -> QuerySet[ConnectionLink]:
    """The customers or companies that are no account yet, by name."""
    kinds = (ConnectionLink.Kind.CUSTOMER, ConnectionLink.Kind.COMPANY)
    return of.links.filter(account__isnull=True, gone_at__isnull=True, kind__in=kinds).order_by("label_folded", "id")


@login_required
@require_GET
def connection_progress(request: HttpRequest, pk: int) -> HttpResponse:
    """How far the open run is; ends the polling when there is none."""
    editors_only(request)
    found = get_object_or_404(Connection, pk=pk)
    run = open_run(found)
    if not is_part(request):
        return HttpResponseRedirect(reverse("connection", args=[pk]))
    context = {"connection": found, "run": run, "last": None if run else found.runs.first()}
    return progress_part(request, "web/connections/_progress.html", context, running=run is not None)


@login_required
@require_POST
def connection_run(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for a run: changes only, or everything."""
    editors_only(request)
    found = get_object_or_404(Connection, pk=pk)
    if found.error:
        notify(request, f"Not started. {found.error}")
    else:
        run = request_run(found, full=request.POST.get("full") == "1")
        notify(request, "Everything is read from the beginning." if run.full else "Changes are being read.")
    return _back(pk)


@login_required
@require_POST
def run_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop a run; it can be resumed where it stopped."""
    editors_only(request)
    run = get_object_or_404(ConnectionRun, pk=pk)
    cancel(run)
    notify(request, "The run stops after the page at hand. It can be resumed from there.")
    return _back(run.connection_id)


@login_required
@require_POST
def run_resume(request: HttpRequest, pk: int) -> HttpResponse:
    """Let a run go on at its cursor."""
    editors_only(request)
    run = get_object_or_404(ConnectionRun, pk=pk, state__in=(ConnectionRun.State.FAILED, ConnectionRun.State.CANCELLED))
    resume(run)
    notify(request, "The run goes on where it stopped.")
    return _back(run.connection_id)


@login_required
@require_POST
def connection_check(request: HttpRequest, pk: int) -> HttpResponse:
    """Try the credential now."""
    editors_only(request)
    found = get_object_or_404(Connection, pk=pk)
    works = check(found)
    notify(request, f"{found.get_kind_display()} accepts the credential." if works else found.error)
    return _back(pk)


@login_required
@require_POST
def connection_disconnect(request: HttpRequest, pk: int) -> HttpResponse:
    """Forget the connection; what was imported stays."""
    administrators_only(request)
    found = get_object_or_404(Connection, pk=pk)
    disconnect(found)
    notify(request, f"{found.name} is disconnected. What it imported stays.")
    return HttpResponseRedirect(reverse("connections"))


@login_required
@require_POST
def link_match(request: HttpRequest, pk: int) -> HttpResponse:
    """Say which account a record is, or make one of it."""
    editors_only(request)
    link = get_object_or_404(ConnectionLink.objects.select_related("connection"), pk=pk, account__isnull=True)
    try:
        if request.POST.get("do") == "make":
            account = make_account(link)
        else:
            account = match_by_hand(link, account_named(request).external_id)
    except BadValue as error:
        notify(request, f"Not matched. {error}")
    else:
        notify(request, f"{link.label} is {account.name} from now on. The next run brings its values.")
    return _back(link.connection_id)


def _back(pk: int) -> HttpResponse:
    return HttpResponseRedirect(reverse("connection", args=[pk]))
