"""Segments as a file: write it, review it, apply it."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from segments.applying import apply_segments
from segments.models import Segment
from segments.textform import TextError, read_text, write_text


class Command(BaseCommand):
    """`manage.py segments export [FILE]` and `segments apply FILE [--dry-run] [--prune]`; “-” is the terminal."""

    help = "Write all segments to a YAML file, or make them those of a file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One of two things to do."""
        doing = parser.add_subparsers(dest="do", required=True)
        export = doing.add_parser("export", help="Write the segments, in their order.")
        export.add_argument("file", nargs="?", default="-", help="Where to; the terminal if left out.")
        export.add_argument("--only", nargs="+", metavar="KEY", help="Only the segments with these keys.")
        apply = doing.add_parser("apply", help="Make and change segments so that they are those of the file.")
        apply.add_argument("file", help="What to apply; “-” reads the terminal.")
        apply.add_argument("--dry-run", action="store_true", help="Say what would change and change nothing.")
        apply.add_argument("--prune", action="store_true", help="Delete segments that are not in the file.")
        apply.add_argument("--reason", default="", help="Kept with the versions that are made.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it; what is wrong with a file is one sentence."""
        try:
            (self.export if options["do"] == "export" else self.apply)(**options)
        except (TextError, OSError, UnicodeDecodeError) as error:
            raise CommandError(f"Nothing was changed. {error}") from error

    def export(self, *, file: str, only: list[str] | None, **_: Any) -> None:
        """Write the file."""
        segments = list(Segment.objects.in_tab_order())
        if unknown := set(only or ()) - {segment.key for segment in segments}:
            raise CommandError(f"There is no segment {', '.join(sorted(unknown))}.")
        chosen = [segment for segment in segments if only is None or segment.key in only]
        text = write_text(chosen)
        if file == "-":
            self.stdout.write(text, ending="")
            return
        Path(file).write_text(text, encoding="utf-8")
        self.stdout.write(f"{len(chosen):,} segments written to {file}.")

    def apply(self, *, file: str, dry_run: bool, prune: bool, reason: str, **_: Any) -> None:
        """Say what differs, line by line, and do it."""
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
        done = apply_segments(read_text(text), prune=prune, dry_run=dry_run, reason=reason)
        for line in done.lines:
            self.stdout.write(line)
        counts = (
            f"{len(done.made):,} made, {len(done.changed):,} changed, {len(done.deleted):,} deleted, "
            f"{f'{len(done.moved):,} moved, ' if done.moved else ''}{len(done.kept):,} as they were."
        )
        self.stdout.write(f"Dry run, nothing was changed: {counts}" if dry_run else counts)
