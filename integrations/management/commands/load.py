"""Load a CSV or Excel file."""

from __future__ import annotations

import datetime as dt
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from core.clock import moment
from core.intake import BadValue, clean_datetime
from integrations.loading import Order, load_file
from integrations.mapping import FIELDS, KINDS, BadMapping, MappingFile
from integrations.reading import FieldError
from integrations.sources.files import NotReadable
from integrations.terminal import report, stoppable, watching

EXPLAIN = """
Columns are found by their usual names. Others: --map "Company name=name", or --map COLUMN= to leave one out.
Fields:
""" + "\n".join(f"  {kind}: {', '.join(fields)}" for kind, fields in FIELDS.items())
EXPLAIN += """
Besides: custom.KEY for an attribute, properties.KEY for an event. An event row is one event, whatever its cells count.

Good rows are loaded; every bad row goes to the rejects file with its line, column and reason. An empty cell leaves the
value as it is. Rows without a time of their own ("at") are true as of now, or as of --as-of.
Exit code: 0 when a row was taken or there was none, 1 when none could be taken, 130 after Ctrl-C.
"""


class Command(BaseCommand):
    """`manage.py load accounts|users|relationships|subscriptions|events FILE.csv[.gz]`."""

    help = "Load a CSV (also gzip) or Excel file of accounts, users, relationships, subscriptions or events."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        """Keep the lines of the explanation."""
        return super().create_parser(
            prog_name, subcommand, epilog=EXPLAIN, formatter_class=RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What, from where, and how."""
        parser.add_argument("kind", choices=KINDS)
        parser.add_argument("file", type=Path)
        parser.add_argument("--map", action="append", default=[], metavar="COLUMN=FIELD", help="May be given often.")
        parser.add_argument("--mapping", type=Path, help="A mapping file (JSON).")
        parser.add_argument("--date-format", help="For example %%d/%%m/%%Y; a time of day may follow the date.")
        parser.add_argument("--encoding", help="If it is neither UTF-8 nor marked: cp1252, latin-1, utf-16, ...")
        parser.add_argument("--as-of", help="When the rows were true, for example 2026-11-22T09:30.")
        parser.add_argument("--source", default="", help="Where the values come from; kept with each value.")
        parser.add_argument("--rejects", type=Path, help="Where bad rows go (default: FILE.rejects.csv).")
        parser.add_argument("--batch", type=int, default=2_000, help="Rows in one transaction (2000).")
        parser.add_argument("--dry-run", action="store_true", help="Check everything, keep nothing.")
        parser.add_argument("--new-attributes", action="store_true", help="Make attributes of unknown columns.")
        parser.add_argument("--create-missing", action="store_true", help="Make accounts and users that rows name.")
        parser.add_argument("--clear-empty", action="store_true", help="An empty cell clears the value.")
        parser.add_argument("--no-refresh", action="store_true", help="Leave figures and segments for later.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Load the file, say what became of it, refresh what follows from it."""
        order = self._order(options)
        began = time.monotonic()
        try:
            with watching(f"Loading {order.kind}") as watch, stoppable() as stop:
                summary = load_file(order, watch=watch, stop=stop)
        except (NotReadable, BadMapping, FieldError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(
                f"{error.filename or order.path}: {error.strerror}. --rejects names another place."
            ) from error
        for line in report(order, summary, time.monotonic() - began):
            self.stdout.write(line)
        if summary.rows and not summary.good_rows:
            raise CommandError("No row could be loaded.")
        if not (order.dry_run or options["no_refresh"]):
            call_command("refresh", trigger="data", stdout=self.stdout)
        if summary.stopped:
            raise CommandError("Stopped before the end of the file; run it again to go on.", returncode=130)

    def _order(self, options: dict[str, Any]) -> Order:
        overrides = {}
        for text in options["map"]:
            column, equals, name = text.rpartition("=")
            if not equals:
                raise CommandError(f"--map {text}: write COLUMN=field, or COLUMN= to leave a column out.")
            overrides[column] = name.strip()
        if not 1 <= options["batch"] <= 50_000:
            raise CommandError("--batch must be from 1 to 50,000.")
        try:
            mapping = MappingFile.read(options["mapping"]) if options["mapping"] else MappingFile()
            as_of = clean_datetime(options["as_of"], moment().zone) if options["as_of"] else None
        except (BadMapping, BadValue) as error:
            raise CommandError(str(error)) from error
        if as_of and as_of > dt.datetime.now(dt.UTC):
            raise CommandError("--as-of lies in the future.")
        path: Path = options["file"]
        names = (
            "date_format",
            "encoding",
            "source",
            "batch",
            "dry_run",
            "new_attributes",
            "create_missing",
            "clear_empty",
        )
        return Order(
            options["kind"],
            path,
            mapping,
            overrides,
            as_of=as_of,
            rejects=options["rejects"] or path.with_name(f"{path.name}.rejects.csv"),
            **{name: options[name] for name in names},
        )
