"""Feeds over the API: their rhythm, which are silent, and the word of a person that a silence is real."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.problems import ApiProblem
from core.api.strict import StrictSerializer
from core.api.views import ApiViewSet
from segments.holding.telling import release
from usage.feeds.models import Feed, FeedSilence


class FeedSerializer(StrictSerializer):
    """A source that events come from. `silent_since` is set while it is silent, `low_since` while it brings less than a
    fifth of the usual, `holds` while rules are held for it."""

    id = serializers.IntegerField(read_only=True)
    source: Any = serializers.CharField(read_only=True)
    rhythm = serializers.CharField(read_only=True)
    first_at = serializers.DateTimeField(read_only=True)
    last_at = serializers.DateTimeField(read_only=True)
    judged_at = serializers.DateTimeField(read_only=True)
    silent_since: Any = serializers.SerializerMethodField()
    low_since: Any = serializers.SerializerMethodField()
    holds: Any = serializers.SerializerMethodField()

    def get_silent_since(self, feed: Feed) -> str | None:
        """When the last thing came; null while the feed is as usual."""
        return _since(feed, thin=False)

    def get_low_since(self, feed: Feed) -> str | None:
        """Since when it has brought far less than usual; null while it has not."""
        return _since(feed, thin=True)

    def get_holds(self, feed: Feed) -> bool:
        """Whether rules wait for it."""
        return any(silence.released_at is None for silence in _open(feed))


def _since(feed: Feed, *, thin: bool) -> str | None:
    found = [one.since for one in _open(feed) if one.ended_at is None and one.is_thin == thin]
    return found[0].isoformat() if found else None


def _open(feed: Feed) -> list[FeedSilence]:
    return getattr(feed, "open_silences", [])


class FeedViewSet(ApiViewSet):
    """Feeds by name. `real/` says that a silence is real, so that what it holds is evaluated (managers)."""

    serializer_class = FeedSerializer
    orderings: ClassVar[dict[str, str]] = {"source": "source", "last_at": "last_at"}
    default_ordering = "source"
    lookup_value_regex = r"[0-9]{1,18}"
    http_method_names = ["get", "head", "options", "post"]

    def get_queryset(self) -> QuerySet[Feed]:
        """All of them, with the silences that are not over."""
        rows = FeedSilence.objects.filter(ended_at=None) | FeedSilence.objects.holding()
        return Feed.objects.prefetch_related(Prefetch("silences", rows.with_kind(), to_attr="open_silences"))

    @extend_schema(request=None, responses=FeedSerializer)
    @action(detail=True, methods=["post"])
    def real(self, request: Request, pk: str) -> Response:
        """Go on without this feed; 409 if nothing is held for it."""
        feed = self.get_object()
        held = [silence for silence in _open(feed) if silence.released_at is None]
        for silence in held:
            release(silence, by=request.user.get_username())
        if not held:
            raise ApiProblem("conflict", "Nothing is held for this feed.", 409)
        return self.answer(self.get_queryset().get(pk=feed.pk))
