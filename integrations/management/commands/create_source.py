"""`manage.py create_source NAME`: a source of messages and its write key, which is printed once."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.intake import BadValue
from integrations.tracking.keys import create_source


class Command(BaseCommand):
    """Make a source and print its write key."""

    help = "Make a source of messages and print its write key, which is shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        """The name, and a key of one's own."""
        parser.add_argument("name", help="What people call it, for example “Web app”.")
        parser.add_argument("--write-key", default="", help="A key of your own (16 to 128 characters).")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make, print."""
        try:
            source, key = create_source(options["name"], key=options["write_key"])
        except BadValue as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Source   {source.name} ({source.key})")
        self.stdout.write(f"Key      {key}")
        self.stdout.write("Send to  /v1/batch on this server. The key is not shown again; it can be replaced.")
