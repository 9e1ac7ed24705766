"""`manage.py drain_spool`: record the requests that this machine kept while the database was away."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from integrations.tracking import spool


class Command(BaseCommand):
    """What the worker and the web processes do by themselves, by hand."""

    help = "Record the requests that this machine kept on its disk while the database was away."

    def handle(self, *args: Any, **options: Any) -> None:
        """Drain, and say what was done and what is left."""
        done = spool.drain()
        aside = len(list((spool.folder() / "aside").glob("*.json")))
        self.stdout.write(f"{done} requests recorded or set aside, {len(spool.waiting())} waiting.")
        if aside:
            self.stdout.write(f"{aside} lie in {spool.folder() / 'aside'}, each with its reason beside it.")
