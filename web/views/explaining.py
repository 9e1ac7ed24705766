"""Why an account is in a segment, or why not: on the account's own page, and in the builder for a rule being edited."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET, require_POST

from accounts.fields import Subject
from accounts.models import Account
from core.intake import BadValue, clean_text, fold, name_key, short, unaccented, whole
from segments.explaining import Explanation, explain_rule, explain_segments
from segments.limits import PreviewTooSlow
from segments.models import AccountMembership, Segment
from segments.questions import Reader
from segments.rule_form import Tree, read_form
from segments.rules.tree import RuleError
from segments.subjects import ABOUT
from web.filters import reader_for
from web.pages import is_part, page, part

OFFERED = 10
_A = {Subject.ACCOUNT: "an account", Subject.USER: "a user"}
TOO_SLOW = "Still looking after 2 seconds. Open a single segment to see its conditions."


@dataclass(frozen=True)
class Checked:
    """What was typed to check an account, and what came of it: an explanation, or a sentence."""

    typed: str
    explanation: Explanation | None = None
    text: str = ""


@login_required
@require_GET
def account_segments(request: HttpRequest, pk: int) -> HttpResponse:
    """Every segment with the reason, for one account; `segment` gives one of them alone, `show=out` the others."""
    account = get_object_or_404(Account.objects.visible_to(request.user), pk=pk)
    segments = Segment.objects.filter(subject=Segment.Subject.ACCOUNT, active=True).in_tab_order()
    wanted = request.GET.get("segment", "")[:80].replace("\x00", "")
    if wanted:
        segments = segments.filter(key=wanted)
    elif is_part(request):
        mine = AccountMembership.objects.filter(account=account, left_at__isnull=True)
        segments = segments.exclude(pk__in=mine.values("segment"))
    try:
        found = explain_segments(segments, account, reader_for(request))
    except PreviewTooSlow:
        found, text = [], TOO_SLOW
    else:
        text = ""
    context = {
        "account": account,
        "inside": [item for item in found if item.member_since],
        "outside": [item for item in found if not item.member_since],
        "text": text,
        "wanted": wanted,
    }
    if is_part(request):
        return part(request, "web/explain/_one.html" if wanted else "web/explain/_outside.html", context)
    return page(request, "web/explain/account.html", context)


@login_required
@require_GET
def account_names(request: HttpRequest) -> HttpResponse:
    """Accounts whose name begins with (or holds) the text, as options for a field; a page without scripts types on."""
    wanted = fold(_typed(request.GET.get("check") or request.GET.get("account", "")))
    found = _named(Account.objects.visible_to(request.user), wanted)[:OFFERED] if wanted else []
    return part(request, "web/explain/_names.html", {"members": found})


@login_required
@require_POST
def segment_check(request: HttpRequest) -> HttpResponse:
    """The rule as it stands in the form, for one account, or one user: `account` or `user` (an id) in the address, or
    `check` as typed."""
    subject = Subject.USER if request.POST.get("subject") == Subject.USER else Subject.ACCOUNT
    reader, about = reader_for(request).about(subject), ABOUT[subject]
    tree, _ = read_form(request.POST, reader.vocabulary)
    seen = about.seen_by(request.user)
    pk = whole(request.GET.get(about.column))
    if pk is not None:
        checked = _explained("", tree, seen.filter(**{about.pk: pk}), reader)
    else:
        checked = check_typed(request, request.POST, tree, reader)
    return part(request, "web/explain/_checked.html", {"checked": checked, "announce": pk is None})


def check_typed(request: HttpRequest, data: QueryDict, tree: Tree, reader: Reader) -> Checked:
    """Find the account (or the user) that was typed: by its name or its id in your systems, else by a part of it."""
    typed = _typed(data.get("check", ""))
    wanted, about = fold(typed), ABOUT[reader.subject]
    if not wanted:
        return Checked(typed, None, f"Type the name of {_A[reader.subject]}, for example one from the sample.")
    rows = about.seen_by(request.user)
    try:
        found = find_typed(about.model.objects.filter(pk__in=about.ids(rows)), typed, reader.subject)
    except BadValue as error:
        return Checked(typed, None, str(error))
    return _explained(typed, tree, rows.filter(**{about.pk: found.pk}), reader)


def find_typed(seen: QuerySet[Any], typed: str, subject: Subject = Subject.ACCOUNT) -> Any:
    """The one account (or user) that was typed: by its name or its id in your systems, else by a part of it. Raises
    BadValue if there is none, or more than one."""
    typed = _typed(typed)
    wanted = fold(typed)
    found = list(seen.filter(name_folded=name_key(typed))[:2]) or list(seen.filter(external_id=typed)[:1])
    if not found and subject is Subject.USER:
        found = list(seen.filter(folded__email=wanted)[:2])
    found = found or (list(_named(seen, wanted)[:OFFERED]) if wanted else [])
    if not found:
        raise BadValue(f"No {subject} that you may see is called “{short(typed)}”.")
    if len(found) > 1:
        names = ", ".join(f"{item} ({item.external_id})" for item in found)
        raise BadValue(f"More than one {subject} fits: {names}. Type the whole name, or the id in brackets.")
    return found[0]


def _named(seen: QuerySet[Any], wanted: str) -> QuerySet[Any]:
    held = seen.filter(name_folded__contains=wanted).order_by("name_folded", "pk")
    starts = held.filter(name_folded__startswith=unaccented(wanted))
    return starts if starts.exists() else held


def _typed(text: str) -> str:
    try:
        return clean_text(text, 200)
    except BadValue:
        return ""


def _explained(typed: str, tree: Tree, rows: QuerySet[Any], reader: Reader) -> Checked:
    try:
        found = explain_rule(tree, rows, reader=reader, subject=reader.subject)
    except RuleError as error:
        return Checked(typed, None, f"Not checked: {error.first}")
    except PreviewTooSlow:
        return Checked(
            typed, None, "Still looking after 2 seconds. Narrow the conditions, or save and open the account."
        )
    return Checked(typed, found, "" if found else f"There is no such {reader.subject}.")
