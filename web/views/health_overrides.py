"""The overrides of the whole company: who set which account's health by hand, and who was nearer to what happened."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from accounts.models import Account
from health.models import HealthOverride
from health.overrides import records, told_overrides
from web.filters import reader_for
from web.pages import page, page_number

A_PAGE, LAST_PAGE = 50, 100


@login_required
@require_GET
def health_overrides(request: HttpRequest) -> HttpResponse:
    """Each colleague's record, and the overrides of the accounts that this person may see, the newest first."""
    now = reader_for(request).moment
    seen = Account.objects.visible_to(request.user)
    mine = HealthOverride.objects.filter(account__in=seen.order_by())
    if request.GET.get("show") == "now":
        mine = mine.in_force(now.today)
    number = page_number(request.GET.get("page"), LAST_PAGE)
    rows = told_overrides(mine, now, A_PAGE + 1, (number - 1) * A_PAGE)
    context = {
        "records": records(seen, now),
        "rows": rows[:A_PAGE],
        "page": number,
        "more": len(rows) > A_PAGE and number < LAST_PAGE,
        "show": "now" if request.GET.get("show") == "now" else "",
    }
    return page(request, "web/health/overrides.html", context)
