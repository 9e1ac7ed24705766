"""The editor of a health config: a form by places that works without scripts, with its live effect where they run."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db import DatabaseError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from accounts.fields import Stage
from accounts.models import Account
from core.deadline import TooSlow, time_limit
from core.intake import BadValue, whole
from core.refusals import Problem
from core.superseding import Superseded
from core.versions import Change, Stale
from health.definition import Definition, DefinitionError, read_definition
from health.editing import save_config
from health.effect import LIMIT_MS, effect_of
from health.models import HealthConfig, HealthConfigVersion
from health.overlap import overlaps
from health.proposing import usable
from health.stock import ready_made
from health.uses import uses_of_config
from health.versions import differences
from segments.models import Segment
from segments.picker import catalogue
from segments.questions import Reader
from segments.stages import stages_of
from web.filters import reader_for
from web.health_editor import EditorView, before_health, editor_view
from web.health_effect import effect_view
from web.health_form import ConfigDraft, DimensionDraft, MeasureDraft, read_draft, same_definition
from web.health_steps import take_step
from web.health_trying import computable
from web.notices import notify
from web.pages import may_edit_segments, page, part
from web.superseding import newest_asked
from web.views.health import dimensions_of
from web.views.segments import editors_only
from web.views.versions import keep_version

SHOWN_STEPS = ("update", "effect")  # without scripts, these show the effect of what was typed
UNASKED = ("required", "empty-group")  # what is not there yet is no mistake until somebody saves
TOO_SLOW = (
    f"The effect was not computed within {LIMIT_MS // 1000} seconds. "
    "Saving works; the scores come with the next scoring."
)


@dataclass
class Editing:
    """One config in the editor: the stored one (None: a new one), the draft, what is wrong, what somebody else did."""

    config: HealthConfig | None
    draft: ConfigDraft
    problems: list[Problem] = field(default_factory=list)
    theirs: HealthConfigVersion | None = None
    their_changes: list[Change] = field(default_factory=list)
    gone: bool = False

    @property
    def failed(self) -> bool:
        """True if a save was asked for and did not happen."""
        return bool(self.problems or self.theirs or self.gone)


@login_required
@require_http_methods(["GET", "POST"])
def config_new(request: HttpRequest) -> HttpResponse:
    """Add a config: from the ready-made one, from another (`from` with its id), or from nothing (`from=empty`)."""
    editors_only(request)
    draft = ConfigDraft()
    source = request.GET.get("from", "")
    original = HealthConfig.objects.filter(pk=pk).first() if (pk := whole(source)) else None
    if source == "empty":
        draft.take({})
        draft.dimensions = [DimensionDraft(name="Product adoption", weight=100, measures=[MeasureDraft()])]
        draft.number()
    else:
        draft.take(original.definition if original else usable(ready_made()[0], reader_for(request)))
        draft.reason = f"Copied from {original.name}" if original else ""
    return _edit(request, Editing(None, draft))


@login_required
@require_http_methods(["GET", "POST"])
def config_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a config, or read it where one may not. One that was deleted meanwhile can be saved as a new one."""
    config = HealthConfig.objects.select_related("segment").filter(pk=pk).first()
    if request.method == "POST":
        editors_only(request)
    elif config is None:
        raise Http404
    elif not may_edit_segments(request):
        reader = reader_for(request)
        context = {"config": config, "dimensions": dimensions_of(config, reader), "may_edit": False}
        return page(request, "web/health/config.html", context)
    draft = ConfigDraft()
    if config is not None:
        draft.name, draft.active, draft.version = config.name, config.active, config.version
        draft.segment = config.segment.key if config.segment else ""
        draft.take(config.definition)
    return _edit(request, Editing(config, draft, gone=config is None))


