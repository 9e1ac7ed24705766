"""What every app stands on: the embedded database, the queue, locks, health checks, the sanitising edge."""

from __future__ import annotations

from django.apps import AppConfig


class CoreConfig(AppConfig):
    """What every app stands on: the embedded database, the queue, locks, health checks, the sanitising edge."""

    name = "core"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Load the system checks."""
        from core import checks  # noqa: F401
