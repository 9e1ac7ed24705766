"""`manage.py work`: the background worker, under its supervisor. Run one a machine, under systemd or the like."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from core import jobs, processes
from core.supervisor import Limits, Progress, Supervisor
from csbox import schedules
from integrations.tracking import spool


class Command(BaseCommand):
    """Run the background worker and start it anew when it stalls."""

    help = "Run the background worker and start it anew when it stalls."

    def add_arguments(self, parser: CommandParser) -> None:
        """`--cluster` is for the supervisor's own use."""
        parser.add_argument("--cluster", type=Path, help=argparse.SUPPRESS)
        parser.add_argument(
            "--grace", type=float, default=30.0, help="Seconds that running tasks get when the worker is stopped."
        )
        parser.add_argument(
            "--patience", type=float, default=30.0, help="Seconds without progress after which it is started anew."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Be the supervisor, or (started by it) the cluster."""
        if options["cluster"]:
            progress = Progress(options["cluster"])
            processes.end_family_with_parent()
            jobs.run_cluster(progress.take, progress.done, progress.saved)
            return
        schedules.sync()
        spool.drain()  # what was kept when this machine went down
        patience = options["patience"]
        limits = Limits(idle=patience, silent=patience * 2)
        Supervisor(limits, options["grace"]).run()
