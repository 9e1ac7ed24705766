"""That somebody was told of what is held for a silent feed: once for each silence and person."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from usage.feeds.models import FeedSilence


class HoldNotice(models.Model):
    """What one person was told about one silence; `segments` are the names of what is held of
    theirs: segments, alert rules, milestones, health configs."""

    silence = models.ForeignKey(FeedSilence, models.CASCADE, related_name="notices")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, db_index=False, related_name="+")
    segments = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        constraints = [models.UniqueConstraint(fields=["user", "silence"], name="one_notice_of_silence_and_user")]

    def __str__(self) -> str:
        return f"{self.user}: {self.silence}"
