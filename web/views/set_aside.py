"""Messages that were set aside: why, and what is to become of them."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from core.intake import whole
from integrations.models import Message
from integrations.tracking import spool
from integrations.tracking.setting_aside import discard, reasons, retry, set_aside, take_back
from web.notices import back_to, notify
from web.pages import page
from web.undo import inverse, keep_inverse
from web.views.segments import editors_only

SHOWN = 100


@login_required
@require_GET
def messages_aside(request: HttpRequest) -> HttpResponse:
    """The reasons with their numbers, and the newest messages; also requests that lie on this machine's disk."""
    editors_only(request)
    rows = set_aside(**_asked(request.GET))
    context = {
        "reasons": reasons(), "rows": rows.select_related("source").defer("payload", "said")[:SHOWN], "shown": SHOWN,
        "asked": _asked(request.GET), "files": spool.aside()[:SHOWN],
    }  # fmt: skip
    return page(request, "web/sources/aside.html", context)


@login_required
@require_POST
def messages_decide(request: HttpRequest) -> HttpResponse:
    """Try messages again, or discard them: one, or all of a source and a reason."""
    editors_only(request)
    pk = request.POST.get("message", "")
    if pk:
        rows = set_aside().filter(pk=whole(pk) or 0)
    else:
        asked = _asked(request.POST)
        rows = set_aside(**asked) if all(asked.values()) else Message.objects.none()
    back = back_to(request, reverse("messages_aside"))
    if request.POST.get("do") == "discard":
        chosen = discard(rows, by=request.user.get_username())  # type: ignore[union-attr]
        text = f"{_count(len(chosen))} discarded." if chosen else "Nothing was waiting there any more."
        token = keep_inverse(request, "discard-messages", {"ids": chosen}, back=back) if chosen else ""
        notify(request, text, undo=token)
    else:
        notify(request, _told(rows))
    return HttpResponseRedirect(back)


def _told(rows: Any) -> str:
    """Try the messages again, and say what became of them."""
    tried = retry(rows)
    if not (tried.recorded or tried.failed):
        return "Nothing was waiting there any more."
    parts = [f"{_count(tried.recorded)} recorded"] if tried.recorded else []
    parts += [f"{_count(tried.failed)} set aside again"] if tried.failed else []
    return ", ".join(parts) + (f". {tried.left:,} are left: press once more." if tried.left else ".")


@inverse("discard-messages")
def _take_back(request: HttpRequest, data: dict[str, Any]) -> str:
    editors_only(request)
    return f"{_count(take_back(data['ids']))} set aside again."


@login_required
@require_POST
def request_decide(request: HttpRequest) -> HttpResponse:
    """Let a request that lies on this machine's disk be tried again, or delete it."""
    editors_only(request)
    name = request.POST.get("request", "")
    if request.POST.get("do") == "discard":
        text = "The request is deleted." if spool.discard_aside(name) else ""
    else:
        text = "The request is tried again within a minute." if spool.retry_aside(name) else ""
    notify(request, text or "This request does not lie there any more.")
    return HttpResponseRedirect(reverse("messages_aside"))


def _asked(given: Any) -> dict[str, str]:
    return {name: given.get(name, "").replace("\x00", "")[:1_000] for name in ("source", "reason")}


def _count(number: int) -> str:
    return f"{number:,} message{'' if number == 1 else 's'}"
