"""Say what is odd about the segments, on the command line."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from segments.linting import TITLES, check_segments


class Command(BaseCommand):
    """`manage.py check_segments [--strict]`: rules that cannot hold, fields without data, segments alike or unused."""

    help = "Say which segments can never match, say the same thing twice, read fields without data, or resemble others."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whether remarks are an error."""
        parser.add_argument("--strict", action="store_true", help="End with an error if there is any remark.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the remarks, segment by segment."""
        found = check_segments()
        for checked in found:
            self.stdout.write(f"{checked.segment.name} ({checked.segment.key})")
            for note in checked.notes:
                self.stdout.write(f"  {TITLES[note.code]}: {note.message}")
        count = sum(len(checked.notes) for checked in found)
        summary = f"{count} remark{'' if count == 1 else 's'} on {len(found)} segment{'' if len(found) == 1 else 's'}."
        if count and options["strict"]:
            raise CommandError(summary)
        self.stdout.write(summary)
