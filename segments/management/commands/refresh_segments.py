"""Refresh segments now, in this process, and say what changed."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from segments.models import RefreshRun, Segment
from segments.refresh import refresh_segments
from segments.subjects import subject_of


class Command(BaseCommand):
    """`manage.py refresh_segments [KEY ...]`: all segments, or the named ones."""

    help = "Refresh the members of all segments, or of those whose keys are given."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The keys."""
        parser.add_argument("keys", nargs="*", metavar="KEY", help="A segment's key; none means all.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Refresh, then one line per segment; exit 1 if one is frozen."""
        chosen = list(Segment.everything.filter(key__in=options["keys"])) if options["keys"] else None
        if chosen is not None and (unknown := set(options["keys"]) - {segment.key for segment in chosen}):
            raise CommandError(f"There is no segment {', '.join(sorted(unknown))}.")
        run = refresh_segments(RefreshRun.Trigger.HAND, segments=chosen)
        for done in run.refreshes.select_related("segment").order_by("segment__position", "pk"):
            moved = f"{done.joined:,} joined, {done.left:,} left"
            text = f"{done.segment.name}: {done.members:,} {subject_of(done.segment).many}, {moved}"
            self.stdout.write(
                f"{text}, {done.duration_ms:,.0f} ms" if not done.error else f"{done.segment.name}: {done.error}"
            )
        self.stdout.write(f"{run.done:,} segments refreshed. {run.joined:,} members joined and {run.left:,} left.")
        if run.state == RefreshRun.State.FAILED:
            raise CommandError("A segment is frozen; its members are the last good ones. Mend its rule.")
