"""What is done with a whole health config: delete it, see whom several would score."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_POST

from accounts.models import Account
from core.deadline import TooSlow
from core.intake import whole
from health.conflicts import LIMIT_MS, Comparison, Conflict
from health.editing import delete_config
from health.models import HealthConfig
from health.uses import ConfigInUse
from web.filters import reader_for
from web.notices import notify
from web.pages import page, page_number
from web.views.segments import editors_only

PAGE, LAST_PAGE = 50, 1_000


@login_required
@require_POST
def config_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a config; refused, with the list of what uses it, while anything does."""
    editors_only(request)
    config = get_object_or_404(HealthConfig, pk=pk)
    try:
        delete_config(config)
    except ConfigInUse as used:
        notify(request, str(used))
        return HttpResponseRedirect(reverse("config_edit", args=[pk]))
    notify(request, f"{config.name} deleted. Its accounts are scored by the next config that fits.")
    return HttpResponseRedirect(reverse("health"))


@login_required
@require_GET
def health_conflicts(request: HttpRequest) -> HttpResponse:
    """The accounts that several configs could score: of one config's segment (`config`), one alone (`account`), those
    whose band would differ (`differ`)."""
    comparison = Comparison(reader_for(request))
    chosen = next((one for one in comparison.configs if str(one.pk) == request.GET.get("config")), None)
    seen = Account.objects.visible_to(request.user)
    account = None
    if (pk := whole(request.GET.get("account"))) is not None:
        account = get_object_or_404(seen, pk=pk)
        seen = seen.filter(pk=account.pk)
    differing = request.GET.get("differ") == "1"
    at = page_number(request.GET.get("page"), LAST_PAGE)
    problem, total, rows = "", 0, list[Conflict]()
    try:
        accounts = comparison.accounts(seen, config=chosen, differing=differing)
        total = accounts.count()
        rows = comparison.told(list(accounts.order_by("name_folded", "pk")[(at - 1) * PAGE : at * PAGE]))
    except TooSlow:
        problem = f"This was not computed within {LIMIT_MS // 1000} seconds. Choose one config, or all of its accounts."
    except DatabaseError as error:
        problem = f"A config cannot be computed: {str(error).splitlines()[0][:200]}. Its page says which measure."
    given = {
        "config": chosen.pk if chosen else "",
        "account": account.pk if account else "",
        "differ": "1" if differing else "",
    }
    query = {name: value for name, value in given.items() if value}

    def link(**more: Any) -> str:
        return f"?{urlencode({name: value for name, value in (query | more).items() if value})}"

    context = {
        "configs": comparison.configs, "chosen": chosen, "account": account, "differing": differing,
        "total": total, "rows": rows, "problem": problem, "page": at,
        "all_link": link(differ=""), "differ_link": link(differ="1"),
        "previous": link(page=at - 1) if at > 1 else "",
        "next": link(page=at + 1) if total > at * PAGE else "",
    }  # fmt: skip
    return page(request, "web/health/conflicts.html", context)
