"""The segment builder: a form by paths that works without scripts, with a live preview where they run."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from accounts.fields import Subject
from accounts.models import Account
from core.intake import BadValue, NameTaken, whole
from core.superseding import Superseded
from core.versions import Stale
from health.models import Band
from segments.editing import SegmentInUse, save_segment
from segments.impact import knock_on
from segments.limits import PreviewTooSlow
from segments.linting import TITLES, note_preview
from segments.models import Segment, SegmentVersion
from segments.picker import catalogue
from segments.questions import Reader, preview
from segments.rule_form import Tree, read_form, take_step, without_unset
from segments.rule_view import RuleView, rule_view
from segments.rules.tree import RuleError
from segments.uses import uses_of
from web.charts import mix
from web.filters import read_csm, read_node, reader_for
from web.liststate import state_of
from web.pages import may_edit_segments, page, part
from web.superseding import newest_asked
from web.views.explaining import Checked, check_typed
from web.views.segments import editors_only

EMPTY: Tree = {"match": "all", "rules": []}


class Draft:
    """A segment as it stands in the form: its words, its tree, and what is wrong with each."""

    def __init__(self, segment: Segment | None, tree: Tree, subject: Subject) -> None:
        self.segment, self.tree, self.subject = segment, tree, subject
        self.name = segment.name if segment else ""
        self.description = segment.description if segment else ""
        self.visible = segment.visible if segment else True
        self.active = segment.active if segment else True
        self.version = segment.version if segment else 0
        self.reason = ""
        self.errors: dict[str, str] = {}
        self.problems: list[Any] = []
        self.theirs: SegmentVersion | None = None
        self.checked: Checked | None = None

    def read(self, data: QueryDict) -> None:
        """Take over what was typed."""
        self.name, self.description = data.get("name", ""), data.get("description", "")
        self.visible, self.active = data.get("visible") == "1", data.get("active") == "1"
        self.reason = data.get("reason", "")
        version = whole(data.get("version"))
        self.version = self.version if version is None else version


@login_required
@require_http_methods(["GET", "POST"])
def segment_new(request: HttpRequest) -> HttpResponse:
    """Add a segment of accounts or users (`subject`); `from` carries the segment and the filters of a list."""
    editors_only(request)
    return _edit(request, None, _from_list(request))


@login_required
@require_http_methods(["GET", "POST"])
def segment_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a segment, or read it where one may not."""
    segment = get_object_or_404(Segment, pk=pk)
    if request.method == "POST":
        editors_only(request)
    rule = segment.rule if isinstance(segment.rule, dict) and "rules" in segment.rule else dict(EMPTY)
    return _edit(request, segment, rule)


def _subject(request: HttpRequest, segment: Segment | None) -> Subject:
    """What the rule in hand is about: fixed once a segment was saved."""
    said = str(segment.subject) if segment else (request.POST.get("subject") or request.GET.get("subject"))
    return Subject.USER if said == Subject.USER else Subject.ACCOUNT


def _from_list(request: HttpRequest) -> Tree:
    """The list that `from` carries as a rule; in a rule it is a colleague who is the CSM, whoever reads it."""
    state, _ = state_of(QueryDict(request.GET.get("from", "")), "accounts")
    rules: list[Tree] = [{"segment": state.segment, "op": "in"}] if state.segment else []
    for text in state.filters:
        try:
            rules.append(read_node(text))
        except BadValue:
            continue
    if csm := read_csm(request, state, [])[0]:
        rules.append({"field": "team.csm", "op": "is", "value": csm.key})
    return {"match": "all", "rules": rules}


def _edit(request: HttpRequest, segment: Segment | None, tree: Tree) -> HttpResponse:
    draft = Draft(segment, tree, _subject(request, segment))
    reader = reader_for(request).about(draft.subject)
    if request.method == "POST":
        draft.read(request.POST)
        draft.tree, places = read_form(request.POST, reader.vocabulary)
        step = request.POST.get("do", "")
        if step == "check":
            draft.checked = check_typed(request, request.POST, draft.tree, reader)
        elif step:
            take_step(draft.tree, places, step, reader.vocabulary)
        else:
            draft.tree = without_unset(draft.tree)
            saved = _save(request, draft)
            if saved is not None:
                return saved
    return _render(request, draft, reader)


def _save(request: HttpRequest, draft: Draft) -> HttpResponse | None:
    """Save; None if something is wrong, which then stands in the draft."""
    try:
        saved = save_segment(
            draft.segment,
            name=draft.name,
            rule=draft.tree,
            description=draft.description,
            visible=draft.visible,
            active=draft.active,
            author=request.user,
            subject=draft.subject,
            reason=draft.reason,
            expected_version=draft.version if draft.segment else None,
        )
    except RuleError as error:
        draft.problems = error.problems
    except (NameTaken, BadValue) as error:
        draft.errors["name"] = str(error)
    except SegmentInUse as error:
        draft.errors["active"] = str(error)
    except Stale as stale:
        draft.theirs = SegmentVersion.objects.filter(segment=stale.current).select_related("author").first()
        draft.version = stale.current.version
    else:
        return HttpResponseRedirect(f"{reverse('segments')}?segment={saved.pk}&rev={saved.requested_rev}")
    return None


