"""How much one write key may send: a bucket that fills by the second, in each web process."""

from __future__ import annotations

import math
import threading
import time

from django.conf import settings

BURST_SECONDS = 10
_buckets: dict[str, tuple[float, float]] = {}  # by digest: requests left, and when that was
_lock = threading.Lock()


def wait_for_turn(digest: str) -> int:
    """0 if the request may come in, else the whole seconds after which there is room again."""
    rate = settings.INGEST_RATE
    if not rate:
        return 0
    now = time.monotonic()
    with _lock:
        if len(_buckets) > 10_000:
            _buckets.clear()
        left, since = _buckets.get(digest, (float(rate * BURST_SECONDS), now))
        left = min(rate * BURST_SECONDS, left + (now - since) * rate)
        if left < 1:
            _buckets[digest] = (left, now)
            return max(1, math.ceil((1 - left) / rate))
        _buckets[digest] = (left - 1, now)
    return 0
