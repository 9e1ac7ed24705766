"""Load one of the known data sets."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from accounts.models import Account, EndUser, Relationship, Subscription
from integrations.datasets import DATASETS, load_step
from integrations.mapping import BadMapping
from integrations.reading import FieldError
from integrations.sources.files import NotReadable
from integrations.terminal import report, stoppable, watching
from usage.models import Event


class Command(BaseCommand):
    """`manage.py load_dataset ravenstack|openstack-nova FOLDER`."""

    help = "Load a known data set from its folder, with its own dates. A second run changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which, and from where."""
        parser.add_argument("name", choices=sorted(DATASETS))
        parser.add_argument("folder", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        """Load file after file, then say how much there is."""
        data_set = DATASETS[options["name"]]
        for step in data_set.steps:
            began = time.monotonic()
            try:
                with watching(f"Loading {step.mapping.replace('_', ' ')}") as watch, stoppable() as stop:
                    order, summary = load_step(data_set, step, options["folder"], watch=watch, stop=stop)
            except (NotReadable, BadMapping, FieldError) as error:
                raise CommandError(str(error)) from error
            for line in report(order, summary, time.monotonic() - began):
                self.stdout.write(line)
            if summary.stopped:
                raise CommandError("Stopped before the end; run it again to go on.", returncode=130)
        call_command("refresh", trigger="data", stdout=self.stdout)
        counts = [(model._meta.verbose_name_plural, model._default_manager.count())
                  for model in (Account, EndUser, Relationship, Subscription, Event)]  # fmt: skip
        self.stdout.write("Now there are " + ", ".join(f"{count:,} {name}" for name, count in counts) + ".")
