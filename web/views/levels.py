"""Account levels: the list in order with the rule of each, and the form of a rule."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from accounts.levels import SOURCE
from accounts.models import Account, AccountLevel
from segments.levels.deciding import read_level_rule, remove_level_rule, save_level_rule
from segments.levels.models import LevelRule
from segments.picker import catalogue
from segments.questions import Reader
from segments.rule_form import Tree, read_form, take_step, without_unset
from segments.rule_view import rule_view
from segments.rules.tree import RuleError
from web.filters import reader_for
from web.notices import notify
from web.pages import may_edit_segments, page
from web.views.segments import editors_only

EMPTY: Tree = {"match": "all", "rules": []}


@login_required
@require_GET
def levels(request: HttpRequest) -> HttpResponse:
    """Every level, the highest first: how many accounts have it, how many of them by its rule."""
    reader = reader_for(request)
    seen = Account.objects.visible_to(request.user).order_by()
    by_rule = Count("pk", filter=Q(stamps__level__1=SOURCE))
    found = seen.values("level").annotate(all=Count("pk"), ruled=by_rule).values_list("level", "all", "ruled")
    counts: dict[str | None, tuple[int, int]] = {key: (number, ruled) for key, number, ruled in found}
    rules = {rule.level_id: rule for rule in LevelRule.objects.all()}
    rows = []
    for level in AccountLevel.objects.all():
        rule, (number, ruled) = rules.get(level.key), counts.get(level.key, (0, 0))
        rows.append({"level": level, "rule": rule, "words": _words(rule, reader), "all": number, "by_rule": ruled})
    context = {"rows": rows, "without": counts.get(None, (0, 0))[0], "may_edit": may_edit_segments(request)}
    return page(request, "web/levels/page.html", context)


def _words(rule: LevelRule | None, reader: Reader) -> str:
    if rule is None:
        return ""
    try:
        return reader.read(rule.rule).words
    except RuleError as error:
        return error.first


@login_required
@require_http_methods(["GET", "POST"])
def level_edit(request: HttpRequest, key: str) -> HttpResponse:
    """Change the rule of a level; `do` is a step in the builder, `remove` takes the rule away."""
    editors_only(request)
    level = get_object_or_404(AccountLevel.objects.select_related("rule"), pk=key)
    known: LevelRule | None = getattr(level, "rule", None)
    reader, problems = reader_for(request), []
    tree: Tree = known.rule if known and "rules" in known.rule else dict(EMPTY)
    active = known.active if known else True
    if request.method == "POST":
        step = request.POST.get("do", "")
        if step == "remove-rule":
            remove_level_rule(level)
            notify(request, f"{level.name} is no longer given by a rule.")
            return HttpResponseRedirect(reverse("levels"))
        tree, places = read_form(request.POST, reader.vocabulary)
        active = request.POST.get("active") == "1"
        if step:
            take_step(tree, places, step, reader.vocabulary)
        else:
            tree = without_unset(tree)
            try:
                save_level_rule(level, rule=tree, active=active, author=request.user)
            except RuleError as error:
                problems = error.problems
            else:
                notify(request, f"The rule of {level.name} saved. Every account’s level was decided anew.")
                return HttpResponseRedirect(reverse("levels"))
    context: dict[str, Any] = {
        "level": level, "known": known, "active": active, "rule": rule_view(tree, reader, problems=problems),
        "catalogue": catalogue(reader, Account.objects.visible_to(request.user)), "failed": bool(problems),
        "problems": problems, "may_edit": True, "words": _read_back(tree, reader),
    }  # fmt: skip
    return page(request, "web/levels/edit.html", context, status=422 if problems else 200)


def _read_back(tree: Tree, reader: Reader) -> str:
    try:
        return read_level_rule(without_unset(tree), reader).words
    except RuleError:
        return ""
