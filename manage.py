#!/usr/bin/env python3
"""`python3 manage.py demo` and `python3 manage.py test` need nothing but Python 3.11: see csbox/bootstrap.py."""

import os
import sys

from csbox import bootstrap


def main() -> None:
    """Make sure of the environment, then do what Django's own manage.py does."""
    bootstrap.ensure()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "csbox.settings")
    from csbox.runner import run_command

    sys.exit(run_command(sys.argv))


if __name__ == "__main__":
    main()
