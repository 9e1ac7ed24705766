"""In which zone pages show times: the person's own where they have said one, else the workspace's.

The days that rules, health and counts mean are the workspace's all the same; they name their zone (`core.clock`).
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Callable
from functools import cached_property

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from core.api.edge import PREFIX
from web.pages import workspace_of


class TimeZoneMiddleware:
    """Times on pages, the admin's too, are those of whoever looks; the API tells instants in UTC."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path.startswith(PREFIX):
            return self.get_response(request)
        with timezone.override(_ZoneOfReader(request)):
            return self.get_response(request)


class _ZoneOfReader(dt.tzinfo):
    """The zone of whoever looks, which is asked for with the first time that is shown: most answers show none, and a
    page has read its workspace by then."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @cached_property
    def _zone(self) -> zoneinfo.ZoneInfo:
        workspace = workspace_of(self._request)
        own: str | None = getattr(workspace, "own_zone", None)
        return zoneinfo.ZoneInfo(own) if own else workspace.zone

    def utcoffset(self, at: dt.datetime | None) -> dt.timedelta | None:
        return self._zone.utcoffset(at)

    def dst(self, at: dt.datetime | None) -> dt.timedelta | None:
        return self._zone.dst(at)

    def tzname(self, at: dt.datetime | None) -> str | None:
        return self._zone.tzname(at)

    def fromutc(self, at: dt.datetime) -> dt.datetime:
        return self._zone.fromutc(at.replace(tzinfo=self._zone))

    def __str__(self) -> str:
        return str(self._zone)
