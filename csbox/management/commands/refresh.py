"""Refresh everything now, in this process: usage, billing, traits, segments."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection

from accounts.models import Account, EndUser, Relationship, Subscription
from csbox.pipeline import refresh_everything
from segments.models import RefreshRun
from usage.models import DailyUsage, Event, UserActivity

LOADED = (Account, EndUser, Relationship, Subscription, DailyUsage, Event, UserActivity)


class Command(BaseCommand):
    """The whole pipeline, as the daily task runs it; what a load calls when it is done."""

    help = "Bring usage, billing, traits and segments up to date."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Why, for the run's record."""
        parser.add_argument("--trigger", choices=RefreshRun.Trigger.values, default=RefreshRun.Trigger.HAND)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run it, and say in one line what it did."""
        with connection.cursor() as cursor:  # after a load nobody has counted the rows yet, and plans would be bad
            cursor.execute("ANALYZE " + ", ".join(model._meta.db_table for model in LOADED))
        run = refresh_everything(options["trigger"])
        self.stdout.write(
            f"Usage and billing are up to date, {run.done:,} segments refreshed."
            f" {run.joined:,} accounts joined and {run.left:,} left."
        )
