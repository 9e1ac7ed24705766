"""The calendar feed of one's tasks: its secret address is made, renewed and closed here, and read without a log-in."""

from __future__ import annotations

import hashlib

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_http_methods, require_safe

from alerts.models import TaskCalendar
from alerts.work.calendar import calendar_of, close_calendar, feed, renew_calendar, tasks_in_calendar
from web.notices import notify
from web.pages import member_of, page


@login_required
@require_http_methods(["GET", "POST"])
def task_calendar(request: HttpRequest) -> HttpResponse:
    """Whether there is an address, and a new one, which is shown this once."""
    member, address = member_of(request), ""
    if request.method == "POST" and member is not None:
        if request.POST.get("do") == "close":
            close_calendar(member)
            notify(request, "The calendar address leads nowhere now.")
            return HttpResponseRedirect(reverse("task_calendar"))
        address = request.build_absolute_uri(reverse("calendar_feed", args=[renew_calendar(member)]))
    found = TaskCalendar.objects.filter(member=member).first() if member else None
    return page(request, "web/tasks/calendar.html", {"member": member, "calendar": found, "address": address})


@require_safe
def calendar_feed(request: HttpRequest, secret: str) -> HttpResponseBase:
    """The feed for whoever knows the address; 404 for an address that is not, or no longer, one."""
    member = calendar_of(secret[:200])
    if member is None:
        raise Http404
    site = request.build_absolute_uri("/")
    body = feed(tasks_in_calendar(member), name=f"Tasks of {member}", site=site)
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    answer = HttpResponse(body, content_type="text/calendar; charset=utf-8")
    answer["ETag"], answer["Cache-Control"] = etag, "private, no-cache"
    return get_conditional_response(request, etag=etag, response=answer) or answer
