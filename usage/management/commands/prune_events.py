"""Drop the events of old months now, and say what is gone."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from core.clock import moment
from usage.retention import first_kept, prune_events


class Command(BaseCommand):
    """`manage.py prune_events [--months N]`."""

    help = (
        "Drop the events of months that are older than CSBOX_EVENT_MONTHS allows (the daily task does it too). "
        "Daily counts, last-seen times and receipts stay."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Another number of months than the setting's."""
        parser.add_argument("--months", type=int, help="Keep this month and so many whole months before it.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Drop, then one line."""
        months = settings.EVENT_MONTHS if options["months"] is None else options["months"]
        if months < 0 or options["months"] == 0:
            raise CommandError("Keep at least 1 month: --months 1.")
        if not months:
            self.stdout.write("Events are kept for good. Set CSBOX_EVENT_MONTHS, or give --months.")
            return
        today = moment().today
        gone = prune_events(today, months)
        self.stdout.write(f"{len(gone)} months before {first_kept(today, months):%B %Y} dropped.")
