"""The editor of a playbook: a form by places that works without scripts, step by step where they run."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models import Account, AssignmentRole, AttributeDefinition, TeamMember
from alerts.models import AlertRule, Milestone, Playbook
from alerts.playbooks.definition import SETTABLE
from alerts.playbooks.editing import Coming, save_playbook
from alerts.playbooks.steps import LABELS
from core.intake import BadValue, whole
from core.versions import Stale
from health.definition import DefinitionError
from segments.models import Segment
from segments.picker import catalogue
from segments.questions import Reader
from segments.rule_view import rule_view
from segments.rules.tree import Problem
from web.filters import reader_for
from web.notices import notify
from web.pages import page, part
from web.playbook_form import UNITS, PlaybookDraft, StepDraft, read_draft, take_step
from web.views.segments import editors_only

_STEP = re.compile(r"/definition/steps/(\d+)")


@login_required
@require_http_methods(["GET", "POST"])
def playbook_new(request: HttpRequest) -> HttpResponse:
    """Add a playbook; it begins with one task."""
    editors_only(request)
    draft = PlaybookDraft(steps=[StepDraft(texts={"role": "csm", "due": "2", "due_unit": "working"})])
    draft.number()
    return _edit(request, None, draft)


@login_required
@require_http_methods(["GET", "POST"])
def playbook_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a playbook. Who is in it goes on under the version with which they came in."""
    editors_only(request)
    found = get_object_or_404(Playbook.objects.select_related("segment"), pk=pk)
    return _edit(request, found, PlaybookDraft.stored(found))


def _edit(request: HttpRequest, playbook: Playbook | None, draft: PlaybookDraft) -> HttpResponse:
    reader, problems, stale = reader_for(request), list[Problem](), ""
    if request.method == "POST":
        read_draft(request.POST, draft, reader.vocabulary)
        if step := request.POST.get("do", ""):
            take_step(draft, step, reader.vocabulary)
        else:
            try:
                saved = _save(request, playbook, draft)
            except DefinitionError as error:
                problems = error.problems
            except BadValue as error:
                problems = [Problem("/entry", "invalid-value", str(error))]
            except Stale as error:
                stale, draft.version = str(error), error.current.version
            else:
                notify(request, f"{saved.name} saved, version {saved.version}.")
                return HttpResponseRedirect(reverse("playbook", args=[saved.pk]))
        draft.number()
    context = _context(request, draft, reader, problems) | {"playbook": playbook, "stale": stale}
    return page(request, "web/playbooks/edit.html", context, status=422 if problems or stale else 200)


def _save(request: HttpRequest, playbook: Playbook | None, draft: PlaybookDraft) -> Playbook:
    """Raises DefinitionError, BadValue and Stale."""
    kind, _, key = draft.entry.partition(":")
    segment = Segment.objects.filter(key=key).first() if kind == "segment" else None
    rule = AlertRule.objects.filter(pk=pk).first() if kind == "rule" and (pk := whole(key)) else None
    milestone = Milestone.objects.filter(key=key).first() if kind in ("reached", "overdue") else None
    if kind != "hand" and segment is None and rule is None and milestone is None:
        raise BadValue("What brings accounts in was deleted. Choose something else.")
    days = whole(draft.again_days) or 0
    again = draft.again if draft.again in Playbook.Again.values else Playbook.Again.NEVER
    return save_playbook(
        playbook, name=draft.name, description=draft.description, active=draft.active, definition=draft.definition(),
        coming=Coming(segment, rule, draft.existing, again, min(days, 10_000), milestone, kind == "overdue"),
        author=request.user,
        reason=draft.reason, expected_version=draft.version if playbook else None,
    )  # fmt: skip


def _context(request: HttpRequest, draft: PlaybookDraft, reader: Reader, problems: list[Problem]) -> dict[str, Any]:
    keys = [(one.texts.get("key", ""), one.name) for one in draft.steps]
    steps = [
        {
            "draft": one, "path": one.path, "first": place == 0, "last": place == len(draft.steps) - 1,
            "place": place, "later": [(key, name) for key, name in keys[place + 1 :] if key],
            "messages": [p.message for p in _below(problems, f"/definition/steps/{place}")],
            "rule": rule_view(one.rule, reader, root=f"{one.path}rule", problems=_of(problems, place))
            if one.kind == "branch" else None,
        }
        for place, one in enumerate(draft.steps)
    ]  # fmt: skip
    rules = {
        name: rule_view(tree, reader, root=name, problems=_cut(problems, f"/definition/{name}"))
        for name, tree in draft.rules.items()
    }
    attributes = AttributeDefinition.objects.filter(subject="account", active=True).order_by("name")
    return {
        "draft": draft, "steps": steps, "rules": rules, "kinds": LABELS.items(),
        "catalogue": catalogue(reader, Account.objects.visible_to(request.user)),
        "summary": [(_control(one), one.message) for one in problems], "units": UNITS.items(),
        "roles": AssignmentRole.objects.all(), "again": Playbook.Again.choices,
        "colleagues": TeamMember.objects.filter(user__is_active=True).order_by("name"),
        "fields": [*((name, name.capitalize()) for name in SETTABLE),
                   *((f"custom.{one.key}", one.name) for one in attributes)],
        "segments": Segment.objects.filter(subject=Segment.Subject.ACCOUNT).in_tab_order(),
        "alert_rules": AlertRule.objects.all(), "milestones": _milestones(draft),
    }  # fmt: skip


def _milestones(draft: PlaybookDraft) -> list[Milestone]:
    """Those that are switched on, in their order, and those that the draft names."""
    named = {one.texts.get("done_when") for one in draft.steps} | {draft.entry.partition(":")[2]}
    return [one for one in Milestone.objects.order_by("position", "pk") if one.active or one.key in named]


def _below(problems: Iterable[Problem], at: str) -> list[Problem]:
    """The problems of a step that are none of its rule's conditions, which are told in the builder."""
    return [p for p in problems if (p.pointer == at or p.pointer.startswith(f"{at}/")) and "/rule/" not in p.pointer]


def _of(problems: Iterable[Problem], place: int) -> list[Problem]:
    return _cut(problems, f"/definition/steps/{place}/rule")


def _cut(problems: Iterable[Problem], at: str) -> list[Problem]:
    """The problems of a rule, with pointers into the rule."""
    return [
        Problem(p.pointer.removeprefix(at), p.code, p.message, p.allowed)
        for p in problems
        if p.pointer.startswith(f"{at}/")
    ]


def _control(problem: Problem) -> str:
    """The id of what a problem is about."""
    step = _STEP.match(problem.pointer)
    if step is not None:
        return f"step-s{step[1]}"
    name = problem.pointer.removeprefix("/definition").strip("/").split("/")[0]
    return {
        "goal": "goal-h",
        "exit": "exit-h",
        "steps": "steps-h",
        "segment": "entry",
        "rule": "entry",
        "milestone": "entry",
    }.get(name, name)


@login_required
@require_POST
def playbook_part(request: HttpRequest) -> HttpResponse:
    """One step of editing (`do`): the steps and rules as they are after it."""
    editors_only(request)
    reader, draft = reader_for(request), PlaybookDraft()
    read_draft(request.POST, draft, reader.vocabulary)
    focus = take_step(draft, request.POST.get("do", ""), reader.vocabulary)
    draft.number()
    return part(request, "web/playbooks/_editor.html", _context(request, draft, reader, []) | {"focus": focus})
