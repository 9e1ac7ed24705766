"""Erase a user or an account on the command line."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models.privacy import DataSubject
from accounts.privacy.erasing import NothingHeld, continue_erasures, plan_erasure, request_erasure
from core.intake import BadValue


class Command(BaseCommand):
    """`manage.py erase user|account EXTERNAL_ID [--dry-run] [--with-users]`."""

    help = "Erase everything that is held about a user or an account, for good, and keep the id out afterwards."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whom, and whether only to look."""
        parser.add_argument("kind", choices=DataSubject.values)
        parser.add_argument("external_id", help="The id in your own systems.")
        parser.add_argument("--dry-run", action="store_true", help="Say what would go; change nothing.")
        parser.add_argument(
            "--with-users", action="store_true", help="Of an account: erase its users who belong to no other too."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Look, or erase and say what went."""
        kind, external_id = options["kind"], options["external_id"]
        try:
            plan = plan_erasure(kind, external_id)
            if options["dry_run"]:
                return self.tell(plan.rows, plan.only_here if options["with_users"] else [])
            made = request_erasure(kind, external_id, by="manage.py erase", with_users=options["with_users"])
        except (BadValue, NothingHeld) as error:
            raise CommandError(str(error)) from error
        continue_erasures()
        made.refresh_from_db()
        self.stdout.write(f"Erased: {made.rows:,} rows.")
        for name, number in sorted(made.removed.items()):
            self.stdout.write(f"  {name}: {number:,}")

    def tell(self, rows: list[tuple[str, int]], users: list[str]) -> None:
        """What a dry run found."""
        self.stdout.write(f"Would erase {sum(number for _, number in rows):,} rows:")
        for label, number in rows:
            self.stdout.write(f"  {label}: {number:,}")
        if users:
            self.stdout.write(f"and {len(users):,} users who belong to no other account: {', '.join(users[:20])}")