def _render(request: HttpRequest, draft: Draft, reader: Reader) -> HttpResponse:
    may_edit = may_edit_segments(request)
    problems = draft.problems
    if request.method == "GET":
        try:
            reader.read(draft.tree)
        except RuleError as error:
            problems = error.problems
    view = rule_view(draft.tree, reader, problems=problems)
    context = {
        "draft": draft,
        "subject": draft.subject,
        "subjects": Segment.Subject.choices,
        "segment": draft.segment,
        "checked": draft.checked,
        "rule": view,
        "words": _words(reader, draft.tree),
        "catalogue": catalogue(reader, Account.objects.visible_to(request.user)) if may_edit else None,
        "may_edit": may_edit,
        "uses": uses_of(draft.segment) if draft.segment else [],
        "versions": draft.segment.versions.select_related("author")[:10] if draft.segment else [],
        "failed": bool(draft.errors or draft.problems or draft.theirs),
        **_preview(request, reader, draft.tree, draft.segment, view),
    }
    return page(request, "web/builder/page.html", context, status=422 if context["failed"] else 200)


def _words(reader: Reader, tree: Tree) -> str:
    try:
        return reader.read(without_unset(tree)).words
    except RuleError:
        return ""


def _preview(
    request: HttpRequest,
    reader: Reader,
    tree: Tree,
    segment: Segment | None,
    view: RuleView,
    counting: AbstractContextManager[None] | None = None,
) -> dict[str, Any]:
    """What the rule would match now; the counts of single conditions are put at their nodes. All counting is done
    within `counting`."""
    try:
        question = reader.read(tree)
        base = question.members.seen_by(request.user)
        with counting or nullcontext():
            seen = preview(question, base=base, segment=segment)
            knocks = knock_on(segment, question, reader, request.user) if segment else []
            notes = note_preview(question, reader, seen, base, segment)
    except RuleError as error:
        return {"preview": None, "why_not": error.first}
    except PreviewTooSlow:
        return {
            "preview": None,
            "slow": True,
            "why_not": "Still counting after 2 seconds. Saving works; the count comes with the refresh.",
        }
    nodes = view.by_pointer()
    for pointer, number in seen.alone.items():
        if pointer in nodes:
            nodes[pointer].alone = number
    labels = {"trial": "Trial", "onboarding": "Onboarding", "live": "Live", "cancelled": "Cancelled"}
    parts = [(f"stage-{kind}", label, seen.stages.get(kind, 0)) for kind, label in labels.items()]
    bands = [(f"band-{band}", str(label), seen.health.get(str(band), 0)) for band, label in Band.choices]
    scored = any(number for band, _, number in bands if band != f"band-{Band.NONE}")
    return {
        "preview": seen,
        "preview_health": mix(bands) if scored else None,
        "knocks": knocks,
        "notes": [(TITLES[note.code], note.message) for note in notes],
        "preview_mix": mix([*parts, ("none", "No stage", seen.stages.get("", 0))]),
        "share": round(100 * seen.count / seen.total) if seen.total else 0,
    }


@login_required
@require_POST
def segment_preview(request: HttpRequest) -> HttpResponse:
    """The preview of the form as it stands: count, who would join and leave, each condition alone, the words."""
    editors_only(request)
    segment = Segment.objects.filter(pk=pk).first() if (pk := whole(request.POST.get("segment"))) else None
    reader = reader_for(request).about(_subject(request, segment))
    tree, _ = read_form(request.POST, reader.vocabulary, _root(request))
    view = rule_view(tree, reader, root=_root(request), problems=_problems(reader, tree))
    nodes = [node for node in view.by_pointer().values() if node.pointer]
    context: dict[str, Any] = {"words": _words(reader, tree), "rule": view, "segment": segment, "all_nodes": nodes}
    context |= {"may_edit": True, "subject": reader.subject}
    try:
        context |= _preview(request, reader, tree, segment, view, newest_asked(request, "preview"))
    except Superseded:
        return HttpResponse(status=204)
    return part(request, "web/builder/_preview_part.html", context)


def _problems(reader: Reader, tree: Tree) -> list[Any]:
    try:
        reader.read(tree)
    except RuleError as error:
        return error.problems
    return []


def _root(request: HttpRequest) -> str:
    root = request.POST.get("root", "n")
    return root if root.isidentifier() and len(root) < 40 else "n"


@login_required
@require_POST
def rule_part(request: HttpRequest) -> HttpResponse:
    """One step of editing (`do`): the conditions as they are after it. Shared by the dashboard and the admin."""
    editors_only(request)
    reader = reader_for(request).about(_subject(request, None))
    root = _root(request)
    tree, places = read_form(request.POST, reader.vocabulary, root)
    at = take_step(tree, places, request.POST.get("do", ""), reader.vocabulary)
    context = {
        "rule": rule_view(tree, reader, root=root),
        "may_edit": True,
        "catalogue": catalogue(reader, Account.objects.visible_to(request.user)),
        "focus": "-".join([root, *map(str, at)]) if at is not None else "",
    }
    return part(request, "ui/_rule_editor.html", context)
