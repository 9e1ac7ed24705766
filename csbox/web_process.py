"""What gunicorn's processes do beside serving (its `--config`): say that they are ready."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

READY = "CSBOX_READY_FILE"


def post_worker_init(worker: Any) -> None:
    """The application is loaded: touch the file that the process which started us waits for, if it does."""
    if place := os.environ.get(READY):
        with contextlib.suppress(OSError):  # it has waited long enough and is gone
            Path(place).touch()
