"""`manage.py run`: a small installation on one machine. Pages and worker together, behind a proxy that speaks HTTPS."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

from core import processes
from csbox import preparing, serving
from csbox.environment import number


class Command(BaseCommand):
    """Bring the tables up to date, then serve and work until stopped. Loads no data and makes no log-in."""

    help = "Bring the tables up to date, then serve the pages and run the worker until stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        """Where to listen, and with how much."""
        parser.add_argument("--host", default="127.0.0.1", help="Address to listen on (127.0.0.1).")
        parser.add_argument(
            "--port", type=int, default=number("CSBOX_PORT", 8000), help="Port to listen on (CSBOX_PORT, else 8000)."
        )
        parser.add_argument("--processes", type=int, default=2, help="Web processes (2).")
        parser.add_argument("--threads", type=int, default=4, help="Threads in each (4).")
        parser.add_argument("--no-worker", action="store_true", help="Pages only: the worker runs elsewhere.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Prepare, serve, end."""
        place = f"http://{options['host']}:{options['port']}"
        with preparing.only_one("run"):
            listener = serving.claim_port(options["host"], options["port"])
            preparing.announce_place("run", place)
            processes.adopt_orphans()
            preparing.database()
            if not settings.DEBUG:
                with preparing.step("Static files"):
                    call_command("collectstatic", interactive=False, verbosity=0)
            children = [serving.web(listener, options["processes"], options["threads"])]
            if not options["no_worker"]:
                children.append(serving.background())
            serving.until_stopped(children, lambda: preparing.console.print(f"csbox serves on {place}"))