def _edit(request: HttpRequest, editing: Editing) -> HttpResponse:
    reader = reader_for(request)
    context: dict[str, Any] = {}
    if request.method == "POST":
        read_draft(request.POST, editing.draft, reader.vocabulary)
        step = request.POST.get("do", "")
        if step:
            take_step(editing.draft, step, reader.vocabulary)
            if step in SHOWN_STEPS:
                context = _effect(request, editing, reader)
        elif not editing.gone:
            saved = _save(request, editing, reader)
            if saved is not None:
                return saved
        editing.draft.number()
    context = _context(request, editing, reader, editing.problems) | context
    return page(request, "web/health/edit.html", context, status=422 if editing.failed else 200)


def _segment(editing: Editing) -> tuple[Segment | None, list[Problem]]:
    """The segment that the draft names, and what is wrong with it."""
    draft = editing.draft
    if not draft.segment:
        text = "There is a default config already. Choose a segment."
        return None, [] if _may_be_default(editing.config) else [Problem("/segment", "required", text)]
    found = Segment.objects.filter(key=draft.segment.replace("\x00", "")[:80]).first()
    return found, [] if found else [Problem("/segment", "unknown-segment", "That segment was deleted. Choose another.")]


def _save(request: HttpRequest, editing: Editing, reader: Reader) -> HttpResponse | None:
    """Save; None if something is wrong, which then stands in `editing`."""
    config, draft = editing.config, editing.draft
    segment, editing.problems = _segment(editing)
    definition = draft.definition()
    if config is not None and same_definition(config.definition, definition):
        definition = config.definition
    before = config.version if config else 0
    if editing.problems:
        editing.problems += _read(definition, reader)[1]
        return None
    try:
        saved = save_config(
            config,
            name=draft.name,
            definition=definition,
            segment=segment,
            active=draft.active,
            author=request.user,
            reason=draft.reason,
            expected_version=draft.version if config else None,
        )
    except DefinitionError as error:
        editing.problems = error.problems
    except BadValue as error:
        editing.problems = [Problem("/reason", "invalid-text", str(error))]
    except HealthConfig.DoesNotExist:
        editing.config, editing.gone = None, True
    except Stale as stale:
        current = stale.current
        versions = HealthConfigVersion.objects.filter(config=current).select_related("author__member")
        editing.theirs = versions.first()
        mine = versions.filter(number=draft.version).first()
        editing.their_changes = differences(mine.definition, current.definition, reader) if mine else []
        draft.version = current.version
    else:
        return _saved(request, saved, before)
    return None


def _saved(request: HttpRequest, saved: HealthConfig, before: int) -> HttpResponse:
    back = f"{reverse('health')}?config={saved.pk}"
    if before and saved.version == before:
        notify(request, f"{saved.name} saved. What it measures is the same, so version {before} stays.")
    else:
        token = keep_version(request, "config", saved, back=back) if before else ""
        notify(request, f"{saved.name} saved as version {saved.version}. Every account is being scored.", undo=token)
    return HttpResponseRedirect(back)


def _read(definition: Any, reader: Reader) -> tuple[Definition | None, list[Problem]]:
    try:
        return read_definition(definition, reader), []
    except DefinitionError as error:
        return None, error.problems


def _context(
    request: HttpRequest, editing: Editing, reader: Reader, problems: list[Problem], *, whole: bool = True
) -> dict[str, Any]:
    """What the editor needs; a part of it (`whole` False) has no name, no segments and no versions."""
    editor = editor_view(editing.draft, reader, problems)
    offered = replace(reader, vocabulary=before_health(reader.vocabulary))
    found: dict[str, Any] = {
        "editing": editing, "config": editing.config, "draft": editing.draft, "editor": editor, "may_edit": True,
        "catalogue": catalogue(offered, Account.objects.visible_to(request.user)),
    }  # fmt: skip
    if not whole:
        return found
    config = editing.config
    found |= {"segments": _segments(config, reader), "may_be_default": _may_be_default(config)}
    if config is not None:
        found |= {
            "uses": uses_of_config(config),
            "scored": Account.objects.live().filter(health__config=config).count(),
            "versions": config.versions.select_related("author__member")[:5],
        }
    return found


