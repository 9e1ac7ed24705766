"""What runs by the clock. The code is the truth: `sync_schedules` makes the database agree with it.

There is one schedule, the tick. It asks the tables what is due (the daily refresh at the workspace's local time, what a
lost wake-up left behind), because django-q2's own schedules drift when clocks change.
"""

from __future__ import annotations

from core import jobs

TICK = ("tick", "csbox.tasks.tick")


def sync() -> None:
    """Create or mend the tick, and remove every other schedule."""
    jobs.schedule_every_minute(*TICK)
