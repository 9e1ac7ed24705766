"""`python3 manage.py demo`: from a fresh clone to a log-in page with data behind it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from rich.console import Console
from rich.markup import escape

from core import processes
from csbox import preparing, serving
from csbox.environment import number


class Command(BaseCommand):
    """Set up, load a company, serve on the loopback address, and work in the background; Ctrl-C ends it all."""

    help = "Set up, load a demo company, and serve csbox on this machine. Ctrl-C stops everything; the data stays."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """The address may not be chosen: the demo never listens to the network."""
        parser.add_argument(
            "--port",
            type=int,
            default=number("CSBOX_PORT", 8000),
            help="Where to serve on 127.0.0.1 (CSBOX_PORT, else 8000).",
        )
        parser.add_argument(
            "--accounts", type=int, default=80, help="How many accounts to invent where there are none yet (80)."
        )
        parser.add_argument(
            "--days", type=int, default=14, help="How many days of segments, health and alerts to go through (14)."
        )
        parser.add_argument("--no-serve", action="store_true", help="Prepare everything, then stop.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Each step is skipped when it has been done before, so a second start takes seconds."""
        place = f"http://127.0.0.1:{options['port']}"
        preparing.quiet_logs()
        preparing.chosen_data()  # a misspelt name is said before anything slow
        with preparing.only_one("demo"):
            listener = serving.claim_port("127.0.0.1", options["port"])
            preparing.announce("demo", place=place)
            processes.adopt_orphans()
            preparing.database()
            preparing.static_files()
            preparing.demo_data(options["accounts"])
            preparing.first_refresh(options["days"])
            user, password = preparing.log_in()
            if options["no_serve"]:
                return
            children = [serving.web(listener, workers=2, threads=4), serving.background()]
            serving.until_stopped(children, lambda: self._ready(options["port"], place, user, password))

    def _ready(self, port: int, place: str, user: str, password: str) -> None:
        if not serving.answers(port):
            preparing.console.print("[yellow]The pages do not answer yet; what went wrong stands above.[/]")
        say = Console(highlight=False, soft_wrap=True).print
        say(f"\n  csbox is at [bold]{place}[/]")
        say(f"  log in as   [bold]{user}[/]   password   [bold]{escape(password)}[/]")
        say("\n  Ctrl-C stops everything; the data stays.\n")
