"""`manage.py sync_schedules`: part of every deployment; `run` and `demo` do it themselves."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from csbox import schedules


class Command(BaseCommand):
    """Make the schedule in the database agree with the code."""

    help = "Make the schedule in the database agree with the code."

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it; harmless when nothing has changed."""
        schedules.sync()
        self.stdout.write("One schedule: the tick, every minute.")
