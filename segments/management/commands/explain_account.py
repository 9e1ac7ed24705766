"""Say why an account is in a segment, or why not, on the command line."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.fields import Subject
from segments.explaining import Place, explain_segment
from segments.models import Segment
from segments.rules.outcome import Outcome
from segments.rules.tree import RuleError
from segments.subjects import ABOUT


class Command(BaseCommand):
    """`manage.py explain_account EXTERNAL_ID [SEGMENT_KEY ...]`: every segment of accounts, or the named ones."""

    help = "Say for each segment why an account is in it, or why not."
    about = ABOUT[Subject.ACCOUNT]
    path = "external_id"

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whom, and the segments."""
        parser.add_argument("member", help=f"The {self.about.column}'s id in your own systems.")
        parser.add_argument("segments", nargs="*", metavar="SEGMENT", help="Keys of segments; none means all.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one tree per segment."""
        rows = self.about.live().filter(**{self.path: options["member"]})
        if not rows.exists():
            raise CommandError(f"There is no live {self.about.column} “{options['member']}”.")
        segments = Segment.objects.filter(subject=self.about.subject).in_tab_order()
        if options["segments"]:
            segments = segments.filter(key__in=options["segments"])
            if unknown := set(options["segments"]) - {segment.key for segment in segments}:
                of = self.about.subject.many
                raise CommandError(f"There is no segment of {of} {', '.join(sorted(unknown))}.")
        for segment in segments:
            try:
                found = explain_segment(segment, rows)
            except RuleError as error:
                self.stdout.write(f"{segment.name}: {error}")
                continue
            if found:
                self.stdout.write(f"{segment.name}: {found.headline}")
                for place in found.places or (Place(found.account, found.outcome),):
                    if found.user:
                        self.stdout.write(f"  {place.account or 'no account'}: {'yes' if place.outcome.met else 'no'}")
                    self.tell(place.outcome, 2 if found.user else 1, top=True)

    def tell(self, outcome: Outcome, level: int, *, top: bool = False) -> None:
        """A node, and what is below it."""
        below = outcome.outcomes
        if outcome.kind != "group" or not top:
            known = f", as of {outcome.known_at[:10]}" if outcome.known_at else ""
            value = f" ({outcome.actual}{known})" if outcome.actual else ""
            self.stdout.write(f"{'  ' * level}{'yes' if outcome.met else 'no '}  {outcome.needed}{value}")
        for row in outcome.rows:
            self.stdout.write(f"{'  ' * (level + 1)}{'yes' if row.met else 'no '}  {row.title}")
            for child in row.outcomes:
                self.tell(child, level + 2, top=True)
        for child in below:
            self.tell(child, level + 1 if outcome.kind == "group" and not top else level)
