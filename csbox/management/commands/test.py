"""`manage.py test`: pytest, with whatever arguments it is given, in this environment."""

from __future__ import annotations

import os
import sys

from django.conf import settings
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """Run every test with pytest; all arguments are pytest's."""

    help = "Run every test with pytest; all arguments are pytest's (see `manage.py test --help`)."

    def run_from_argv(self, argv: list[str]) -> None:
        """Become pytest: its settings differ from those of a command, so it must start from the beginning."""
        os.chdir(settings.BASE_DIR)
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, "-m", "pytest", *argv[2:]])
