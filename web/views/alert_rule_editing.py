"""The editor of an alert rule: a form that works without scripts, with a live preview where they run."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from accounts.fields import Stage
from accounts.models import Account, AssignmentRole, TeamMember
from alerts.consequences import consequences_of, free_playbooks, save_consequences, shared_channels
from alerts.definition import Definition
from alerts.editing import save_alert_rule
from alerts.messages import sayable
from alerts.models import AlertReplay, AlertRule
from alerts.models.alert import Severity
from alerts.replaying.running import start_replay
from core.intake import BadValue, NameTaken, whole
from core.reports import cancel_report
from core.superseding import Superseded
from core.versions import Stale
from core.working import NotNow
from segments.models import Segment
from segments.picker import catalogue
from segments.questions import Reader
from segments.rule_view import RuleView, rule_view
from segments.rules.tree import RuleError
from web.alert_replay_view import replay_view
from web.alert_rule_effect import rule_effect
from web.alert_rule_form import ROOTS, TYPES, RuleDraft
from web.filters import reader_for
from web.notices import notify
from web.pages import may_edit_segments, page, part
from web.superseding import newest_asked
from web.views.segments import editors_only

GONE = "This rule was deleted meanwhile. What you typed is below and not lost; saving makes a new rule of it."
UNASKED = ("required", "empty-group")  # what is not there yet is no mistake until somebody saves


@login_required
@require_http_methods(["GET", "POST"])
def alert_rule_new(request: HttpRequest) -> HttpResponse:
    """Add an alert rule; `segment` names the one to aim at."""
    editors_only(request)
    draft = RuleDraft()
    if Segment.objects.filter(key=request.GET.get("segment", "").replace("\x00", "")[:80]).exists():
        draft.segments = [request.GET["segment"]]
    if not AssignmentRole.objects.filter(key=draft.role).exists():
        draft.role = ""
    replay = _replay_named(request)
    if replay is not None:
        draft.say(replay.definition)
    return _edit(request, draft)


@login_required
@require_http_methods(["GET", "POST"])
def alert_rule(request: HttpRequest, pk: int) -> HttpResponse:
    """Change an alert rule, or read it where one may not."""
    rows = AlertRule.objects.select_related("watch", "clear_watch", "fallback", "role")
    rule = rows.prefetch_related("segments", "round_robin").filter(pk=pk).first()
    if request.method == "POST":
        editors_only(request)
        if rule is None:
            return _edit(request, RuleDraft(errors={"general": GONE}))
    elif rule is None:
        raise Http404
    elif not may_edit_segments(request):
        reader, draft = reader_for(request), RuleDraft.stored(rule)
        views = {root: rule_view(draft.trees[root], reader, root=root) for root in ROOTS}
        context = {"rule": rule, "views": views, "open_now": rule.alerts.filter(ended_at=None).count(),
                   "follows": consequences_of(rule)}  # fmt: skip
        return page(request, "web/alerts/rule.html", context)
    return _edit(request, RuleDraft.stored(rule))


def _edit(request: HttpRequest, draft: RuleDraft) -> HttpResponse:
    reader = reader_for(request)
    replay = _replay_named(request)
    if request.method == "POST":
        draft.take(request.POST, reader.vocabulary)
        step = request.POST.get("do", "")
        if step == "insert":
            draft.insert(request.POST.get("said", ""))
        elif step == "replay":
            replay = _start(request, draft, reader) or replay
        elif step == "cancel" and replay is not None:
            with suppress(NotNow):
                cancel_report(replay)
            replay.refresh_from_db()
        elif step:
            draft.step(step, reader.vocabulary)
        elif not draft.failed and (saved := _save(request, draft, reader)):
            return saved
    failed = draft.failed
    context = _context(request, draft, reader, replay) | {"failed": failed}
    return page(request, "web/alerts/edit.html", context, status=422 if failed else 200)


def _save(request: HttpRequest, draft: RuleDraft, reader: Reader) -> HttpResponse | None:
    """Save; None if something is wrong, which then stands in the draft."""
    draft.wording()
    values, definition = draft.values(), draft.definition(reader)
    follow, task = draft.consequences()
    if definition is None or draft.failed:
        return None
    before = draft.rule.version if draft.rule else 0
    try:
        with transaction.atomic():
            saved = save_alert_rule(
                draft.rule,
                author=request.user,
                expected_version=draft.version if draft.rule else None,
                **values,
                **(definition.data() | {"segments": definition.segments}),
            )
            save_consequences(saved, follow, task=task, author=request.user)
    except RuleError as error:
        draft.problems = error.problems
    except NameTaken as error:
        draft.errors["name"] = str(error)
    except BadValue as error:
        draft.errors["general"] = str(error)
    except AlertRule.DoesNotExist:
        draft.rule, draft.errors["general"] = None, GONE
    except Stale as stale:
        draft.theirs = stale.current.versions.select_related("author__member").first()
        draft.version = stale.current.version
    else:
        notify(request, _saved(saved, before))
        return HttpResponseRedirect(f"{reverse('alert_rules')}#rule-{saved.pk}")
    return None


def _saved(rule: AlertRule, before: int) -> str:
    if before and rule.version == before:
        return f"{rule.name} saved. What it asks is the same, so version {before} stays."
    then = "Accounts for which it holds already get one too." if rule.include_existing else "It watches from now on."
    return f"{rule.name} saved as version {rule.version}. {then if rule.active else 'It is off.'}"


def _context(
    request: HttpRequest, draft: RuleDraft, reader: Reader, replay: AlertReplay | None, *, whole: bool = True
) -> dict[str, Any]:
    """What the editor needs; a part of it (`whole` False) has only the conditions."""
    views = _views(draft, reader)
    found: dict[str, Any] = {
        "draft": draft, "rule": draft.rule, "condition": views["n"], "clear": views["c"], "may_edit": True,
        "catalogue": catalogue(_offered(reader), Account.objects.visible_to(request.user)),
    }  # fmt: skip
    if not whole:
        return found
    members = TeamMember.objects.filter(user__is_active=True).order_by("name")
    found |= {
        "types": _types(), "severities": Severity.choices, "refires": AlertRule.Refire.choices,
        "segments": Segment.objects.filter(subject=Segment.Subject.ACCOUNT, active=True).in_tab_order(),
        "roles": AssignmentRole.objects.all(), "members": members, "sayable": sayable(reader.vocabulary),
        "channels": shared_channels(), "playbooks": free_playbooks(draft.rule),
        "versions": draft.rule.versions.select_related("author__member")[:5] if draft.rule else [],
    }  # fmt: skip
    found |= _effect(request, draft, reader, views, replay)
    return found


def _types() -> list[str]:
    own = AlertRule.objects.order_by("type").values_list("type", flat=True).distinct()
    return list(dict.fromkeys([*TYPES, *own]))


def _offered(reader: Reader) -> Reader:
    """Without what is only known after alerts are raised."""
    return replace(reader, vocabulary=reader.vocabulary.only(lambda one: one.stage < Stage.ALERTS))


def _views(draft: RuleDraft, reader: Reader) -> dict[str, RuleView]:
    return {root: rule_view(draft.trees[root], reader, root=root, problems=draft.problems_of(root)) for root in ROOTS}


def _effect(
    request: HttpRequest,
    draft: RuleDraft,
    reader: Reader,
    views: dict[str, RuleView],
    replay: AlertReplay | None,
    counting: AbstractContextManager[None] | None = None,
) -> dict[str, Any]:
    """What the draft would do now, and the newest replay of it. All counting is done within `counting`."""
    asked = draft if draft.failed else _copy(draft)
    definition = asked.definition(reader)
    found: dict[str, Any] = {"replay": replay_view(replay, definition, draft, request.user) if replay else None}
    if definition is None:
        why_not = f"It comes when the rule is complete. {next(iter(asked.messages()))}"
        return found | {"effect": None, "why_not": why_not}
    with counting or nullcontext():
        return found | rule_effect(draft, definition, reader, request.user, views["n"])


def _copy(draft: RuleDraft) -> RuleDraft:
    """To be judged without marking mistakes in the form."""
    return replace(draft, errors={}, problems=[], segments=list(draft.segments))


def _posted(request: HttpRequest, reader: Reader) -> RuleDraft:
    """The form as it stands, of the rule that it names."""
    known = AlertRule.objects.select_related("watch", "clear_watch")
    draft = RuleDraft(known.filter(pk=pk).first() if (pk := whole(request.POST.get("rule"))) else None)
    draft.take(request.POST, reader.vocabulary)
    return draft


@login_required
@require_POST
def alert_rule_part(request: HttpRequest) -> HttpResponse:
    """One step of editing (`do`): both conditions as they are after it."""
    editors_only(request)
    reader = reader_for(request)
    draft = _posted(request, reader)
    focus = draft.step(request.POST.get("do", ""), reader.vocabulary)
    context = _context(request, draft, reader, None, whole=False) | {"focus": focus}
    return part(request, "web/alerts/_conditions.html", context)


@login_required
@require_POST
def alert_rule_preview(request: HttpRequest) -> HttpResponse:
    """The effect of the form as it stands, with the mistakes of its conditions."""
    editors_only(request)
    reader = reader_for(request)
    draft = _posted(request, reader)
    judged = _copy(draft)
    judged.definition(reader)
    draft.problems = [one for one in judged.problems if one.code not in UNASKED]
    views = _views(draft, reader)
    draft.problems = []
    nodes = [node for view in views.values() for node in view.by_pointer().values() if node.pointer]
    context = {"draft": draft, "rule": draft.rule, "nodes": nodes, "may_edit": True, "live": True}
    try:
        context |= _effect(request, draft, reader, views, _replay_named(request), newest_asked(request, "alerts"))
    except Superseded:
        return HttpResponse(status=204)
    return part(request, "web/alerts/_effect_part.html", context)


@login_required
@require_POST
def alert_rule_replay(request: HttpRequest) -> HttpResponse:
    """Start a replay of the form as it stands; the part of the page that shows how far it is."""
    editors_only(request)
    reader = reader_for(request)
    draft = _posted(request, reader)
    replay = _start(request, draft, reader)
    context: dict[str, Any] = {"draft": draft, "rule": draft.rule, "why_no_replay": " ".join(draft.messages())}
    if replay is not None:
        context["replay"] = replay_view(replay, None, draft, request.user)
    return part(request, "web/alerts/_replay.html", context)


def _start(request: HttpRequest, draft: RuleDraft, reader: Reader) -> AlertReplay | None:
    definition: Definition | None = draft.definition(reader)
    if definition is None:
        return None
    try:
        existing = draft.include_existing
        return start_replay(definition, rule=draft.rule, include_existing=existing, author=request.user)
    except NotNow as error:
        draft.errors["replay"] = str(error)
    return None


def _replay_named(request: HttpRequest) -> AlertReplay | None:
    """The replay of one's own that the form, or the address, names."""
    pk = whole(request.POST.get("replay") or request.GET.get("replay"))
    return AlertReplay.objects.filter(pk=pk, author=request.user.pk).first() if pk else None
