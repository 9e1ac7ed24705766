"""The wizard that sets health up: for whom, what to look at with limits from the own accounts, and its effect."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.models import Account
from core.deadline import TooSlow
from core.intake import BadValue
from health.audiences import Audience, among, audiences
from health.definition import DefinitionError, read_definition
from health.effect import accounts_of, effect_of
from health.proposing import begin_config, propose, start_for, usable
from health.stock import ReadyMade, ready_made
from segments.questions import Reader
from web.filters import dropped_notice, reader_for
from web.health_start import WizardForm, wizard_form
from web.notices import notify
from web.pages import page
from web.views.segments import editors_only

PARTS = {"start-effect": "web/health/_start_part.html"}
TOO_SLOW = "There are too many accounts to look at here. Take the ready-made config as it is; it can be changed later."


@login_required
@require_http_methods(["GET", "POST"])
def start(request: HttpRequest) -> HttpResponse:
    """First whom the config is for (`for`), then its measures; a POST shows what other limits give, or saves."""
    editors_only(request)
    reader = reader_for(request)
    seen = Account.objects.visible_to(request.user)
    data = request.POST if request.method == "POST" else request.GET
    found = audiences(reader, seen)
    wanted = data.get("for", "")
    audience = next((one for one in found if one.key == wanted), None)
    if audience is None or audience.config is not None:
        if audience is not None or wanted:
            notify(request, _cannot(audience, wanted))
        return page(request, "web/health/start.html", {"groups": _grouped(found), "fresh": found[0].config is None})
    ready = next((one for one in ready_made() if one.key == data.get("start")), start_for(audience))
    if request.method == "POST" and data.get("do") == "ready":
        definition = usable(ready, reader)
        return _save(request, audience, definition, f"Taken ready-made: {ready.name}", None) or _again(audience)
    return _limits(request, audience, ready, reader)


def _grouped(found: list[Audience]) -> list[tuple[str, list[Audience]]]:
    return [(group, list(items)) for group, items in groupby(found, key=lambda one: one.group)]


def _cannot(audience: Audience | None, wanted: str) -> str:
    if audience is None:
        return dropped_notice([wanted[:80]])
    return f"{audience.name} has a health config already. Choose others, or edit it on Health 360."


def _again(audience: Audience) -> HttpResponse:
    return HttpResponseRedirect(f"{reverse('health_start')}?for={audience.key}")


def _limits(request: HttpRequest, audience: Audience, ready: ReadyMade, reader: Reader) -> HttpResponse:
    """Its measures with their limits, and the effect of them; a save that succeeds leads to Health 360."""
    seen = among(audience, reader, Account.objects.visible_to(request.user))
    context: dict[str, Any] = {
        "audience": audience,
        "start": ready,
        "starts": ready_made(),
        "effect": None,
        "why_not": "",
    }
    try:
        proposed = propose(ready.definition, accounts_of(None, audience.segment, seen), reader)
    except (TooSlow, DatabaseError) as error:
        why = TOO_SLOW if isinstance(error, TooSlow) else f"A measure cannot be computed: {_first_line(error)}."
        return page(request, "web/health/start_limits.html", context | {"form": None, "why_not": why})
    form = wizard_form(ready.definition, proposed, request.POST if request.method == "POST" else None)
    if not form.used:
        form.problems.append("Tick at least one measure.")
    if request.method == "POST" and request.POST.get("do") == "save" and not form.faulty:
        reason = f"Limits from {proposed[0].quantiles.total:,} accounts"
        if saved := _save(request, audience, form.definition(), reason, form):
            return saved
    if not form.faulty:
        context |= _effect(form, audience, seen, reader)
    total = proposed[0].quantiles.total if proposed else 0
    failed = request.POST.get("do") == "save" and form.faulty
    context |= {"form": form, "total": total, "failed": failed}
    return page(request, "web/health/start_limits.html", context, parts=PARTS, status=422 if failed else 200)


def _effect(form: WizardForm, audience: Audience, seen: Any, reader: Reader) -> dict[str, Any]:
    """What the form would give these accounts, or why that is not known."""
    try:
        definition = read_definition(form.definition(), reader, lenient=True)
        effect = effect_of(definition, reader, seen=seen, segment=audience.segment)
    except DefinitionError as error:
        form.problems += [problem.message for problem in error.problems]
    except TooSlow:
        return {"why_not": "The effect was not computed in time. Saving works; the scores come with the next scoring."}
    except DatabaseError as error:
        return {"why_not": f"The effect cannot be computed: {_first_line(error)}."}
    else:
        return {"effect": form.show(effect, definition)}
    return {}


def _first_line(error: DatabaseError) -> str:
    return str(error).splitlines()[0][:200]


def _save(
    request: HttpRequest, audience: Audience, definition: dict[str, Any], reason: str, form: WizardForm | None
) -> HttpResponse | None:
    """Save the config as version 1; None if it cannot be, with the reasons in the form or as a notice."""
    try:
        saved = begin_config(audience, definition, author=request.user, reason=reason)
    except (DefinitionError, BadValue) as error:
        messages = [one.message for one in error.problems] if isinstance(error, DefinitionError) else [str(error)]
        if form is None:
            notify(request, f"Not saved. {' '.join(messages)}")
        else:
            form.problems += messages
        return None
    notify(request, f"{saved.name} saved as version {saved.version}. Every account is being scored.")
    return HttpResponseRedirect(f"{reverse('health')}?config={saved.pk}")
