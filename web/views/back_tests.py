"""Back-tests of health configs: the list, the form that starts one, how far it is, and its report."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import F, Min
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from core.clock import moment
from core.intake import BadValue, check_depth, clean_date, whole
from core.refusals import Problem
from core.reports import cancel_report
from core.working import NotNow
from health.backtest.models import BackTest
from health.backtest.running import DAILY_UP_TO, SHORTEST, SILENT, start_back_test
from health.definition import DefinitionError
from health.models import Band, HealthConfig, HealthConfigVersion
from segments.models import Segment
from usage.models import DailyUsage
from web.back_test_view import behind, report_view, side_names
from web.filters import reader_for
from web.health_form import ConfigDraft, read_draft, same_definition
from web.notices import notify
from web.pages import is_part, may_edit_segments, page, progress_part
from web.views.segments import editors_only

PAGE = 50
YEAR, MONTH = dt.timedelta(days=364), dt.timedelta(days=30)
USUAL_SILENCE = 30


@login_required
@require_GET
def back_tests(request: HttpRequest) -> HttpResponse:
    """The newest first, fifty a page; of one config alone with `config`."""
    rows = BackTest.objects.select_related("author__member").defer("definition", "against", "report")
    # Of the shortest horizon, of which a short span tells most.
    rows = rows.annotate(figures=F("report__sides__tested__horizons__0"))
    config, before = (whole(request.GET.get(name)) for name in ("config", "before"))
    rows = rows.filter(config=config) if config else rows
    found = list((rows.filter(pk__lt=before) if before else rows)[: PAGE + 1])
    context = {
        "tests": found[:PAGE], "before": before, "config": config,
        "older": found[PAGE - 1].pk if len(found) > PAGE else None, "may_edit": may_edit_segments(request),
        "configs": HealthConfig.objects.all(),
    }  # fmt: skip
    return page(request, "web/health/back_tests.html", context)


@login_required
@require_GET
def back_test(request: HttpRequest, pk: int) -> HttpResponse:
    """How far it is, or its report."""
    test = get_object_or_404(BackTest.objects.select_related("author__member", "config"), pk=pk)
    context: dict[str, Any] = {"test": test, "names": side_names(test), "may_edit": may_edit_segments(request)}
    if test.report:
        context |= {"report": report_view(test, request.user), "bands": Band.choices}
    return page(request, "web/health/back_test.html", context)


@login_required
@require_GET
def back_test_accounts(request: HttpRequest, pk: int) -> HttpResponse:
    """The accounts behind a number of the report."""
    test = get_object_or_404(BackTest.objects.select_related("config"), pk=pk)
    found = behind(test, request.GET.dict(), request.user) if test.report else None
    if found is None:
        notify(request, "The report has no such number.")
        return HttpResponseRedirect(reverse("back_test", args=[pk]))
    return page(request, "web/health/back_test_accounts.html", {"test": test, "behind": found})


@login_required
@require_GET
def back_test_progress(request: HttpRequest, pk: int) -> HttpResponse:
    """The progress for a page that looks every second; 286 and a wish to be loaded anew when the work has ended."""
    test = get_object_or_404(BackTest.objects.defer("definition", "against", "report"), pk=pk)
    if not is_part(request):
        return HttpResponseRedirect(reverse("back_test", args=[pk]))
    return progress_part(request, "web/health/_back_test_progress.html", {"test": test}, running=test.running)


@login_required
@require_POST
def back_test_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop after the day in hand."""
    editors_only(request)
    test = get_object_or_404(BackTest, pk=pk)
    try:
        cancel_report(test)
        notify(request, f"The back-test of {test.name} was cancelled.")
    except NotNow as error:
        notify(request, str(error))
    return HttpResponseRedirect(reverse("back_test", args=[pk]))


@login_required
@require_http_methods(["GET", "POST"])
def back_test_new(request: HttpRequest, pk: int = 0) -> HttpResponse:
    """Ask for the span and for what leaving means. Posted by the editor (or with a `definition`), it is about a draft,
    without a config about one that nobody has saved yet; `start` starts it."""
    editors_only(request)
    config = get_object_or_404(HealthConfig.objects.select_related("segment"), pk=pk) if pk else None
    if request.method == "GET" and config is None:
        return HttpResponseRedirect(reverse("config_new"))
    problems: list[Problem] = []
    tried = _tried(request, config, problems)
    if request.method == "POST" and request.POST.get("start") and not problems:
        made = _start(request, config, tried, problems)
        if made is not None:
            notify(request, "The back-test is running. You can leave this page.")
            return HttpResponseRedirect(reverse("back_test", args=[made.pk]))
    return page(request, "web/health/back_test_new.html", _form(request, config, tried, problems),
                status=422 if problems else 200)  # fmt: skip


