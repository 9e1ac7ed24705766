"""Sources: the systems that send messages, their write keys, and how much came from each."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from accounts.models.traits import FoldedField
from core.models import Timestamped


class Source(Timestamped):
    """A system that sends messages with a write key: a website, a server, an app."""

    key = models.SlugField(
        max_length=60, unique=True, editable=False, help_text="Named as the origin of values and events; never changes."
    )
    name = models.CharField(max_length=120)
    name_folded = FoldedField(of="name")
    disabled_at = models.DateTimeField(null=True, blank=True)
    new_attributes = models.BooleanField(
        "define new attributes", default=True, help_text="A trait that is not known yet becomes a custom attribute."
    )
    group_type = models.SlugField(
        "PostHog group type", max_length=60, default="company", help_text="Which PostHog group is the account."
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )

    class Meta:
        ordering = ("name_folded", "id")

    def __str__(self) -> str:
        return self.name

    @property
    def is_disabled(self) -> bool:
        """Whether its messages are refused."""
        return self.disabled_at is not None


class WriteKeyQuerySet(models.QuerySet["WriteKey"]):
    """Which keys open a source."""

    def valid(self) -> Self:
        """Those that have not run out."""
        return self.filter(models.Q(valid_until__isnull=True) | models.Q(valid_until__gt=timezone.now()))


class WriteKey(models.Model):
    """A key that lets its holder send messages as a source. Only its digest is kept; the key itself is shown once."""

    source = models.ForeignKey(Source, models.CASCADE, related_name="write_keys")
    digest = models.CharField(max_length=64, unique=True, editable=False, help_text="SHA-256 of the key, in hex.")
    hint = models.CharField(max_length=4, editable=False, help_text="The last four characters of the key.")
    created_at = models.DateTimeField(auto_now_add=True)
    valid_until = models.DateTimeField(null=True, blank=True, help_text="Empty for a key that does not run out.")

    objects = WriteKeyQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at", "-id")

    def __str__(self) -> str:
        return f"…{self.hint}"


class SourceTally(models.Model):
    """How many messages of a source came and what became of them.

    One row for each request at first, because a counter that every request adds to would make them wait for each other;
    `integrations.tracking.tallies` adds the rows of an hour up into one.
    """

    source = models.ForeignKey(Source, models.CASCADE, db_index=False, related_name="tallies")
    at = models.DateTimeField()
    stored = models.PositiveIntegerField(default=0)
    no_account = models.PositiveIntegerField(default=0)
    duplicate = models.PositiveIntegerField(default=0)
    dropped = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    summed = models.BooleanField(default=False)

    class Meta:
        ordering = ("-at",)
        verbose_name_plural = "source tallies"
        indexes = [
            # The chart and the last message of one source.
            models.Index(fields=["source", "at"], name="tally_of_source"),
            # What has to be added up: nearly all rows are, and leave this index.
            models.Index(fields=["at"], condition=models.Q(summed=False), name="tally_to_sum"),
        ]

    def __str__(self) -> str:
        return f"{self.source_id}, {self.at:%d %b %Y %H:%M}"
