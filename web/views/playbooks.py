"""Playbooks: the list, one with its steps and the accounts in it, and what is done to it and to one account's way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from accounts.models import Account
from alerts.models import Enrolment, Playbook
from alerts.playbooks.definition import known_names, read_definition
from alerts.playbooks.editing import delete_playbook, set_playbook_active
from alerts.playbooks.enrolling import enrol_by_hand
from alerts.playbooks.signing import keys_for
from alerts.playbooks.steps import Definition, WebhookStep
from alerts.playbooks.stopping import go_on, stop_enrolments
from core.api.access import is_administrator
from core.intake import BadValue, whole
from health.definition import DefinitionError
from segments.questions import Reader
from web.filters import reader_for
from web.notices import notify
from web.pages import may_change_accounts, may_edit_segments, page, page_number
from web.views.explaining import find_typed

State = Enrolment.State
A_PAGE, LAST_PAGE = 50, 200
SHOWN = {"": "In it", "over": "Over", "failed": "Failed"}


@login_required
@require_GET
def playbooks(request: HttpRequest) -> HttpResponse:
    """All of them, with how many accounts are in each and how they came out of it."""
    seen = Q(enrolments__account__in=Account.objects.visible_to(request.user).order_by())
    rows = (
        Playbook.objects.select_related("segment", "rule", "milestone")
        .prefetch_related("versions")
        .annotate(
            running=Count("enrolments", filter=seen & Q(enrolments__state=State.RUNNING)),
            finished=Count("enrolments", filter=seen & Q(enrolments__state=State.FINISHED)),
            reached=Count("enrolments", filter=seen & Q(enrolments__state=State.GOAL)),
            failed=Count("enrolments", filter=seen & Q(enrolments__state=State.FAILED)),
        )
    )
    return page(request, "web/playbooks/list.html", {"rows": rows, "may_edit": may_edit_segments(request)})


@login_required
@require_GET
def playbook(request: HttpRequest, pk: int) -> HttpResponse:
    """One, in words, with the accounts in it (`show`), and one of those in full (`enrolment`)."""
    found = get_object_or_404(Playbook.objects.select_related("segment", "rule", "milestone"), pk=pk)
    definition, problem = _read(found.definition, reader_for(request))
    names = known_names()
    rows = _seen(request).filter(playbook=found)
    show = request.GET.get("show", "")
    show = show if show in SHOWN else ""
    counts = rows.order_by().aggregate(
        running=Count("pk", filter=Q(state=State.RUNNING)), failed=Count("pk", filter=Q(state=State.FAILED))
    )  # fmt: skip
    ways = {"": Q(state=State.RUNNING), "failed": Q(state=State.FAILED), "over": ~Q(state=State.RUNNING)}
    number = page_number(request.GET.get("page"), LAST_PAGE)
    start = (number - 1) * A_PAGE
    shown = list(rows.filter(ways[show])[start : start + A_PAGE + 1])
    chosen = rows.filter(pk=asked).first() if (asked := whole(request.GET.get("enrolment"))) else None
    context = {
        "playbook": found, "definition": definition,
        "steps": [(step.key, step.words(names)) for step in definition.steps],
        "problem": found.error or problem, "show": show, "signing": _signing(request, definition),
        "tabs": [("", SHOWN[""], counts["running"]), ("over", SHOWN["over"], None), ("failed", SHOWN["failed"],
                 counts["failed"])],
        "rows": shown[:A_PAGE], "chosen": chosen, "previous": number - 1,
        "next": number + 1 if len(shown) > A_PAGE and number < LAST_PAGE else 0,
        "runs": chosen.runs.select_related("task__assignee") if chosen else [],
        "versions": found.versions.select_related("author__member")[:5],
        "may_edit": may_edit_segments(request), "may_change": may_change_accounts(request),
        "here": request.get_full_path(),
    }  # fmt: skip
    return page(request, "web/playbooks/playbook.html", context)


def _signing(request: HttpRequest, definition: Definition) -> list[tuple[str, str]]:
    """The steps that call a webhook, each with the key that signs for its address; for administrators only."""
    if not is_administrator(request.user):
        return []
    return [(step.key, keys_for(step.url)[0]) for step in definition.steps if isinstance(step, WebhookStep)]


def _seen(request: HttpRequest) -> Any:
    seen = Account.objects.visible_to(request.user).order_by()
    return Enrolment.objects.filter(account__in=seen).select_related("account", "version")


def _read(data: Any, reader: Reader) -> tuple[Definition, str]:
    try:
        return read_definition(data, reader), ""
    except DefinitionError as error:
        return Definition(), error.first


@login_required
@require_POST
def playbook_do(request: HttpRequest, pk: int) -> HttpResponse:
    """Switch it on or off, or delete it (administrators and managers), or bring an account in (colleagues)."""
    found = get_object_or_404(Playbook, pk=pk)
    do = request.POST.get("do", "")
    if not (may_change_accounts(request) if do == "enrol" else may_edit_segments(request)):
        raise PermissionDenied
    try:
        said = _WAYS.get(do, _nothing)(request, found)
    except BadValue as error:
        said = str(error)
    notify(request, said)
    return HttpResponseRedirect(reverse("playbooks") if do == "delete" else reverse("playbook", args=[pk]))


def _on(request: HttpRequest, found: Playbook) -> str:
    set_playbook_active(found, True)
    return f"{found.name} is on. Who is in it goes on."


def _off(request: HttpRequest, found: Playbook) -> str:
    set_playbook_active(found, False)
    return f"{found.name} is off. Nobody comes in, and who is in it stands still."


def _enrol(request: HttpRequest, found: Playbook) -> str:
    typed = request.POST.get("account", "")
    if not typed.strip():
        raise BadValue("Type the name of the account that is to come in.")
    account = find_typed(Account.objects.visible_to(request.user), typed)
    came = enrol_by_hand(found, [account], by=request.user)
    return f"{account} is in {found.name} now." if came else f"{account} is in {found.name} already."


def _delete(request: HttpRequest, found: Playbook) -> str:
    delete_playbook(found)
    return f"{found.name} deleted with its history. The tasks that it made stay."


def _nothing(request: HttpRequest, found: Playbook) -> str:
    raise BadValue("Nothing was asked for. Press one of the buttons.")


_WAYS: dict[str, Callable[[HttpRequest, Playbook], str]] = {
    "on": _on, "off": _off, "enrol": _enrol, "delete": _delete,
}  # fmt: skip


@login_required
@require_POST
def enrolment_do(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop one account's way through a playbook, or let it go on."""
    if not may_change_accounts(request):
        raise PermissionDenied
    found = get_object_or_404(_seen(request).select_related("playbook", "account"), pk=pk)
    try:
        if request.POST.get("do") == "resume":
            go_on(found)
            said = f"{found.account} goes on in {found.playbook}."
        else:
            stopped = stop_enrolments([found])
            said = f"Stopped for {found.account}; its open tasks are skipped." if stopped else "It is over already."
    except BadValue as error:
        said = str(error)
    notify(request, said)
    return HttpResponseRedirect(f"{reverse('playbook', args=[found.playbook_id])}?enrolment={pk}")
