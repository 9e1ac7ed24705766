"""Would the stock health config have foreseen who fell silent, or cancelled? Replayed on real histories, beside baselines.

Each history is loaded month by month through the application's own load path, and after each month the application's own
refresh runs with the clock set to that month's last evening: nothing that happened later is in the database. The scores
are those that the refresh stored. The baselines are trained on the earlier half of the rows and judged, like the config,
on the later half; the config is not trained on anything.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bench.foresight import histories
from health.editing import save_config
from health.stock import DEFAULT

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "foresight.md"


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Replay both histories, compare, write the manual's page; the figures by history."""
    from bench.foresight import figures, page  # scikit-learn is in the extra “bench”

    found: dict[str, Any] = {}
    save_config(None, name="", definition=DEFAULT, reason="Taken ready-made")
    for history in (histories.Nova(asked.data / "openstack-nova"), histories.RavenStack(asked.data / "ravenstack")):
        scored = history.replay()
        found[history.name] = figures.compare(history, scored)
        history.forget()
    if asked.write:
        PAGE.write_text(page.write(found), encoding="utf-8")
    return found
