"""What comes in from other systems and what goes out to them."""

from __future__ import annotations

from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    """What comes in from other systems and what goes out to them."""

    name = "integrations"
    default_auto_field = "django.db.models.BigAutoField"
