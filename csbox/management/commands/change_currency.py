"""Change the workspace's currency on the command line."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.intake import BadValue, clean_currency
from csbox.evaluating import evaluate_waiting
from csbox.workspace import convert_money, look_at


class Command(BaseCommand):
    """`manage.py change_currency EUR [--rate 0.92]`."""

    help = "Change the workspace's currency: rates, subscriptions, accounts and segments go over at once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The currency, and what the present one is worth in it."""
        parser.add_argument("currency", help="A code such as EUR.")
        parser.add_argument("--rate", help="What 1 of the present currency is worth in it; else the known rate.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Convert, and evaluate what that changes."""
        try:
            code = clean_currency(options["currency"])
            changed = convert_money(code, options["rate"])
        except BadValue as error:
            raise CommandError(str(error)) from error
        evaluate_waiting()
        self.stdout.write(f"The currency is {code}; {changed:,} subscriptions have a new value. {look_at()}")
