"""The versions of a playbook: what changed in each, and going back to one."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from alerts.models import Playbook
from alerts.playbooks.editing import StalePlaybook
from alerts.playbooks.versions import UnknownVersion, restore_version, versions_of
from health.definition import DefinitionError
from web.filters import reader_for
from web.notices import notify
from web.pages import may_edit_segments, page
from web.undo import inverse, keep_inverse
from web.views.segments import editors_only


@login_required
@require_GET
def playbook_versions(request: HttpRequest, pk: int) -> HttpResponse:
    """Every definition with its author, time and reason, and what changed in it."""
    found = get_object_or_404(Playbook, pk=pk)
    context = {
        "playbook": found, "versions": versions_of(found, reader_for(request)),
        "may_edit": may_edit_segments(request),
    }  # fmt: skip
    return page(request, "web/playbooks/versions.html", context)


@login_required
@require_POST
def playbook_restore(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    """Make an earlier definition the present one, as a new version."""
    editors_only(request)
    found = get_object_or_404(Playbook.objects.select_related("segment", "rule", "milestone"), pk=pk)
    back = reverse("playbook_versions", args=[pk])
    try:
        saved = restore_version(found, number, author=request.user)
    except DefinitionError as error:
        notify(request, f"Version {number} cannot be restored: {error.problems[0].message}")
    except (UnknownVersion, StalePlaybook) as error:
        notify(request, str(error))
    else:
        if saved.version == found.version:
            notify(request, f"Version {number} says what the present one says. Nothing was changed.")
        else:
            token = keep_inverse(request, "playbook-restore", {"playbook": pk, "number": found.version}, back=back)
            notify(request, f"Version {number} restored as version {saved.version}.", undo=token)
    return HttpResponseRedirect(back)


@inverse("playbook-restore")
def _restore_back(request: HttpRequest, data: dict[str, Any]) -> str:
    saved = restore_version(Playbook.objects.get(pk=data["playbook"]), data["number"], author=request.user)
    return f"Version {data['number']} is in use again, as version {saved.version}."
