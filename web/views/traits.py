"""Traits: the list of computed fields, and the form that defines one and tries it before it is saved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.fields import Subject, vocabulary
from accounts.fields.properties import property_operators
from accounts.fields.windows import WINDOW_UNITS
from accounts.models import Account
from core.deadline import TooSlow
from core.intake import fold
from core.refusals import Problem
from segments.picker import catalogue
from segments.rule_form import read_form, take_step, without_unset
from segments.rule_view import rule_view
from usage.models import EventName
from usage.traits.computing import PREVIEW_MS, TraitPreview, check_author, compute_for_all, preview_trait
from usage.traits.definitions import METHODS, read_definition
from usage.traits.editing import TraitInUse, delete_trait, save_trait, uses_of_trait
from usage.traits.models import Trait
from usage.traits.reading import TraitError, TraitFailed
from web.filters import reader_for
from web.notices import notify
from web.pages import may_edit_segments, page
from web.trait_form import TraitDraft, fields_offered, read_draft
from web.views.segments import editors_only

MOST_NAMES = 500


@dataclass(frozen=True)
class TraitRow:
    """One line of the list: the trait, and how it is computed in words."""

    trait: Trait
    method: str
    words: str


@login_required
@require_GET
def traits(request: HttpRequest) -> HttpResponse:
    """The list, narrowed by name."""
    wanted, known = fold(request.GET.get("q", "").replace("\x00", "")[:120]), vocabulary()
    found = list(Trait.objects.all())
    rows = [
        TraitRow(item, METHODS[item.method].label if item.method in METHODS else item.method, _words(item, known))
        for item in found
        if wanted in item.name_folded
    ]
    context = {"rows": rows, "total": len(found), "q": request.GET.get("q", ""), "may_edit": may_edit_segments(request)}
    return page(request, "web/traits/page.html", context)


def _words(trait: Trait, known: Any) -> str:
    try:
        return read_definition(trait.subject, trait.method, trait.definition, known).words
    except TraitError as error:
        return str(error)


@login_required
@require_http_methods(["GET", "POST"])
def trait_new(request: HttpRequest) -> HttpResponse:
    """Define a trait; `subject` and `method` choose the form."""
    editors_only(request)
    asked = request.POST if request.method == "POST" else request.GET
    draft = TraitDraft(subject="user" if asked.get("subject") == "user" else "account")
    if asked.get("method") in METHODS:
        draft.method = str(asked.get("method"))
    return _edit(request, None, draft)


@login_required
@require_http_methods(["GET", "POST"])
def trait_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a trait, or read it where one may not."""
    trait = get_object_or_404(Trait, pk=pk)
    if request.method == "POST":
        editors_only(request)
    definition = trait.definition if isinstance(trait.definition, dict) else {}
    draft = TraitDraft(trait.subject, trait.name, trait.description, trait.active, trait.method, definition)
    return _edit(request, trait, draft)


def _edit(request: HttpRequest, trait: Trait | None, draft: TraitDraft) -> HttpResponse:
    found: TraitPreview | None = None
    if request.method == "POST":
        read_draft(request.POST, draft)
        step = request.POST.get("do", "")
        if "rule" in draft.needs:
            _read_rule(request, draft, step)
        if step == "preview":
            found = _previewed(request, draft)
        elif not step:
            saved = _save(request, trait, draft)
            if saved is not None:
                notify(request, f"{saved.name} saved. {saved.values_count:,} values computed.")
                return HttpResponseRedirect(reverse("traits"))
    elif trait is not None and trait.active and _offered(request, trait.method):
        found = _previewed(request, draft)
    known = vocabulary()
    context = {
        "trait": trait, "draft": draft, "preview": found, "failed": bool(draft.errors) and request.method == "POST",
        "methods": [m for m in METHODS.values() if draft.subject in m.subjects and _offered(request, m.key)],
        "comparisons": property_operators(), "units": WINDOW_UNITS, "uses": uses_of_trait(trait) if trait else [],
        "names": EventName.objects.values_list("name", flat=True)[:MOST_NAMES],
        "may_edit": may_edit_segments(request),
        **_builder(request, draft), **fields_offered(known, draft.subject, trait.field_key if trait else ""),
    }  # fmt: skip
    return page(request, "web/traits/edit.html", context, status=422 if context["failed"] else 200)


def _offered(request: HttpRequest, method: str) -> bool:
    """Whether this person may use a method."""
    try:
        check_author(request.user, method)
    except TraitError:
        return False
    return True


def _read_rule(request: HttpRequest, draft: TraitDraft, step: str) -> None:
    """The conditions of the builder, after a step in it if that was asked for."""
    known = vocabulary().about(Subject(draft.subject))
    tree, places = read_form(request.POST, known)
    if step and step not in ("preview", "method"):
        take_step(tree, places, step, known)
    else:
        tree = without_unset(tree)
    draft.definition["rule"] = tree


def _builder(request: HttpRequest, draft: TraitDraft) -> dict[str, Any]:
    """What the rule builder of a trait shows, with the mistakes at their places."""
    if "rule" not in draft.needs:
        return {}
    reader = reader_for(request).about(draft.subject)
    tree = draft.definition.get("rule") or {"match": "all", "rules": []}
    problems = [
        Problem(pointer.removeprefix("/rule"), "invalid", text)
        for pointer, text in draft.errors.items()
        if pointer.startswith("/rule")
    ]
    return {
        "rule": rule_view(tree, reader, problems=problems),
        "catalogue": catalogue(reader, Account.objects.visible_to(request.user)),
        "words": "",
        "subject_elsewhere": True,
    }


def _previewed(request: HttpRequest, draft: TraitDraft) -> TraitPreview | None:
    """What the draft gives now; None if it cannot be computed, which then stands in the draft."""
    try:
        seen = Account.objects.visible_to(request.user)
        return preview_trait(draft.subject, draft.method, draft.definition, visible=seen, author=request.user)
    except TraitError as error:
        draft.errors = {problem.pointer: problem.message for problem in error.problems}
    except TraitFailed as error:
        draft.errors = {"": str(error)}
    except TooSlow:
        draft.errors = {"": f"The computation took longer than {PREVIEW_MS // 1000} s. Narrow it."}
    return None


def _save(request: HttpRequest, trait: Trait | None, draft: TraitDraft) -> Trait | None:
    try:
        return save_trait(
            trait, subject=draft.subject, name=draft.name, description=draft.description, method=draft.method,
            definition=draft.definition, active=draft.active, author=request.user,
        )  # fmt: skip
    except TraitError as error:
        draft.errors = {problem.pointer: problem.message for problem in error.problems}
    except (TraitInUse, TraitFailed) as error:
        draft.errors = {"": str(error)}
    return None


@login_required
@require_POST
def trait_compute(request: HttpRequest, pk: int) -> HttpResponse:
    """Compute a trait now."""
    editors_only(request)
    trait = get_object_or_404(Trait, pk=pk, active=True)
    compute_for_all(trait, redefined=False)
    notify(request, trait.error or f"{trait.name} computed. It has {trait.values_count:,} values.")
    return HttpResponseRedirect(reverse("traits"))


@login_required
@require_POST
def trait_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a trait; refused, with the list of what uses it, while anything does."""
    editors_only(request)
    trait = get_object_or_404(Trait, pk=pk)
    try:
        check_author(request.user, trait.method)
        delete_trait(trait)
    except (TraitInUse, TraitError) as used:
        notify(request, str(used))
        return HttpResponseRedirect(reverse("trait_edit", args=[pk]))
    notify(request, f"{trait.name} deleted.")
    return HttpResponseRedirect(reverse("traits"))
