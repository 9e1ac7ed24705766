"""When events came from which source, and the silences of a source that was regular."""

from __future__ import annotations

from typing import Any, Self

from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone


class FeedArrival(models.Model):
    """That events of a name came from a source just now; added with them, summed up by the next look at the feeds.

    Rows are only added and taken, so that writers do not wait for each other.
    """

    source = models.CharField(max_length=80)
    name_id = models.SmallIntegerField()
    at = models.DateTimeField()
    count = models.PositiveIntegerField()

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.source}: {self.count}"


class Feed(models.Model):
    """A source that events come from, named as in `Event.source`. `rhythm` says in words what is regular about it."""

    source = models.CharField(max_length=80, unique=True)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    rhythm = models.CharField(max_length=200, blank=True)
    judged_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("source",)

    def __str__(self) -> str:
        return self.source


class FeedHour(models.Model):
    """How many events a source brought in an hour, by the time they came."""

    feed = models.ForeignKey(Feed, models.CASCADE, related_name="hours", db_index=False)
    hour = models.DateTimeField()
    count = models.PositiveBigIntegerField()

    class Meta:
        ordering = ("hour",)
        constraints = [models.UniqueConstraint(fields=["feed", "hour"], name="one_count_of_feed_and_hour")]

    def __str__(self) -> str:
        return f"{self.hour:%d %b %Y %H}h: {self.count}"


class FeedEvent(models.Model):
    """When a source last brought an event of a name."""

    feed = models.ForeignKey(Feed, models.CASCADE, related_name="events", db_index=False)
    name_id = models.SmallIntegerField()
    last_at = models.DateTimeField()

    class Meta:
        ordering = ("id",)
        constraints = [models.UniqueConstraint(fields=["feed", "name_id"], name="one_time_of_feed_and_event")]

    def __str__(self) -> str:
        return f"{self.name_id}, {self.last_at:%d %b %Y %H:%M}"


class SilenceQuerySet(models.QuerySet["FeedSilence"]):
    """Which silences count."""

    def holding(self) -> Self:
        """Those for which rules are held: not over, and not called real by a person."""
        return self.filter(released_at__isnull=True)

    def with_kind(self) -> Self:
        """With `thin`: whether something came in it, but far less than usual."""
        came = FeedHour.objects.filter(feed=OuterRef("feed"), hour__gte=OuterRef("since"))
        return self.annotate(thin=Exists(came.filter(hour__lt=OuterRef("noticed_at"))))


class FeedSilence(models.Model):
    """A source that was regular and brought nothing, or far less than usual: since when, when it was noticed, when data
    came again. Which of the two the hours tell: in a complete silence there are none between `since` and `noticed_at`.

    After that, rules stay held until `settles_at`, so that accounts have time to be seen again; `released_at` is when
    the hold ended, by itself or because a person said that the silence is real (`released_by`).
    """

    feed = models.ForeignKey(Feed, models.CASCADE, related_name="silences", db_index=False)
    since = models.DateTimeField(help_text="The last thing that came.")
    noticed_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)
    settles_at = models.DateTimeField(null=True)
    released_at = models.DateTimeField(null=True)
    released_by = models.CharField(max_length=150, blank=True)
    told_at = models.DateTimeField(null=True)

    objects = SilenceQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints = [
            # Also what every refresh asks for.
            models.UniqueConstraint(fields=["feed"], condition=Q(ended_at__isnull=True), name="one_open_silence"),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("since")), name="silence_ends_after_start"
            ),
        ]
        indexes = [models.Index(fields=["feed"], condition=Q(released_at__isnull=True), name="silence_that_holds")]

    def __str__(self) -> str:
        return f"{self.feed} since {self.since:%d %b %Y %H:%M}"

    @property
    def is_thin(self) -> bool:
        """Whether something came in it, but far less than usual; asked for, unless `with_kind` has told."""
        if not hasattr(self, "thin"):
            told: Any = FeedSilence.objects.with_kind().get(pk=self.pk)
            self.thin = bool(told.thin)
        return bool(self.thin)
