"""Erase again, after a restore, what an older backup brought back."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.privacy.erasing import reapply_erasures
from accounts.privacy.ledger import LedgerDamaged, ledger_path


class Command(BaseCommand):
    """`manage.py reapply_erasures`: call it after every restore, before anybody works again."""

    help = "Erase again what a restored backup brought back, by erasures.log in CSBOX_DATA_DIR."

    def handle(self, *args: Any, **options: Any) -> None:
        """Read the log, erase, say what was done."""
        try:
            done = reapply_erasures()
        except LedgerDamaged as error:
            raise CommandError(str(error)) from error
        if not done.entries:
            self.stdout.write(f"{ledger_path()} names no erasure in force. Nothing to do.")
            return
        self.stdout.write(
            f"{done.entries:,} erasures in force, {done.added:,} of them new to this database; "
            f"{done.erased:,} erased again."
        )
        if done.unreadable:
            raise CommandError(
                f"{done.unreadable:,} erasures were made with another secret key and cannot be compared. "
                "Put that key into CSBOX_SECRET_KEY_FALLBACKS and run this again."
            )
