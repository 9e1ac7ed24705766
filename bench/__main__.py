"""`python -m bench refresh|list|admin|pages|events|preview|ingest|live|health|alerts|…|backtest|sync`: prints JSON."""

from __future__ import annotations

import argparse
import json
import os
import sys
from importlib import import_module
from pathlib import Path

from csbox import bootstrap

DATA = Path(os.environ.get("CSBOX_DATASETS") or Path(__file__).resolve().parent.parent.parent / "shared" / "data")
# What can be measured, with the module that does it.
MEASURED = {
    "refresh": "refresh",
    "list": "listing",
    "admin": "backoffice",
    "pages": "pages",
    "events": "events",
    "preview": "previewing",
    "ingest": "ingest",
    "live": "live",
    "health": "health",
    "alerts": "alerts",
    "foresight": "foresight",
    "alertquality": "alertquality",
    "backtest": "backtest",
    "sync": "sync",
}


def main() -> None:
    """Read the arguments, make sure of the environment, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="What the work costs on PostgreSQL.")
    parser.add_argument("what", choices=tuple(MEASURED))
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--segments", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3, help="How often each measurement is repeated.")
    parser.add_argument("--events", type=int, default=20_000, help="Messages of a round, for ingest.")
    parser.add_argument("--seconds", type=int, default=60, help="How long `live` stores events.")
    parser.add_argument("--data", type=Path, default=DATA, help="The folder of the real data sets.")
    parser.add_argument(
        "--write", action=argparse.BooleanOptionalAction, default=True, help="The page of foresight or alertquality."
    )
    parser.add_argument("--weeks", type=int, help="Only the first weeks of each history, to try alertquality.")
    parser.add_argument("--every", type=int, default=1, help="Only every so many-th rule of `preview`, to try it.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", default="csbox_bench", help="A database of this name is made and dropped again.")
    parser.add_argument(
        "--template", default="", help="Copy this migrated database, which is made if need be and stays."
    )
    parser.add_argument("--check", action="store_true", help="End with an error if a goal is missed.")
    asked = parser.parse_args()
    bootstrap.ensure()
    if asked.what == "live":  # evaluations have the worker's memory
        os.environ.setdefault("CSBOX_IS_WORKER", "1")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "csbox.settings")
    os.environ.setdefault("CSBOX_DEBUG", "0")
    os.environ.setdefault("CSBOX_STATEMENT_TIMEOUT_MS", "0")
    import_module("csbox.wsgi")  # as a process of the server has it loaded
    from bench.database import own_database

    with own_database(asked.database, asked.template):
        found = import_module(f"bench.{MEASURED[asked.what]}").measure(asked)
    json.dump(found, sys.stdout, indent=2)
    print()
    from bench.goals import missed

    if asked.check and (lines := missed(asked.what, found)):
        raise SystemExit("A goal is missed: " + "; ".join(lines))


if __name__ == "__main__":
    main()
