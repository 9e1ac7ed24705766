"""The editor of one filter chip: the builder's own row, answered with the list's address that has the filter in it."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_GET

from accounts.fields import Subject
from accounts.models import Account
from core.intake import BadValue, whole
from core.refusals import Problem
from segments.picker import catalogue
from segments.rule_form import Tree, new_condition, read_form, take_step, wrapped
from segments.rule_view import rule_view
from segments.rules.tree import RuleError
from web.filters import compact, read_node, reader_for
from web.liststate import ListState, state_of
from web.pages import page

ROOT = "n"
FORM = ("place", "do", "apply")


@login_required
@require_GET
def accounts_filter(request: HttpRequest) -> HttpResponse:
    """Choose an attribute, then a comparison and a value; `apply` goes back to the list with the filter on."""
    return _edit(request, "accounts", Subject.ACCOUNT)


@login_required
@require_GET
def users_filter(request: HttpRequest) -> HttpResponse:
    """The same for the list of users."""
    return _edit(request, "users", Subject.USER)


def _edit(request: HttpRequest, listed: str, subject: Subject) -> HttpResponse:
    """The editor of the list that has this name of an address."""
    also = [name for name in request.GET if name.startswith(f"{ROOT}.")]
    state, _ = state_of(request.GET, listed, also=(*FORM, *also))
    reader = reader_for(request).about(subject)
    place = _place(request, state)
    tree, places = read_form(request.GET, reader.vocabulary, ROOT)
    if not tree["rules"] and place is not None:
        tree = {"match": "all", "rules": [_stored(state, place)]}
    if step := request.GET.get("do", ""):
        take_step(tree, places, step, reader.vocabulary)
    if not tree["rules"]:
        tree["rules"].append(wrapped(new_condition("", reader.vocabulary), reader.vocabulary, ""))
    problems: list[Problem] = []
    if request.GET.get("apply"):
        try:
            reader.read(tree, personal=True)
        except RuleError as error:
            problems = error.problems
        else:
            return HttpResponseRedirect(_with(state, place, tree["rules"][0]).url)
    context = {
        "state": state,
        "place": place,
        "rule": rule_view(tree, reader, root=ROOT, problems=problems, personal=True),
        "catalogue": catalogue(reader, Account.objects.visible_to(request.user)),
        "carried": state.carried(),
        "many": subject.many,
        "filter_url": reverse(f"{listed}_filter"),
        "unset": tree["rules"][0].get("field") == "",
    }
    editor = "web/accounts/_filter.html"
    answer = page(request, "web/accounts/filter.html", context, parts={"filter-pop": editor, "list": editor})
    if request.headers.get("HX-Target") == "list":  # it asked for the list with the filter on, and hears what is wrong
        answer["HX-Retarget"], answer["HX-Push-Url"] = "#filter-pop", "false"
    return answer


def _place(request: HttpRequest, state: ListState) -> int | None:
    return whole(request.GET.get("place"), len(state.filters) - 1)


def _stored(state: ListState, place: int) -> Tree:
    try:
        return read_node(state.filters[place])
    except BadValue:
        return {"field": ""}


def _with(state: ListState, place: int | None, node: Tree) -> ListState:
    filters = list(state.filters)
    if place is None:
        filters.append(compact(node))
    else:
        filters[place] = compact(node)
    return state.but(filters=tuple(dict.fromkeys(filters)))
