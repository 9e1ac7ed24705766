"""Every page goes out through here: the frame around it, and whether a part of it or the whole was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Func, IntegerField, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers

from accounts.models import TeamMember
from alerts.models import Notice, NoticeSettings
from alerts.notifying.inbox import MOST_COUNTED, unread_number
from core.api.access import is_administrator
from core.clock import Moment
from core.intake import whole
from core.models import Workspace
from segments.models import RefreshRun
from web.preferences import Preferences, read_preferences

END_POLLING = 286  # htmx stops asking


@dataclass(frozen=True)
class Link:
    """One line of the navigation."""

    label: str
    icon: str
    url: str
    current: bool
    go: str = ""  # the letter that follows G
    count: int = 0


@dataclass(frozen=True)
class Shell:
    """What the frame of every page needs: where one can go, who is looking, how they like it."""

    workspace: Workspace
    preferences: Preferences
    nav: list[tuple[str, list[Link]]]
    who: str
    initials: str
    refreshed: RefreshRun | None
    moment: Moment
    unread: int = 0


def member_of(request: HttpRequest) -> TeamMember | None:
    """The colleague behind a log-in; None for an administrator who is not part of the team."""
    return getattr(request.user, "member", None)


def may_edit_segments(request: HttpRequest) -> bool:
    """Adding and changing segments is for administrators and managers."""
    member = member_of(request)
    return member.may_edit_segments if member else bool(getattr(request.user, "is_superuser", False))


def may_change_accounts(request: HttpRequest) -> bool:
    """Assigning and noting is for everybody but viewers."""
    member = member_of(request)
    return member.access != TeamMember.Access.VIEWER if member else bool(getattr(request.user, "is_staff", False))


def is_part(request: HttpRequest) -> bool:
    """True if htmx asked for a part; a page restored from history is always whole."""
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-History-Restore-Request") != "true"


def page(
    request: HttpRequest,
    template: str,
    context: Mapping[str, Any] | None = None,
    *,
    parts: Mapping[str, str] | None = None,
    status: int = 200,
) -> HttpResponse:
    """The whole page, or the part whose name is the id of htmx's target (`parts`: id to template)."""
    wanted = (parts or {}).get(request.headers.get("HX-Target", "")) if is_part(request) else None
    shell = shell_for(request, whole=wanted is None)
    response = render(
        request, wanted or template, {"shell": shell, "is_part": wanted is not None, **(context or {})}, status=status
    )
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    response["Cache-Control"] = "no-store"
    return response


def part(
    request: HttpRequest, template: str, context: Mapping[str, Any] | None = None, *, status: int = 200
) -> HttpResponse:
    """A piece that has no page of its own (an answer to a button); the address it came from is the page."""
    response = render(
        request, template, {"shell": shell_for(request, whole=False), "is_part": True, **(context or {})}, status=status
    )
    patch_vary_headers(response, ["HX-Request"])
    response["Cache-Control"] = "no-store"
    return response


def page_number(text: str | None, last: int) -> int:
    """The page of a list that an address asks for, the nearest one there is of 1 to `last`; 1 for what is no number."""
    return min(last, whole(text) or 1)


def progress_part(request: HttpRequest, template: str, context: Mapping[str, Any], *, running: bool) -> HttpResponse:
    """How far some work is, for a page that looks every second; once it has ended 286, which ends the looking, and a
    wish to be loaded anew."""
    response = part(request, template, context, status=200 if running else END_POLLING)
    if not running:
        response["HX-Refresh"] = "true"
    return response


def shell_for(request: HttpRequest, *, whole: bool) -> Shell:
    """The frame; a part needs no navigation and asks the database for less."""
    workspace = workspace_of(request)
    user: User | AnonymousUser = request.user
    who = str(member_of(request) or user.get_full_name() or user.get_username())  # type: ignore[union-attr]
    member = member_of(request)
    finished = _newest_run(member) if whole else None
    unread = int(getattr(finished, "unread", 0)) if finished else unread_number(member) if whole else 0
    return Shell(
        workspace=workspace,
        preferences=read_preferences(request),
        nav=navigation(request, unread) if whole else [],
        who=who,
        initials="".join(word[0] for word in who.split()[:2]).upper(),
        refreshed=finished,
        moment=moment_of(workspace),
        unread=unread,
    )


def workspace_of(request: HttpRequest) -> Workspace:
    """The workspace, read once a request; with the reader's own time zone (`own_zone`) in the same statement."""
    found: Workspace | None = getattr(request, "workspace", None)
    if found is None:
        own = NoticeSettings.objects.filter(member__user=request.user.pk).values("time_zone")
        rows = Workspace.objects.annotate(own_zone=Subquery(own)) if request.user.pk else Workspace.objects.all()
        found = rows.filter(pk=1).first() or Workspace.get()
        request.workspace = found  # type: ignore[attr-defined]
    return found


def _newest_run(member: TeamMember | None) -> RefreshRun | None:
    """The refresh that was finished last, with how much is unread, in one statement: every page asks for both."""
    runs = RefreshRun.objects.filter(finished_at__isnull=False).order_by("-id")
    if member is not None:
        few = Notice.objects.inbox_of(member).unread().order_by().values("pk")[:MOST_COUNTED]
        runs = runs.annotate(unread=Func(ArraySubquery(few), function="cardinality", output_field=IntegerField()))
    return runs.first()


def moment_of(workspace: Workspace) -> Moment:
    """The present in the workspace's zone, without asking for the workspace again."""
    return Moment(timezone.now(), workspace.zone)


DATA_PAGES = (
    ("Imports", "upload", "imports"),
    ("Sources", "plug", "sources"),
    ("Connections", "cycle", "connections"),
    ("Destinations", "bolt", "destinations"),
    ("Feeds", "pulse", "feeds"),
)


def navigation(request: HttpRequest, unread: int = 0) -> list[tuple[str, list[Link]]]:
    """The pages that exist and that this person may open."""
    here = request.path

    def link(label: str, icon: str, name: str, go: str = "", count: int = 0) -> Link:
        url = reverse(name)
        return Link(label, icon, url, here.startswith(url), go, count)

    groups = [
        (
            "My work",
            [
                link("Portfolio", "briefcase", "portfolio", "p"),
                link("Tasks", "task", "tasks", "t"),
                link("Notifications", "bell", "notifications", "i", unread),
            ],
        ),
        (
            "Customers",
            [
                link("Accounts 360", "building", "accounts", "a"),
                link("Subscription 360", "cycle", "subscriptions"),
                link("Users", "users", "users"),
                link("Segments", "layers", "segments", "s"),
                link("Traits", "tag", "traits"),
                link("Account levels", "flag", "levels"),
            ],
        ),
        (
            "Automation",
            [
                link("Alerts", "bell", "alerts", "l"),
                link("Playbooks", "list", "playbooks"),
                link("Milestones", "flag", "milestones"),
                link("Health 360", "pulse", "health"),
            ],
        ),
    ]
    if may_edit_segments(request):
        groups.append(("Data", [link(*one) for one in DATA_PAGES]))
    administration = [link("Privacy", "user", "privacy")] if is_administrator(request.user) else []
    if getattr(request.user, "is_staff", False):
        administration.append(link("Admin", "sliders", "admin:index"))
    return groups + ([("Administration", administration)] if administration else [])
