"""Did it work? What became of the accounts that came into a playbook or segment, on a page of each of the two."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal, InvalidOperation
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Min
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from alerts.comparing.starting import (
    CALIPERS,
    LONGEST,
    MOST_USES,
    SHORTEST,
    USUAL,
    newest_entry,
    start_comparison,
)  # fmt: skip
from alerts.models import Comparison, Enrolment, Milestone, Playbook
from core.clock import moment
from core.intake import BadValue, clean_date, whole
from core.reports import cancel_report
from core.spans import ONE_DAY
from core.working import NotNow
from segments.models import AccountMembership, Segment
from web.comparison_view import comparison_view
from web.notices import notify
from web.pages import is_part, may_edit_segments, page, progress_part
from web.views.segments import editors_only

LISTED = 20
ALIKE = ("very much alike", "alike", "roughly alike")


@login_required
@require_http_methods(["GET", "POST"])
def playbook_worked(request: HttpRequest, pk: int) -> HttpResponse:
    """Of a playbook: the newest comparison, or the one that `report` names; posted, another one is started."""
    return _worked(request, get_object_or_404(Playbook, pk=pk))


@login_required
@require_http_methods(["GET", "POST"])
def segment_worked(request: HttpRequest, pk: int) -> HttpResponse:
    """Of a segment of accounts, likewise."""
    return _worked(request, get_object_or_404(Segment, pk=pk, subject=Segment.Subject.ACCOUNT))


def _worked(request: HttpRequest, what: Playbook | Segment) -> HttpResponse:
    problem = ""
    if request.method == "POST":
        editors_only(request)
        try:
            made = _start(request, what)
        except (BadValue, NotNow) as error:
            problem = str(error)
        else:
            notify(request, "The comparison is running. You can leave this page.")
            return HttpResponseRedirect(_address(made))
    of = "playbook" if isinstance(what, Playbook) else "segment"
    rows = Comparison.objects.filter(**{of: what}).select_related("author__member", "among", "milestone")
    asked = whole(request.GET.get("report"))
    chosen = (rows if asked is None else rows.filter(pk=asked)).first()
    context: dict[str, Any] = {
        "what": what, of: what, "of": of, "chosen": chosen, "problem": problem, "shortest": SHORTEST,
        "comparisons": rows.defer("report", "pool")[:LISTED], "may_edit": may_edit_segments(request),
    }  # fmt: skip
    if chosen is not None and chosen.report:
        context["view"] = comparison_view(chosen, request.user)
    if context["may_edit"]:
        context |= _form(request, what, chosen)
    return page(request, "web/comparisons/page.html", context, status=422 if problem else 200)


def _start(request: HttpRequest, what: Playbook | Segment) -> Comparison:
    """Raises BadValue and NotNow."""
    data = request.POST
    first = clean_date(data.get("first_day", ""))
    if first is None:
        raise BadValue("Give the first day on which an entry counts.")
    among, milestone = data.get("among", "").replace("\x00", ""), data.get("milestone", "").replace("\x00", "")
    segment, reached = Segment.objects.filter(key=among).first(), Milestone.objects.filter(key=milestone).first()
    if (among and segment is None) or (milestone and reached is None):
        raise BadValue("What was chosen was deleted meanwhile. Look at the choices and start again.")
    try:
        caliper = Decimal(data.get("caliper", str(USUAL))[:8])
    except InvalidOperation as error:
        raise BadValue("Choose how alike two accounts must be.") from error
    return start_comparison(
        what, first_day=first, milestone=reached, among=segment, caliper=caliper, author=request.user,
        uses=whole(data.get("uses", "1"), MOST_USES) or 0,
    )  # fmt: skip


def _form(request: HttpRequest, what: Playbook | Segment, chosen: Comparison | None) -> dict[str, Any]:
    """What was typed, else what the comparison that is shown asked, else the usual."""
    newest, first_entry = newest_entry(), _first_entry(what)
    earliest = newest - ONE_DAY * (LONGEST - 1)
    first = chosen.first_day if chosen else min(newest, max(first_entry or newest, earliest))
    said = {
        "first_day": first.isoformat(), "uses": str(chosen.uses if chosen else 1),
        "caliper": str(chosen.caliper if chosen else USUAL),
        "among": chosen.among.key if chosen and chosen.among else "",
        "milestone": chosen.milestone.key if chosen and chosen.milestone else "",
    }  # fmt: skip
    typed = request.POST if request.method == "POST" else {}
    segments = Segment.objects.filter(subject=Segment.Subject.ACCOUNT).in_tab_order()
    return {
        "form": said | {name: typed[name] for name in said if name in typed},
        "newest": newest, "earliest": earliest, "first_entry": first_entry, "most_uses": MOST_USES,
        "judged_on": first_entry + ONE_DAY * (SHORTEST + 1) if first_entry and first_entry > newest else None,
        "milestones": Milestone.objects.filter(active=True),
        "segments": [one for one in segments if one != what],
        "calipers": [(str(one), words) for one, words in zip(CALIPERS, ALIKE, strict=True)],
    }  # fmt: skip


def _first_entry(what: Playbook | Segment) -> dt.date | None:
    if isinstance(what, Playbook):
        at = Enrolment.objects.filter(playbook=what).aggregate(first=Min("started_at"))["first"]
    else:
        own = AccountMembership.objects.filter(segment=what).exclude(opened_by__new_definition=True)
        at = own.aggregate(first=Min("entered_at"))["first"]
    return at.astimezone(moment().zone).date() if at else None


def _address(one: Comparison) -> str:
    name, pk = ("playbook_worked", one.playbook_id) if one.playbook_id else ("segment_worked", one.segment_id)
    return f"{reverse(name, args=[pk])}?report={one.pk}"


@login_required
@require_GET
def comparison(request: HttpRequest, pk: int) -> HttpResponse:
    """To the page on which it stands; for a part how far it is, 286 and a wish to be loaded anew when it has ended."""
    found = get_object_or_404(Comparison.objects.defer("report", "pool"), pk=pk)
    if not is_part(request):
        return HttpResponseRedirect(_address(found))
    return progress_part(request, "web/comparisons/_progress.html", {"chosen": found}, running=found.running)


@login_required
@require_POST
def comparison_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop after the day in hand."""
    editors_only(request)
    found = get_object_or_404(Comparison, pk=pk)
    try:
        cancel_report(found)
        notify(request, "The comparison was cancelled.")
    except NotNow as error:
        notify(request, str(error))
    return HttpResponseRedirect(_address(found))
