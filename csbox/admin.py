"""The back office shows the queue's failures and offers no way to put anything into the queue."""

from __future__ import annotations

from core import jobs

jobs.close_admin()
