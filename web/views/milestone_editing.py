"""The editor of a milestone: a form that works without scripts, with a live preview where they run."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from accounts.fields import Stage
from accounts.models import Account
from alerts.milestones.backfilling import asks_events_only
from alerts.milestones.editing import (
    MilestoneInUse,
    delete_milestone,
    move_milestone,
    save_milestone,
    uses_of_milestone,
)  # fmt: skip
from alerts.milestones.previewing import preview_milestone
from alerts.milestones.progress import progress_of, times_by_segment
from alerts.milestones.starting import dates_to_count_from
from alerts.models import Milestone
from core.intake import BadValue, NameTaken
from core.refusals import Problem
from core.superseding import Superseded
from core.versions import Stale
from segments.limits import PreviewTooSlow
from segments.models import Segment
from segments.picker import catalogue
from segments.questions import Reader, preview
from segments.rule_form import read_form, take_step, without_unset
from segments.rule_view import RuleView, rule_view
from segments.rules.tree import RuleError
from web.filters import reader_for
from web.milestones import MilestoneDraft
from web.notices import notify
from web.pages import may_edit_segments, page, part
from web.superseding import newest_asked
from web.undo import inverse, keep_inverse
from web.views.segments import editors_only


@login_required
@require_http_methods(["GET", "POST"])
def milestone_new(request: HttpRequest) -> HttpResponse:
    """Add a milestone."""
    editors_only(request)
    return _edit(request, MilestoneDraft())


@login_required
@require_http_methods(["GET", "POST"])
def milestone_edit(request: HttpRequest, key: str) -> HttpResponse:
    """Change a milestone, or read it where one may not."""
    milestone = get_object_or_404(Milestone.objects.select_related("watch"), key=key)
    if request.method == "POST":
        editors_only(request)
    return _edit(request, MilestoneDraft.of(milestone))


def reader_before(request: HttpRequest) -> Reader:
    """What a milestone's condition is read against: fields that are known before milestones are reached."""
    reader = reader_for(request)
    known = reader.vocabulary.only(lambda one: one.stage < Stage.MILESTONES)
    return Reader(known, reader.moment, reader.segments, reader.currency, reader.me, reader.subjects)


def _edit(request: HttpRequest, draft: MilestoneDraft) -> HttpResponse:
    reader = reader_before(request)
    if request.method == "POST":
        draft.read(request.POST)
        draft.tree, places = read_form(request.POST, reader.vocabulary)
        if step := request.POST.get("do", ""):
            take_step(draft.tree, places, step, reader.vocabulary)
        else:
            draft.tree = without_unset(draft.tree)
            saved = _save(request, draft)
            if saved is not None:
                notify(request, f"{saved.name} saved. Its accounts are being looked at.")
                return HttpResponseRedirect(f"{reverse('milestones')}?view=setup")
    return _render(request, draft, reader)


def _save(request: HttpRequest, draft: MilestoneDraft) -> Milestone | None:
    """Save; None if something is wrong, which then stands in the draft."""
    expected = draft.expected
    if expected is None:
        return None
    try:
        return save_milestone(
            draft.milestone, name=draft.name, condition=draft.tree, description=draft.description,
            segments=draft.targets(), expected=expected, sticky=draft.sticky, active=draft.active,
            author=request.user, reason=draft.reason, expected_version=draft.version if draft.milestone else None,
        )  # fmt: skip
    except RuleError as error:
        for problem in error.problems:
            if problem.pointer.startswith("/segments"):
                draft.errors["segments"] = problem.message
            else:
                at = problem.pointer.removeprefix("/condition")
                draft.problems.append(Problem(at, problem.code, problem.message, problem.allowed))
    except NameTaken as error:
        draft.errors["name"] = str(error)
    except BadValue as error:
        draft.errors["name" if not draft.name.strip() else "days"] = str(error)
    except Stale as stale:
        draft.theirs = stale.current.versions.select_related("author__member").first()
        draft.version = stale.current.version
    return None


def _render(request: HttpRequest, draft: MilestoneDraft, reader: Reader) -> HttpResponse:
    milestone, may_edit = draft.milestone, may_edit_segments(request)
    problems = draft.problems
    if request.method == "GET" and milestone is not None:
        problems = _problems(reader, draft)
    view = rule_view(draft.tree, reader, problems=problems)
    seen = Account.objects.visible_to(request.user)
    dates = sorted(dates_to_count_from(reader.vocabulary).values(), key=lambda one: one.label.lower())
    context = {
        "draft": draft, "milestone": milestone, "rule": view, "words": _words(reader, draft),
        "catalogue": catalogue(reader, seen) if may_edit else None, "may_edit": may_edit, "dates": dates,
        "starts": Milestone.Start.choices, "segments": Segment.objects.filter(subject="account").in_tab_order(),
        "failed": bool(draft.errors or draft.problems or draft.theirs),
        "uses": uses_of_milestone(milestone) if milestone else [],
        "versions": milestone.versions.select_related("author__member")[:10] if milestone else [],
        "times": times_by_segment(milestone, seen) if milestone else [],
        "progress": progress_of([milestone], seen)[0] if milestone else None,
        **_preview(request, reader, draft, view),
    }  # fmt: skip
    return page(request, "web/milestones/edit.html", context, status=422 if context["failed"] else 200)


