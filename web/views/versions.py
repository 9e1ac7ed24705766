"""The versions of what has them (segments, health configs, alert rules, milestones, playbooks): what changed in each,
and going back to one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from alerts import versions as of_rules
from alerts.milestones import versions as of_milestones
from alerts.models import AlertRule, Milestone, Playbook
from alerts.playbooks import versions as of_playbooks
from core.intake import BadValue
from core.refusals import Unusable, sentence
from core.versions import Stale, UnknownVersion, VersionChange
from health import versions as of_configs
from health.models import HealthConfig
from segments import versions as of_segments
from segments.models import Segment
from segments.questions import Reader
from web.filters import reader_for
from web.notices import notify
from web.pages import may_edit_segments, page
from web.undo import inverse, keep_inverse
from web.views.segments import editors_only

UNDO = "restore"


@dataclass(frozen=True)
class Versioned:
    """A kind of record that has versions: where its records are, how they are told and brought back, its template and
    what is said besides once one was brought back."""

    rows: Callable[[], QuerySet[Any]]
    told: Callable[[Any, Reader], list[VersionChange]]
    restore: Callable[..., Any]
    template: str
    then: str = ""


# By what the names of their addresses begin with; an address names a record by its primary key, or a milestone's key.
VERSIONED = {
    "segment": Versioned(
        Segment.objects.all, of_segments.versions_of, of_segments.restore_version, "web/segments/versions.html",
        " Its members follow.",
    ),
    "config": Versioned(
        HealthConfig.objects.all, of_configs.versions_of, of_configs.restore_version, "web/health/versions.html",
        " Every account is being scored.",
    ),
    "alert_rule": Versioned(
        lambda: AlertRule.objects.select_related("watch", "clear_watch", "role", "fallback"),
        of_rules.versions_of, of_rules.restore_version, "web/alerts/versions.html",
    ),
    "milestone": Versioned(
        Milestone.objects.all, of_milestones.versions_of, of_milestones.restore_version,
        "web/milestones/versions.html", " Its accounts are being looked at.",
    ),
    "playbook": Versioned(
        lambda: Playbook.objects.select_related("segment", "rule", "milestone"),
        of_playbooks.versions_of, of_playbooks.restore_version, "web/playbooks/versions.html",
    ),
}  # fmt: skip


@login_required
@require_GET
def versions(request: HttpRequest, kind: str, **named: Any) -> HttpResponse:
    """Every definition with its author, time and reason, and what changed in it."""
    of = VERSIONED[kind]
    record = get_object_or_404(of.rows(), **named)
    context = {
        "record": record, "versions": of.told(record, reader_for(request)), "restoring": f"{kind}_restore",
        "name": next(iter(named.values())), "may_edit": may_edit_segments(request),
    }  # fmt: skip
    return page(request, of.template, context)


@login_required
@require_POST
def restore(request: HttpRequest, kind: str, number: int, **named: Any) -> HttpResponse:
    """Make an earlier definition the present one, as a new version."""
    editors_only(request)
    of = VERSIONED[kind]
    record = get_object_or_404(of.rows(), **named)
    back = reverse(f"{kind}_versions", args=list(named.values()))
    try:
        saved = of.restore(record, number, author=request.user)
    except (UnknownVersion, Stale) as error:
        notify(request, str(error))
    except (Unusable, BadValue) as error:
        notify(request, _refused(number, error))
    else:
        if saved.version == record.version:
            notify(request, f"Version {number} says what the present one says. Nothing was changed.")
        else:
            token = keep_version(request, kind, saved, back=back)
            notify(request, f"Version {number} restored as version {saved.version}.{of.then}", undo=token)
    return HttpResponseRedirect(back)


def keep_version(request: HttpRequest, kind: str, saved: Any, *, back: str) -> str:
    """Keep that the version before the one that was just saved can be brought back; the token for the notice."""
    return keep_inverse(request, UNDO, {"kind": kind, "pk": saved.pk, "by": saved.version}, back=back)


@inverse(UNDO)
def _restore_back(request: HttpRequest, data: dict[str, Any]) -> str:
    editors_only(request)
    of, number = VERSIONED[data["kind"]], data["by"] - 1
    record = of.rows().get(pk=data["pk"])
    if record.version != data["by"]:
        return f"{record.name} was changed again since (version {record.version}), so it was left as it is."
    try:
        saved = of.restore(record, number, author=request.user)
    except Stale as error:
        return str(error)
    except (Unusable, BadValue) as error:
        return _refused(number, error)
    return f"Version {number} is in use again, as version {saved.version}."


def _refused(number: int, error: Unusable | BadValue) -> str:
    return f"Version {number} cannot be restored: {sentence(error)}"