def _segments(config: HealthConfig | None, reader: Reader) -> list[Segment]:
    """The segments that a config can be of: of accounts, without another config, known before health is."""
    everything = list(Segment.everything.in_tab_order())
    stages = stages_of(everything, reader.vocabulary)
    taken = set(_others(config).values_list("segment_id", flat=True))
    return [
        one for one in everything
        if one.subject == Segment.Subject.ACCOUNT and not one.internal and one.pk not in taken
        and stages[one.key] < Stage.HEALTH
    ]  # fmt: skip


def _others(config: HealthConfig | None) -> QuerySet[HealthConfig]:
    return HealthConfig.objects.exclude(pk=config.pk) if config else HealthConfig.objects.all()


def _may_be_default(config: HealthConfig | None) -> bool:
    return not _others(config).filter(is_default=True).exists()


def _effect(
    request: HttpRequest, editing: Editing, reader: Reader, counting: AbstractContextManager[None] | None = None
) -> dict[str, Any]:
    """The effect of the draft on the accounts that this person may see, or why there is none; rules that overlap are
    added to the problems. All counting is done within `counting`."""
    draft = editing.draft
    segment, problems = _segment(editing)
    data, notes = draft.definition(), list[str]()
    definition, wrong = _read(data, reader)
    editing.problems = [one for one in problems + wrong if one.code not in UNASKED]
    if definition is None and not problems:
        data_left, notes = computable(data, wrong)
        definition = _read(data_left, reader)[0] if data_left else None
    if definition is None or problems:
        return {"effect": None, "why_not": f"It comes when the config is complete. {(problems + wrong)[0].message}"}
    try:
        with counting or nullcontext():
            if any(measure.good_rule for measure in definition.measures) and not wrong:
                with time_limit(LIMIT_MS):
                    editing.problems += overlaps(definition, reader)
            effect = effect_of(
                definition, reader, seen=Account.objects.visible_to(request.user), config=editing.config,
                segment=segment,
            )  # fmt: skip
    except TooSlow:
        return {"effect": None, "why_not": TOO_SLOW}
    except DatabaseError as error:
        return {"effect": None, "why_not": f"The draft cannot be computed: {str(error).splitlines()[0][:200]}."}
    paths = {measure.key: measure.path for one in draft.dimensions for measure in one.measures}
    return {"effect": effect_view(effect, definition, paths), "why_not": "", "notes": notes}


def _posted(request: HttpRequest, reader: Reader) -> Editing:
    """The form as it stands, of the config that it names."""
    known = HealthConfig.objects.select_related("segment")
    config = known.filter(pk=pk).first() if (pk := whole(request.POST.get("config"))) else None
    draft = ConfigDraft()
    read_draft(request.POST, draft, reader.vocabulary)
    return Editing(config, draft)


@login_required
@require_POST
def config_part(request: HttpRequest) -> HttpResponse:
    """One step of editing (`do`): dimensions and measures as they are after it."""
    editors_only(request)
    reader = reader_for(request)
    editing = _posted(request, reader)
    focus = take_step(editing.draft, request.POST.get("do", ""), reader.vocabulary)
    context = _context(request, editing, reader, [], whole=False) | {"focus": focus}
    return part(request, "web/health/_editor.html", context)


@login_required
@require_POST
def config_preview(request: HttpRequest) -> HttpResponse:
    """The effect of the form as it stands, with every mistake in it."""
    editors_only(request)
    reader = reader_for(request)
    editing = _posted(request, reader)
    editing.draft.number()
    try:
        context = _effect(request, editing, reader, newest_asked(request, "health"))
    except Superseded:
        return HttpResponse(status=204)
    editor: EditorView = editor_view(editing.draft, reader, editing.problems)
    context |= {"editing": editing, "config": editing.config, "draft": editing.draft, "editor": editor}
    return part(request, "web/health/_effect_part.html", context)
