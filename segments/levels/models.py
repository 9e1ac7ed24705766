"""The rule of an account level."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from accounts.models import AccountLevel
from core.models import Timestamped


class LevelRule(Timestamped):
    """Which accounts have a level; the order of the levels is their own. `error` says why the rule cannot be run."""

    level = models.OneToOneField(AccountLevel, models.CASCADE, related_name="rule")
    rule = models.JSONField(default=dict, blank=True)
    active = models.BooleanField(default=True)
    error = models.CharField(max_length=500, blank=True, editable=False)
    held = models.CharField(
        max_length=300, blank=True, default="", db_default="", editable=False, help_text="Why the rule waits for data."
    )
    decided_at = models.DateTimeField(null=True, editable=False)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )

    class Meta:
        ordering = ("level__position", "level__key")

    def __str__(self) -> str:
        return str(self.level)
