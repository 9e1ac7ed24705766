"""Write the rules reference of the manual, or say that it is stale."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from segments.reference import PLACE, reference


class Command(BaseCommand):
    """`manage.py rules_reference` prints the page; `--write` puts it in the manual; `--check` fails if it is stale."""

    help = "The reference of fields and operators, made from what the program has."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Write or check; neither prints."""
        doing = parser.add_mutually_exclusive_group()
        doing.add_argument("--write", action="store_true", help="Write docs/rules.md.")
        doing.add_argument("--check", action="store_true", help="Fail if docs/rules.md is not up to date.")

    def handle(self, *args: Any, **options: Any) -> None:
        """One of the three."""
        text = reference()
        if options["write"]:
            PLACE.write_text(text, encoding="utf-8")
            self.stdout.write(f"{PLACE.name} written, {text.count(chr(10)):,} lines.")
        elif not options["check"]:
            self.stdout.write(text, ending="")
        elif not PLACE.exists() or PLACE.read_text(encoding="utf-8") != text:
            raise CommandError(f"docs/{PLACE.name} is stale. Run: manage.py rules_reference --write")
        else:
            self.stdout.write(f"docs/{PLACE.name} is up to date.")
