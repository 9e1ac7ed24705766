"""Health over time: of a segment's members, of the accounts of a config, of everybody."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_GET

from accounts.models import Account
from core.deadline import TooSlow
from core.intake import whole
from health.models import AccountHealth, HealthConfig
from health.trends import trend_of, version_days
from segments.models import Segment
from web.filters import dropped_notice, reader_for
from web.notices import notify
from web.pages import page
from web.tabs import is_restricted
from web.trend_charts import trend

RANGES = {"30": "30 days", "90": "90 days", "365": "12 months"}


@login_required
@require_GET
def trend_of_health(request: HttpRequest) -> HttpResponse:
    """The mix of bands and the mean score by day or week (`days`), with the versions of configs that began to count."""
    segment, config = _asked(request)
    days = request.GET.get("days", "") if request.GET.get("days", "") in RANGES else "90"
    now = reader_for(request).moment
    seen = None
    if is_restricted(request):
        seen = list(Account.objects.visible_to(request.user).order_by().values_list("pk", flat=True))
    size = len(seen) if seen is not None else segment.member_count if segment else AccountHealth.objects.count()
    late = False
    try:
        points = trend_of(int(days), now, size, segment=segment, config=config, seen=seen)
    except TooSlow:
        points, late = [], True
    marks = version_days(points[0].day, now, segment=segment, config=config) if points else []
    context: dict[str, Any] = {
        "segment": segment,
        "config": config,
        "days": days,
        "ranges": RANGES.items(),
        "points": list(reversed(points)),
        "latest": points[-1] if points else None,
        "trend": trend(points, marks),
        "marks": list(enumerate(marks, start=1)),
        "late": late,
        "here": reverse("health_trend"),
        "of": f"segment={segment.key}&" if segment else f"config={config.pk}&" if config else "",
        "segments": Segment.objects.in_tab_order().filter(subject=Segment.Subject.ACCOUNT, active=True),
    }
    return page(request, "web/health/trend.html", context, parts={"health-trend": "web/health/_trend.html"})


def _asked(request: HttpRequest) -> tuple[Segment | None, HealthConfig | None]:
    """The segment or the config that the address names; one that is gone is said, and everybody shown."""
    key, pk = request.GET.get("segment", "").replace("\x00", "")[:120], request.GET.get("config", "")
    segment = Segment.objects.filter(key=key, subject=Segment.Subject.ACCOUNT).first() if key else None
    config = HealthConfig.objects.filter(pk=whole(pk) or 0).first() if pk and segment is None else None
    gone = (
        [f"segment {key}"]
        if key and segment is None
        else [f"config {pk[:40]}"]
        if pk and config is None and not key
        else []
    )
    if gone:
        notify(request, dropped_notice(gone))
    return segment, config