@dataclass(frozen=True)
class Tried:
    """What is to be tested: a draft (None: what is saved), whose accounts it would score, and what it is called."""

    draft: Any
    segment: Segment | None
    name: str


def _tried(request: HttpRequest, config: HealthConfig | None, problems: list[Problem]) -> Tried:
    """What was posted, by the editor or by this page's own form; it is a draft unless it says what is saved."""
    saved = config.segment if config else None
    segment, name = saved, request.POST.get("name", "").strip().replace("\x00", "")[:120]
    if key := request.POST.get("segment", "").replace("\x00", "")[:80]:
        segment = Segment.objects.filter(key=key).first()
        if segment is None:
            text = "That segment was deleted. Choose another in the editor."
            problems.append(Problem("/segment", "unknown-segment", text))
    elif "segment" in request.POST:
        segment = None
    draft = _draft(request, config, problems) if request.method == "POST" else None
    if config is not None and draft is not None and segment == saved and same_definition(draft, config.definition):
        draft = None
    return Tried(draft, segment, name or (config.name if config and segment == saved else ""))


def _draft(request: HttpRequest, config: HealthConfig | None, problems: list[Problem]) -> Any:
    """The definition that was posted, as JSON or in the inputs of the editor; None without one."""
    if text := request.POST.get("definition", ""):
        try:
            check_depth(text)
            return json.loads(text)
        except (ValueError, RecursionError, BadValue):
            problems.append(Problem("/definition", "invalid-json", "The draft cannot be read. Go back to the editor."))
            return None
    if "d0.name" not in request.POST:
        return None
    typed = ConfigDraft()
    typed.take(config.definition if config else {})
    read_draft(request.POST, typed, reader_for(request).vocabulary)
    return typed.definition()


def _start(request: HttpRequest, config: HealthConfig | None, tried: Tried, problems: list[Problem]) -> BackTest | None:
    """Start it; None with what is wrong in `problems`."""
    days: dict[str, dt.date] = {}
    for name in ("first_day", "last_day"):
        try:
            days[name] = clean_date(request.POST.get(name, ""))
        except BadValue as error:
            problems.append(Problem(f"/{name}", "invalid-date", str(error)))
    silent, compared = request.POST.get("silent_days", ""), request.POST.get("compare_with", "")
    if request.POST.get("silent") and not whole(silent):
        problems.append(Problem("/silent_days", "invalid-number", f"Give {SILENT[0]} to {SILENT[1]} days."))
    if problems:
        return None
    try:
        return start_back_test(
            config, segment=tried.segment, name=tried.name, **days, cancelled=bool(request.POST.get("cancelled")),
            draft=tried.draft, author=request.user, silent_days=whole(silent) if request.POST.get("silent") else None,
            compare_with=None if tried.draft is not None else whole(compared) or None,
        )  # fmt: skip
    except DefinitionError as error:
        problems += error.problems
    except NotNow as error:
        problems.append(Problem("", "not-now", str(error)))
    return None


def _form(request: HttpRequest, config: HealthConfig | None, tried: Tried, problems: list[Problem]) -> dict[str, Any]:
    """What was typed, or a year up to yesterday; it begins a month after the first event, not before."""
    given: Any = request.POST if request.POST.get("start") else {}
    last = moment().today - dt.timedelta(days=1)
    seen = DailyUsage.objects.aggregate(first=Min("day"))["first"]
    first = last - YEAR if seen is None else min(max(last - YEAR, seen + MONTH), last - dt.timedelta(days=SHORTEST))
    versions = HealthConfigVersion.objects.filter(config=config, number__lt=config.version if config else 0)
    below = {problem.pointer: problem.message for problem in problems}
    default = HealthConfig.objects.filter(is_default=True, active=True).first() if config is None else None
    return {
        "config": config, "draft": None if tried.draft is None else json.dumps(tried.draft), "problems": problems,
        "wrong": below, "segment": tried.segment, "typed": tried.name, "default": default,
        "name": tried.name or (tried.segment.name if tried.segment else "Default"),
        "first_day": given.get("first_day", first.isoformat()), "last_day": given.get("last_day", last.isoformat()),
        "cancelled": bool(given.get("cancelled")) if given else True, "silent": bool(given.get("silent")),
        "silent_days": given.get("silent_days", USUAL_SILENCE), "compare_with": given.get("compare_with", ""),
        "versions": versions.values_list("number", "reason")[:20], "limits": {"daily": DAILY_UP_TO, "silent": SILENT},
        "seen": seen,
    }  # fmt: skip
