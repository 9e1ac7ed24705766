"""Feeds: where events come from, how regularly, which are silent, what that holds; and the notices about it."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from segments.holding.models import HoldNotice
from segments.holding.telling import held_for, release, told, words_of
from segments.models import Segment
from usage.feeds.models import Feed, FeedSilence
from web.notices import back_to, notify
from web.pages import page
from web.views.segments import editors_only

NOTICES, PAST = 30, 20


@login_required
@require_GET
def feeds(request: HttpRequest) -> HttpResponse:
    """Every feed, the silent ones first with what they hold."""
    editors_only(request)
    open_ones = list(FeedSilence.objects.holding().with_kind().select_related("feed").order_by("since"))
    context = {
        "feeds": Feed.objects.all(),
        "silent": {silence.feed_id for silence in open_ones if silence.ended_at is None and not silence.is_thin},
        "low": {silence.feed_id for silence in open_ones if silence.ended_at is None and silence.is_thin},
        "silences": [_held(silence) for silence in open_ones],
        "past": FeedSilence.objects.exclude(released_at=None).with_kind().select_related("feed")[:PAST],
        "notices": [(notice, words_of(notice)) for notice in told(request.user)[:NOTICES]],
    }
    return page(request, "web/feeds/page.html", context)


def _held(silence: FeedSilence) -> dict[str, Any]:
    segments, others = held_for(silence)
    return {
        "silence": silence,
        "segments": [one for one in segments if not one.internal],
        "others": [one.name for one in segments if one.internal] + [held.name for held in others],
    }


@login_required
@require_POST
def silence_real(request: HttpRequest, pk: int) -> HttpResponse:
    """Say that a silence is real: the rules that it holds are evaluated as they are."""
    editors_only(request)
    silence = get_object_or_404(FeedSilence.objects.select_related("feed"), pk=pk)
    waiting = Segment.everything.exclude(held="").count()
    by = request.user.get_username()  # type: ignore[union-attr]
    if release(silence, by=by):
        held = "1 segment is" if waiting == 1 else f"{waiting:,} segments are"
        text = f"{silence.feed} is {'low' if silence.is_thin else 'silent'} for good reason. {held} refreshed now."
    else:
        text = "This silence holds nothing any more."
    notify(request, text)
    return HttpResponseRedirect(reverse("feeds"))


@login_required
@require_POST
def notice_seen(request: HttpRequest, pk: int) -> HttpResponse:
    """Put a notice away; it stays on the page of the feeds."""
    mine = HoldNotice.objects.filter(user=request.user, seen_at=None)  # type: ignore[misc]
    mine.filter(pk=pk).update(seen_at=timezone.now())
    return HttpResponseRedirect(back_to(request, reverse("segments")))
