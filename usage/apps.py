"""Events, daily usage and the numbers made of them."""

from __future__ import annotations

from django.apps import AppConfig


class UsageConfig(AppConfig):
    """Events, daily usage and the numbers made of them."""

    name = "usage"
    default_auto_field = "django.db.models.BigAutoField"
