"""Privacy: find a person or an account, see what is held, export it, erase it, read the logs. Administrators only."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from accounts.models import Account, DataExport, EndUser, Erasure
from accounts.privacy.downloading import download
from accounts.privacy.erasing import NothingHeld, lift, plan_erasure, request_erasure, unknown_keys
from accounts.privacy.exporting import KEPT, request_export
from accounts.privacy.holdings import USER
from core.api.access import is_administrator
from core.intake import BadValue, clean_text, fold, unaccented
from web.notices import notify
from web.pages import page

FOUND, SHOWN = 20, 50
PARTS = {"privacy-log": "web/privacy/_log.html"}


def administrators_only(request: HttpRequest) -> None:
    """Personal data is handed out and erased by administrators."""
    if not is_administrator(request.user):
        raise PermissionDenied


@login_required
@require_GET
def privacy(request: HttpRequest) -> HttpResponse:
    """The search and the logs."""
    administrators_only(request)
    try:
        text = clean_text(request.GET.get("q", ""), 255)
    except BadValue:
        text = ""
    running = Erasure.objects.exclude(state=Erasure.State.DONE).exists()
    waiting = DataExport.objects.filter(state=DataExport.State.WAITING).exists()
    context = {
        "q": text,
        "people": _found(EndUser.objects.all(), text),
        "accounts": _found(Account.objects.all(), text),
        "erasures": Erasure.objects.all()[:SHOWN],
        "exports": DataExport.objects.all()[:SHOWN],
        "shown": SHOWN,
        "busy": running or waiting,
        "unknown_keys": bool(unknown_keys()),
        "kept_days": KEPT.days,
    }
    return page(request, "web/privacy/page.html", context, parts=PARTS)


def _found(rows: QuerySet[Any], text: str) -> list[Any]:
    """Who has this id or e-mail, then whose name begins with it."""
    if not text:
        return []
    exact = rows.filter(external_id=text) | rows.filter(folded__email=fold(text))
    named = rows.filter(name_folded__startswith=unaccented(text)).order_by("name_folded", "pk")
    found = {row.pk: row for row in [*exact[:FOUND], *named[:FOUND]]}
    return list(found.values())[:FOUND]


def _subject(kind: str, pk: int) -> Any:
    if kind not in ("user", "account"):
        raise Http404
    model: Any = EndUser if kind == USER else Account
    return get_object_or_404(model, pk=pk)


@login_required
@require_GET
def privacy_subject(request: HttpRequest, kind: str, pk: int) -> HttpResponse:
    """What is held about one, by kind, with the ways to export and to erase it."""
    administrators_only(request)
    return _show(request, kind, _subject(kind, pk))


def _show(request: HttpRequest, kind: str, row: Any, problem: str = "") -> HttpResponse:
    plan = plan_erasure(kind, row.external_id)
    context = {
        "kind": kind, "row": row, "plan": plan, "problem": problem, "kept_days": KEPT.days,
        "home": row.relationships.open().select_related("account")[:FOUND] if kind == USER else [],
    }  # fmt: skip
    return page(request, "web/privacy/subject.html", context, status=422 if problem else 200)


@login_required
@require_POST
def privacy_erase(request: HttpRequest, kind: str, pk: int) -> HttpResponse:
    """Erase, if the id was typed as it is."""
    administrators_only(request)
    row = _subject(kind, pk)
    if request.POST.get("typed", "").strip() != row.external_id:
        return _show(request, kind, row, f"Type the id as it is, “{row.external_id}”, to erase. Nothing was erased.")
    by = request.user.get_username()  # type: ignore[union-attr]
    try:
        request_erasure(kind, row.external_id, by=by, with_users=request.POST.get("with_users") == "1")
    except NothingHeld as error:
        notify(request, str(error))
    else:
        notify(request, f"The {kind} is being erased. The log below says how far it is.")
    return HttpResponseRedirect(reverse("privacy"))


@login_required
@require_POST
def privacy_export(request: HttpRequest, kind: str, pk: int) -> HttpResponse:
    """Make a file of all that is held."""
    administrators_only(request)
    by = request.user.get_username()  # type: ignore[union-attr]
    made = request_export(kind, _subject(kind, pk).external_id, by=by)
    ready = made.state == DataExport.State.READY
    notify(request, "The export is ready below." if ready else "The export is being made. It appears below.")
    return HttpResponseRedirect(f"{reverse('privacy')}#exports-h")


@login_required
@require_GET
def privacy_file(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Download an export."""
    administrators_only(request)
    answer = download(get_object_or_404(DataExport, pk=pk))
    if answer is None:
        notify(request, "The file of this export is not there any more. Make a new one.")
        return HttpResponseRedirect(reverse("privacy"))
    return answer


@login_required
@require_POST
def privacy_lift(request: HttpRequest, pk: int) -> HttpResponse:
    """Take messages about an erased id again."""
    administrators_only(request)
    by = request.user.get_username()  # type: ignore[union-attr]
    found = lift(get_object_or_404(Erasure, pk=pk), by=by)
    done = (
        "What comes in about the id is taken again." if found.lifted_at else "It is not done yet. Lift it afterwards."
    )
    notify(request, done)
    return HttpResponseRedirect(reverse("privacy"))
