"""`manage.py run`: a small installation on one machine. Pages and worker together, behind a proxy that speaks HTTPS."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from core import processes
from csbox import preparing, serving
from csbox.environment import number

PATIENCE = 120.0  # seconds


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
        parser.add_argument(
            "--renew",
            action="store_true",
            help="After an upgrade: have the csbox that runs here go on with the new code, without a gap.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Prepare, serve, end."""
        if options["renew"]:
            self._renew()
            return
        place = f"http://{options['host']}:{options['port']}"
        facts: dict[str, Any] = {"place": place, "pid": os.getpid(), "renewals": 0, "renewed": True}
        with preparing.only_one("run"):
            listener = serving.claim_port(options["host"], options["port"])
            processes.adopt_orphans()
            self._prepare()
            children = [serving.web(listener, options["processes"], options["threads"])]
            if not options["no_worker"]:
                children.append(serving.background())

            def ready() -> None:
                preparing.announce("run", **facts)
                preparing.console.print(f"csbox serves on {place}")

            def renewed(well: bool) -> None:
                facts.update(renewals=facts["renewals"] + 1, renewed=well)
                preparing.announce("run", **facts)
                preparing.console.print("Renewed." if well else "The new code does not start; the old one goes on.")

            serving.until_stopped(children, ready, renewed)

    def _prepare(self) -> None:
        preparing.database()
        if not settings.DEBUG:
            with preparing.step("Static files"):
                call_command("collectstatic", interactive=False, verbosity=0)

    def _renew(self) -> None:
        """Migrate with the new code while the old one serves, then tell the one that runs, and wait for it."""
        before = preparing.running("run")
        if "pid" not in before:
            raise CommandError(f"No csbox runs from {settings.BASE_DIR}. Start it with: python3 manage.py run")
        self._prepare()
        with preparing.step("New processes"):
            try:
                os.kill(before["pid"], signal.SIGUSR2)
            except OSError as error:
                raise CommandError(f"Cannot tell process {before['pid']}: {error.strerror}.") from None
            until = time.monotonic() + PATIENCE
            while (now := before | preparing.running("run"))["renewals"] == before["renewals"]:
                if time.monotonic() > until:
                    raise CommandError("The csbox that runs did not answer; its terminal or log says why.")
                time.sleep(0.1)
        if not now["renewed"]:
            raise CommandError(
                "The new code does not start, so the old one goes on; the log of the running csbox says why."
            )