def _words(reader: Reader, draft: MilestoneDraft) -> str:
    try:
        return reader.read(without_unset(draft.tree)).words
    except RuleError:
        return ""


def _problems(reader: Reader, draft: MilestoneDraft) -> list[Problem]:
    try:
        reader.read(draft.tree)
    except RuleError as error:
        return error.problems
    return []


def _preview(
    request: HttpRequest, reader: Reader, draft: MilestoneDraft, view: RuleView,
    counting: AbstractContextManager[None] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """How many accounts would have reached it, be pending, be overdue; what each condition matches alone is put at its
    node."""
    expected = draft.expected
    if expected is None:
        return {"preview": None, "why_not": draft.errors["days"]}
    as_saved = Milestone(
        pk=draft.milestone.pk if draft.milestone else None, start=expected.start, start_field=expected.field,
        expected_days=expected.days, sticky=draft.sticky,
    )  # fmt: skip
    try:
        question = reader.read(draft.tree)
        if not question.rule.rules:
            return {"preview": None, "why_not": "Add a condition to see who has reached it."}
        seen = Account.objects.visible_to(request.user)
        with counting or nullcontext():
            found = preview_milestone(as_saved, draft.targets(), question, seen, reader.moment)
            alone = preview(question, base=seen).alone
    except RuleError as error:
        return {"preview": None, "why_not": error.first}
    except PreviewTooSlow:
        text = "Still counting after 2 seconds. Saving works; the counts come with the refresh."
        return {"preview": None, "why_not": text}
    nodes = view.by_pointer()
    for pointer, number in alone.items():
        if pointer in nodes:
            nodes[pointer].alone = number
    return {"preview": found, "events_only": asks_events_only(draft.tree, reader)}


@login_required
@require_POST
def milestone_preview(request: HttpRequest) -> HttpResponse:
    """The preview of the form as it stands."""
    editors_only(request)
    milestone = Milestone.objects.filter(key=request.POST.get("milestone", "")[:60].replace("\x00", "")).first()
    draft, reader = MilestoneDraft.of(milestone) if milestone else MilestoneDraft(), reader_before(request)
    draft.read(request.POST)
    draft.tree, _ = read_form(request.POST, reader.vocabulary)
    view = rule_view(draft.tree, reader, problems=_problems(reader, draft))
    nodes = [node for node in view.by_pointer().values() if node.pointer]
    context = {"words": _words(reader, draft), "rule": view, "all_nodes": nodes, "draft": draft}
    try:
        context |= _preview(request, reader, draft, view, newest_asked(request, "preview"))
    except Superseded:
        return HttpResponse(status=204)
    return part(request, "web/milestones/_preview_part.html", context)


@login_required
@require_POST
def milestone_move(request: HttpRequest, key: str) -> HttpResponse:
    """Move a milestone up or down."""
    editors_only(request)
    milestone, back = get_object_or_404(Milestone, key=key), f"{reverse('milestones')}?view=setup"
    earlier = Q(position__lt=milestone.position) | Q(position=milestone.position, pk__lt=milestone.pk)
    was = Milestone.objects.filter(earlier).count() + 1
    place = move_milestone(milestone, {"-1": -1, "1": 1}.get(request.POST.get("dir", ""), 0))
    token = ""
    if place != was:
        token = keep_inverse(request, "milestone-move", {"key": key, "by": was - place}, back=back)
    notify(request, f"{milestone} moved to place {place}.", undo=token)
    return HttpResponseRedirect(back)


@inverse("milestone-move")
def _move_back(request: HttpRequest, data: dict[str, Any]) -> str:
    milestone = Milestone.objects.filter(key=data["key"]).first()
    if milestone is None:
        return "The milestone was deleted."
    return f"{milestone} moved to place {move_milestone(milestone, data['by'])}."


@login_required
@require_POST
def milestone_delete(request: HttpRequest, key: str) -> HttpResponse:
    """Delete a milestone; refused, with the list of what uses it, while anything does."""
    editors_only(request)
    milestone = get_object_or_404(Milestone, key=key)
    try:
        delete_milestone(milestone)
    except MilestoneInUse as used:
        notify(request, str(used))
        return HttpResponseRedirect(reverse("milestone_edit", args=[key]))
    notify(request, f"{milestone.name} deleted.")
    return HttpResponseRedirect(f"{reverse('milestones')}?view=setup")
