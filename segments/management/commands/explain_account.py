"""Say why an account is in a segment, or why not, on the command line."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import Account
from segments.explaining import explain_segment
from segments.models import Segment
from segments.rules.explain import Outcome
from segments.rules.tree import RuleError


class Command(BaseCommand):
    """`manage.py explain_account EXTERNAL_ID [SEGMENT_KEY ...]`: every segment, or the named ones."""

    help = "Say for each segment why an account is in it, or why not."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The account and the segments."""
        parser.add_argument("account", help="The account's id in your own systems.")
        parser.add_argument("segments", nargs="*", metavar="SEGMENT", help="Keys of segments; none means all.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one tree per segment."""
        account = Account.objects.live().filter(external_id=options["account"])
        if not account.exists():
            raise CommandError(f"There is no live account “{options['account']}”.")
        segments = Segment.objects.in_tab_order()
        if options["segments"]:
            segments = segments.filter(key__in=options["segments"])
            if unknown := set(options["segments"]) - {segment.key for segment in segments}:
                raise CommandError(f"There is no segment {', '.join(sorted(unknown))}.")
        for segment in segments:
            try:
                found = explain_segment(segment, account)
            except RuleError as error:
                self.stdout.write(f"{segment.name}: {error}")
                continue
            if found:
                self.stdout.write(f"{segment.name}: {found.headline}")
                self.tell(found.outcome, 1)

    def tell(self, outcome: Outcome, level: int) -> None:
        """A node, and what is below it."""
        below = outcome.outcomes
        if outcome.kind != "group" or level > 1:
            value = f" ({outcome.actual})" if outcome.actual else ""
            self.stdout.write(f"{'  ' * level}{'yes' if outcome.met else 'no '}  {outcome.needed}{value}")
        for row in outcome.rows:
            self.stdout.write(f"{'  ' * (level + 1)}{'yes' if row.met else 'no '}  {row.title}")
        for child in below:
            self.tell(child, level + 1 if outcome.kind == "group" and level > 1 else level)
