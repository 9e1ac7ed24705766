"""What a load shows while it runs: a bar on a terminal, plain lines elsewhere, and a summary at the end."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from integrations.ledger import Progress, Summary
from integrations.loading import Order

EVERY = 5.0  # seconds between plain lines


@contextmanager
def watching(title: str) -> Iterator[Callable[[Progress], None]]:
    """A function that shows how far the load has come, in bytes of the file."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield _plain_lines(title)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console) as bar:
        task = bar.add_task(title, total=None)

        def show(progress: Progress) -> None:
            words = f"{title}: {progress.rows:,} rows" + (f", {progress.bad:,} bad" if progress.bad else "")
            bar.update(task, total=progress.size, completed=progress.place, description=words)

        yield show


def _plain_lines(title: str) -> Callable[[Progress], None]:
    last = time.monotonic()

    def show(progress: Progress) -> None:
        nonlocal last
        if time.monotonic() - last >= EVERY:
            last = time.monotonic()
            share = 100 * progress.place // max(progress.size, 1)
            sys.stderr.write(f"{title}: {progress.rows:,} rows, {progress.bad:,} bad, {share} %\n")

    return show


@contextmanager
def stoppable() -> Iterator[Callable[[], bool]]:
    """Tells whether Ctrl-C was pressed. The batch in hand is finished first; a second one ends at once."""
    pressed = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True
        sys.stderr.write("\nStopping after this batch.\n")

    before: Any = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)


def report(order: Order, summary: Summary, seconds: float) -> list[str]:
    """The lines that say what became of the file."""
    words = {"events": ("stored", "known already")}.get(order.kind, ("created", "unchanged"))
    counts = [f"{summary.created:,} {words[0]}"]
    if order.kind != "events":
        counts.append(f"{summary.updated:,} updated")
    counts.append(f"{summary.unchanged:,} {words[1]}")
    lines = [
        f"{order.path.name}: {summary.rows:,} rows in {seconds:.1f} s. {', '.join(counts)}, {summary.bad_rows:,} bad."
    ]
    if summary.homeless:
        lines.append(f"{summary.homeless:,} events belong to no account: their users are in none or in several.")
    if summary.made:
        lines.append(f"New attributes: {', '.join(summary.made)}.")
    if summary.unknown:
        lines.append(
            f"Columns left out: {', '.join(summary.unknown)}. --new-attributes makes attributes of them, "
            "--map COLUMN=field names a field."
        )
    lines += summary.first_problems
    if summary.bad_rows and order.rejects is not None:
        lines.append(f"Every bad row with its reason: {order.rejects}")
    if order.dry_run:
        lines.append("This was a dry run: nothing was kept.")
    return lines
