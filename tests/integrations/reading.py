"""Running the commands and finding the real data sets, for the tests of this folder."""

from __future__ import annotations

import csv
import os
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

ROOT = Path(__file__).resolve().parent.parent.parent


def data_set(name: str) -> Path:
    """The folder of a real data set; the test is skipped where there is none, or fails where it is required."""
    base = Path(os.environ.get("CSBOX_DATASETS") or ROOT.parent / "shared" / "data")
    if not (base / name).is_dir():
        why = f"there is no {base / name}; CSBOX_DATASETS names the folder of the data sets"
        if os.environ.get("CSBOX_REQUIRE_DATASETS") == "1":
            raise FileNotFoundError(f"CSBOX_REQUIRE_DATASETS=1, and {why}")
        pytest.skip(why, allow_module_level=True)
    return base / name


def run(*arguments: Any, **options: Any) -> str:
    """What a command says."""
    out = StringIO()
    call_command(*map(str, arguments), stdout=out, **options)
    return out.getvalue()


def rejected(path: Path) -> list[tuple[int, str, str]]:
    """Line, column and reason of the bad rows of a file."""
    with path.with_name(path.name + ".rejects.csv").open(
        encoding="utf-8", errors="surrogateescape", newline=""
    ) as file:
        return [(int(row["line"]), row["column"], row["reason"]) for row in csv.DictReader(file)]
