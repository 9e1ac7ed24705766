"""Fill an empty installation with an invented company."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import Account
from integrations.demo import load_company

MOST = 5_000


class Command(BaseCommand):
    """`manage.py load_demo [--accounts 80] [--seed 7] [--force]`."""

    help = "Load an invented company, the same for the same seed and day. Does nothing if there are accounts."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How many, from which seed, and whether to add to what is there."""
        parser.add_argument("--accounts", type=int, default=80, help="How many accounts to invent (80).")
        parser.add_argument("--seed", type=int, default=7, help="The same seed gives the same company (7).")
        parser.add_argument("--force", action="store_true", help="Add the company to the accounts that exist.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Load, with one line per step."""
        if not 8 <= options["accounts"] <= MOST:
            raise CommandError(f"--accounts must be from 8 to {MOST:,}.")
        if Account.objects.exists() and not options["force"]:
            self.stdout.write("There are accounts already; nothing was loaded. --force adds the demo company to them.")
            return
        load_company(options["accounts"], options["seed"], say=self.stdout.write)
