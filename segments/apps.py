"""Groups of accounts by rule, with the history of who was in."""

from __future__ import annotations

from django.apps import AppConfig


class SegmentsConfig(AppConfig):
    """Groups of accounts by rule, with the history of who was in."""

    name = "segments"
    default_auto_field = "django.db.models.BigAutoField"
