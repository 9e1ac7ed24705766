"""The account page: one customer in full, with a way to the neighbours in the list one came from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from accounts.attaching import check_files, download_file
from accounts.models import Account, Note, NoteFile
from accounts.notes import remove_notes, write_note
from alerts.models import Alert
from alerts.notifying.telling import TASK
from core.intake import BadValue, clean_text
from core.jobs import enqueue
from segments.pins import pin_targets, pins_of
from segments.questions import Reader
from web.account_page import (
    RANGES,
    USERS_A_PAGE,
    attributes_of,
    enrolments_of,
    family_of,
    memberships_of,
    subscriptions_of,
    tasks_of,
    usage_of,
    users_of,
)
from web.columns import short_key
from web.filters import reader_for
from web.health_card import course_of, health_card
from web.liststate import PAGE_SIZE
from web.notices import notify
from web.pages import is_part, may_change_accounts, may_edit_segments, member_of, page, page_number
from web.task_lists import colleagues
from web.timeline import SHOW, timeline_of
from web.trait_line import trait_line
from web.undo import inverse, keep_inverse
from web.views.accounts import list_of
from web.views.milestones import milestones_of

LAST_PAGE = 10_000  # of its users and of its subscriptions
# What an address says of each section that is chosen by itself.
CHOICES = {
    "health-course": ("span",),
    "usage": ("range",),
    "trait": ("trait", "past"),
    "timeline": ("show", "before"),
    "users": ("users",),
    "subscriptions": ("subscriptions",),
}
PARTS = {
    "health-course": "web/account/_course.html",
    "usage": "web/account/_usage.html",
    "trait": "web/account/_trait.html",
    "timeline": "web/account/_timeline_part.html",
    "users": "web/account/_users.html",
    "subscriptions": "web/account/_subscriptions.html",
}


@dataclass(frozen=True)
class Neighbours:
    """Where in the list one came from the account stands, and the addresses of those beside it."""

    list_url: str
    list_name: str
    place: int
    total: int
    previous: str
    next: str


@login_required
@require_GET
def account(request: HttpRequest, pk: int) -> HttpResponse:
    """The page, or one of its sections (usage in another range, further users, an older timeline)."""
    found = get_object_or_404(
        Account.objects.visible_to(request.user).select_related("stage", "level", "status", "usage", "health__config"),
        pk=pk,
    )
    reader = reader_for(request)
    now = reader.moment
    people = users_of(found, now)
    users_page = page_number(request.GET.get("users"), LAST_PAGE)
    score = course_of(found, request.GET.get("span", ""), reader)
    context = {
        "account": found,
        "here": reverse("account", args=[found.pk]),
        "from_query": request.GET.get("from", ""),
        "carried": f"&{_from(request.GET['from'])}" if request.GET.get("from") else "",
        "usage": usage_of(found, request.GET.get("range", ""), now),
        "ranges": RANGES.items(),
        "line": trait_line(found, request.GET.get("trait", ""), request.GET.get("past", ""), reader),
        "score": score,
        "people": people[(users_page - 1) * USERS_A_PAGE : users_page * USERS_A_PAGE],
        "people_total": people.count(),
        "users_page": users_page,
        "users_next": users_page + 1 if people.count() > users_page * USERS_A_PAGE else 0,
        "timeline": timeline_of(
            found, request.GET.get("show", ""), request.GET.get("before", ""), _labels(reader), reader
        ),
        "shows": SHOW.items(),
        "kinds": Note.Kind.choices,
        "may_change": may_change_accounts(request),
    }
    part = request.headers.get("HX-Target")
    if part not in PARTS or part == "subscriptions":
        asked = page_number(request.GET.get("subscriptions"), LAST_PAGE)
        context["subscriptions"] = subscriptions_of(found, asked, reader.vocabulary)
    if part not in PARTS:
        context |= _whole(request, found, reader) | {"health": health_card(found, score.points, reader)}
    response = page(request, "web/account/page.html", context, parts=PARTS)
    if part in PARTS and is_part(request):
        response["HX-Replace-Url"] = _with_choice(request, part)
    return response


def _with_choice(request: HttpRequest, section: str) -> str:
    """The address of the open page with what was just chosen in a section, for when it is reloaded."""
    try:
        open_page = urlsplit(request.headers.get("HX-Current-URL", ""))
    except ValueError:  # no address at all
        open_page = urlsplit("")
    query = QueryDict(open_page.query if open_page.path == request.path else "", mutable=True)
    for name in CHOICES[section]:
        query.pop(name, None)
        if chosen := request.GET.get(name):
            query[name] = chosen
    return f"{request.path}?{query.urlencode()}" if query else request.path


def _whole(request: HttpRequest, found: Account, reader: Reader) -> dict[str, Any]:
    """What only the whole page shows."""
    touch = Note.objects.filter(account=found).exclude(kind=Note.Kind.NOTE).select_related("user").first()
    return {
        "assignments": found.assignments.filter(ended_at__isnull=True)
        .select_related("member__team", "role")
        .order_by("role__position"),
        "open_alerts": list(Alert.objects.open().filter(account=found).select_related("rule", "assignee")),
        "family": family_of(found, Account.objects.visible_to(request.user)),
        "children_url": _children_url(found),
        "attributes": attributes_of(found, reader.vocabulary),
        "memberships": memberships_of(found),
        "tasks": tasks_of(found),
        "enrolments": enrolments_of(found),
        "member": member_of(request),
        "colleagues": colleagues() if may_change_accounts(request) else [],
        "pins": pins_of(found, reader.moment.today),
        "pin_targets": pin_targets() if may_edit_segments(request) else [],
        "may_edit_segments": may_edit_segments(request),
        "segment_total": len(reader.segments),
        "touch": touch,
        "seen": getattr(getattr(found, "usage", None), "last_seen_at", None),
        "active": getattr(getattr(found, "usage", None), "active_users_30d", 0),
        "yearly": found.mrr * 12 if found.mrr is not None else None,
        "neighbours": neighbours(request, found),
        "milestones_here": f"{request.get_full_path()}#milestones",
        **milestones_of(found, reader.moment),
        "initials": "".join(word[0] for word in found.name.split()[:2]).upper() or "?",
    }


def _children_url(found: Account) -> str:
    """Accounts 360 with the accounts below this one."""
    below = {"field": "account.parent", "op": "is", "value": found.external_id}
    return f"{reverse('accounts')}?{urlencode({'f': json.dumps(below, ensure_ascii=False)})}"


def neighbours(request: HttpRequest, found: Account) -> Neighbours | None:
    """Read the page of the list that `from` names, one row more at both ends."""
    query = request.GET.get("from", "")
    if not query:
        return None
    listed = list_of(request, QueryDict(query))
    start = (listed.state.page - 1) * PAGE_SIZE
    first = max(0, start - 1)
    ids = list(listed.accounts.values_list("pk", flat=True)[first : start + PAGE_SIZE + 1])
    if found.pk not in ids:
        return None
    at = ids.index(found.pk)

    def link(place: int) -> str:
        if not 0 <= place < len(ids):
            return ""
        state = listed.state.but(page=(first + place) // PAGE_SIZE + 1)
        return f"{reverse('account', args=[ids[place]])}?{_from(state.query)}"

    name = listed.segment.name if listed.segment else "All accounts"
    return Neighbours(listed.state.url, name, first + at + 1, 0, link(at - 1), link(at + 1))


def _from(query: str) -> str:
    data = QueryDict(mutable=True)
    data["from"] = query
    return data.urlencode()


def _labels(reader: Reader) -> dict[str, str]:
    """Names for attribute keys as changes have them."""
    return {short_key(item): item.label for item in reader.vocabulary.values()}


@login_required
@require_POST
def account_note(request: HttpRequest, pk: int) -> HttpResponse:
    """Write down a note, call, meeting or e-mail."""
    found = get_object_or_404(Account.objects.visible_to(request.user), pk=pk)
    if not may_change_accounts(request):
        raise PermissionDenied
    here = reverse("account", args=[pk])
    back = f"{here}?{_from(request.POST.get('from', ''))}" if request.POST.get("from") else here
    kind = request.POST.get("kind", Note.Kind.NOTE)
    try:
        text = clean_text(request.POST.get("text", ""))
        files = check_files(request.FILES.getlist("files"))
    except BadValue as problem:
        notify(request, str(problem))
        return HttpResponseRedirect(f"{back}#timeline")
    if not text or kind not in Note.Kind.values:
        notify(request, "The note is empty. Write what was said or decided.")
        return HttpResponseRedirect(f"{back}#timeline")
    note = write_note(account=found, author=member_of(request), kind=kind, text=text, at=timezone.now(), files=files)
    enqueue(TASK)  # whom it names is told at once
    token = keep_inverse(request, "note", {"note": note.pk}, back=f"{back}#timeline")
    notify(request, f"{note.get_kind_display()} added to the timeline.", undo=token)
    return HttpResponseRedirect(f"{back}#timeline")


@inverse("note")
def _remove_note(request: HttpRequest, data: dict[str, Any]) -> str:
    remove_notes(Note.objects.filter(pk=data["note"]))
    return "Note removed."


@login_required
@require_GET
def note_file(request: HttpRequest, pk: int, uid: UUID) -> FileResponse:
    """A file of one of the account's notes, as a download."""
    seen = Account.objects.visible_to(request.user).order_by()
    found = get_object_or_404(NoteFile, uid=uid, note__account=pk, note__account__in=seen.values("pk"))
    try:
        return download_file(found)
    except FileNotFoundError as error:
        raise Http404("The file is no longer there.") from error
