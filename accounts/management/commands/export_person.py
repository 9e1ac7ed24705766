"""Write everything that is held about a user or an account to a file."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.models.privacy import DataExport, DataSubject
from accounts.privacy.digests import digest
from accounts.privacy.exporting import write_zip
from accounts.privacy.holdings import find_subject
from core.intake import BadValue, clean_id


class Command(BaseCommand):
    """`manage.py export_person EXTERNAL_ID FILE.zip [--kind account]`."""

    help = "Write everything that is held about a user (or an account) to a zip with a page to read, CSV and JSON."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whom, and where to."""
        parser.add_argument("external_id", help="The id in your own systems.")
        parser.add_argument("file", type=Path, metavar="FILE.zip")
        parser.add_argument("--kind", choices=DataSubject.values, default=DataSubject.USER.value)

    def handle(self, *args: Any, **options: Any) -> None:
        """Write and log."""
        kind, path, now = options["kind"], options["file"], timezone.now()
        try:
            subject = find_subject(kind, clean_id(options["external_id"]))
        except BadValue as error:
            raise CommandError(str(error)) from error
        if not subject.pk:
            raise CommandError(f"There is no {kind} with this id.")
        try:
            with path.open("xb") as file:
                rows = write_zip(subject, file, now=now)
        except FileExistsError as error:
            raise CommandError(f"{path} is there already. Name another file.") from error
        DataExport.objects.create(
            kind=kind, digest=digest(kind, subject.external_id), requested_by="manage.py export_person", rows=rows,
            size=path.stat().st_size, state=DataExport.State.GONE, ready_at=now, downloads=1,
        )  # fmt: skip
        self.stdout.write(f"{path}: {rows:,} rows about {kind} {subject.name or subject.external_id}.")
