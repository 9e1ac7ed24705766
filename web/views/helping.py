"""Help: the manual and the keys, at one place on every page."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from web.manual import chapter, contents
from web.pages import page


@login_required
@require_GET
def manual(request: HttpRequest) -> HttpResponse:
    """What the manual is about, and the keys."""
    return page(request, "web/help/page.html", {"contents": contents()})


@login_required
@require_GET
def manual_page(request: HttpRequest, name: str) -> HttpResponse:
    """One chapter of the manual."""
    found = chapter(name)
    if found is None:
        raise Http404
    return page(request, "web/help/chapter.html", {"chapter": found})
