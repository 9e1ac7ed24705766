"""Connecting a system, changing a connection, and the form of what maps to what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.models import Subject, SubscriptionStatus
from core.api.access import is_administrator
from core.intake import BadValue, whole
from integrations.connections.editing import change, change_mapping, connect
from integrations.connections.mapping import mapping_of, targets
from integrations.connections.secrets import PREFIX
from integrations.models import Connection
from web.notices import notify
from web.pages import page
from web.views.connections import administrators_only
from web.views.segments import editors_only

SPARE = 3  # empty lines for further fields


@dataclass(frozen=True)
class Line:
    """One line of the mapping: our field, and what fills it."""

    ours: str
    theirs: str


@login_required
@require_http_methods(["GET", "POST"])
def connection_new(request: HttpRequest) -> HttpResponse:
    """Connect a system: its kind, a name, and a credential or the variable that holds it."""
    administrators_only(request)
    asked = request.POST if request.method == "POST" else request.GET
    kind = asked.get("kind", "")
    kind = kind if kind in Connection.Kind.values else Connection.Kind.STRIPE
    problem = ""
    if request.method == "POST":
        try:
            made = connect(
                kind=kind, name=request.POST.get("name", ""), credential=request.POST.get("credential", "").strip(),
                variable=request.POST.get("variable", "").strip(), author=request.user,
            )  # fmt: skip
        except BadValue as error:
            problem = str(error)
        else:
            works = f"{made.name} is connected. Look through what maps to what, then run it."
            notify(request, f"{made.name} is stored, but it does not work yet." if made.error else works)
            return HttpResponseRedirect(reverse("connection_edit", args=[made.pk]))
    context = {
        "kind": kind, "kind_name": Connection.Kind(kind).label, "kinds": Connection.Kind.choices, "problem": problem,
        "name": request.POST.get("name", Connection.Kind(kind).label), "variable": request.POST.get("variable", ""),
        "prefix": PREFIX,
    }  # fmt: skip
    return page(request, "web/connections/new.html", context, status=422 if problem else 200)


@login_required
@require_http_methods(["GET", "POST"])
def connection_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a connection: its mapping, how often it runs, and (administrators) its credential."""
    editors_only(request)
    found = get_object_or_404(Connection, pk=pk)
    problem, mapping, again = "", mapping_of(found), request.method == "POST"
    more = again and request.POST.get("do") == "more"
    if again:
        mapping = {**mapping, **_read(request.POST, found.kind)}
        if not more:
            problem = _save(request, found, mapping)
            if not problem:
                notify(request, f"{found.name} saved. The next run reads everything if the mapping changed.")
                return HttpResponseRedirect(reverse("connection", args=[pk]))
    return page(
        request, "web/connections/edit.html", _context(request, found, mapping, problem), status=422 if problem else 200
    )


def _save(request: HttpRequest, found: Connection, mapping: dict[str, Any]) -> str:
    """Why it could not be saved; empty if it was."""
    post = request.POST
    minutes = whole(post.get("every_minutes", "").strip(), 999_999)
    credential = variable = ""
    if is_administrator(request.user):
        credential, variable = post.get("credential", "").strip(), post.get("variable", "").strip()
        variable = "" if variable == found.secret_env else variable
    try:
        if minutes is None:
            raise BadValue("Minutes between runs: enter a whole number, for example 60.")
        change_mapping(found, mapping)
        change(
            found, name=post.get("name", ""), credential=credential, variable=variable,
            active=post.get("active") == "1", every_minutes=minutes,
        )  # fmt: skip
    except BadValue as error:
        found.refresh_from_db()
        return str(error)
    return ""


def _read(post: QueryDict, kind: str) -> dict[str, Any]:
    """The mapping as the form has it; lines without one of the two sides are left out."""
    found: dict[str, Any] = {
        "id_key": post.get("id_key", ""),
        "by_domain": post.get("by_domain") == "1",
        "unmatched": post.get("unmatched", ""),
    }
    subjects = ["account"]
    if kind == Connection.Kind.HUBSPOT:
        found["user_key"] = post.get("user_key", "")
        subjects.append("user")
    else:
        found["statuses"] = {key[7:]: value for key, value in post.items() if key.startswith("status.")}
    for name in subjects:
        pairs = zip(post.getlist(f"{name}.ours"), post.getlist(f"{name}.theirs"), strict=False)
        found[name] = {ours: theirs.strip() for ours, theirs in pairs if ours and theirs.strip()}
    return found


def _context(request: HttpRequest, found: Connection, mapping: dict[str, Any], problem: str) -> dict[str, Any]:
    kind = "customer" if found.kind == Connection.Kind.STRIPE else "company"
    parts = [("account", "Account fields", Subject.ACCOUNT, kind)]
    if found.kind == Connection.Kind.HUBSPOT:
        parts.append(("user", "User fields", Subject.USER, "contact"))
    return {
        "connection": found,
        "mapping": mapping,
        "problem": problem,
        "parts": [
            {
                "name": name, "title": title, "targets": targets(subject), "theirs": theirs,
                "properties": found.properties.get(theirs, []),
                "lines": [*(Line(ours, text) for ours, text in mapping[name].items()), *[Line("", "")] * SPARE],
            }
            for name, title, subject, theirs in parts
        ],
        "statuses": SubscriptionStatus.objects.values_list("key", "name") if "statuses" in mapping else (),
        "may_connect": is_administrator(request.user),
        "prefix": PREFIX,
        "variable": found.secret_env,
    }  # fmt: skip
