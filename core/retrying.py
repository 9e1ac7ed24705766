"""How long to wait before a request to somebody else is repeated: urllib3's back-off, or what they asked for."""

from __future__ import annotations

import datetime as dt
import email.utils

import urllib3
from django.utils import timezone
from urllib3.util.retry import Retry


def backoff(attempts: int) -> dt.timedelta:
    """How long to rest after so many failures in a row: urllib3's exponential back-off, from half a minute to an hour,
    with a jitter so that many installations do not come back at once."""
    failed = [urllib3.util.retry.RequestHistory("GET", "", None, 503, None)] * (attempts + 1)
    rest = Retry(backoff_factor=15, backoff_max=3_600, backoff_jitter=5, history=tuple(failed)).get_backoff_time()
    return dt.timedelta(seconds=rest)


def asked_wait(header: str | None) -> dt.timedelta | None:
    """Retry-After in seconds or as a date, at least a second and at most a day."""
    text, seconds = (header or "").strip(), 0.0
    if text.isascii() and text.isdigit():
        seconds = float(text[:7])
    elif text:
        try:
            seconds = (email.utils.parsedate_to_datetime(text) - timezone.now()).total_seconds()
        except (TypeError, ValueError):
            return None
    return dt.timedelta(seconds=min(max(seconds, 1.0), 86_400.0)) if text else None
