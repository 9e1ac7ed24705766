"""Whether the database answers: asked by one request at a time, and waited for no longer than an SDK waits.

A connection that is refused or cut fails by itself. One that swallows what is sent (a firewall that forgot it, a server
that is frozen) would be waited for without end, so that this process cuts it.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass

import psycopg
from django.db import InterfaceError, OperationalError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

PAUSE = 5.0  # seconds for which a database that did not answer is not asked again
PATIENCE = 4.5  # seconds for one request, so that it is answered within five, before any SDK gives up
SILENCE = 1.5  # seconds for the question whether a connection still works; to make a new one takes up to three more
_READ_ONLY = "25006"  # a standby, or a server that gave its part to another one
_TICK, _IDLE = 0.25, 40  # seconds between two looks of the watch, and looks without work after which it ends
_asking, _watching = threading.Lock(), threading.Lock()


@dataclass
class _State:
    away_until: float = 0.0  # by the monotonic clock; 0 while the database answers
    watch: threading.Thread | None = None


_state = _State()
_watched: dict[object, tuple[float, BaseDatabaseWrapper]] = {}


def sqlstate(error: BaseException) -> str:
    """PostgreSQL's five-character code of an error; empty for one that it never saw."""
    return str(getattr(error.__cause__ or error, "sqlstate", "") or "")


def is_away(error: BaseException) -> bool:
    """True if it is the database that fails, or that does not write for now, and not what it was asked."""
    return isinstance(error, OperationalError | InterfaceError) or sqlstate(error) == _READ_ONLY


def may_ask() -> bool:
    """False while the database is away. Every few seconds one request may ask for all others whether it is back; that
    one says what it found with `note_there` or `note_away`.
    """
    if not _state.away_until:
        return True
    with _asking:
        now = time.monotonic()
        if now < _state.away_until:
            return False
        _state.away_until = now + PATIENCE + PAUSE  # the next one asks if nothing is heard of this one
        return True


def note_away() -> None:
    """The database has just not answered. Its connection is given up: behind its name may be another server by now."""
    _state.away_until = time.monotonic() + PAUSE
    if not connection.in_atomic_block:
        connection.close()


def note_unknown() -> None:
    """Whoever was to ask did not learn anything; the next request asks."""
    if _state.away_until:
        _state.away_until = time.monotonic()


def note_there() -> None:
    """The database has just answered."""
    _state.away_until = 0.0


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Cut this thread's connection if the block is not over by then; what waits for the database then fails."""
    until = time.monotonic() + seconds
    with _cut_at(time.monotonic() + SILENCE):
        connection.close_if_health_check_failed()
        connection.ensure_connection()
    with _cut_at(until):
        yield


@contextmanager
def _cut_at(until: float) -> Iterator[None]:
    key = object()
    with _watching:
        _watched[key] = (until, connections["default"])
        if _state.watch is None or not _state.watch.is_alive():
            _state.watch = threading.Thread(target=_watch, daemon=True)
            _state.watch.start()
    try:
        yield
    finally:
        with _watching:  # so that a connection is never cut under the next request
            del _watched[key]


def _watch() -> None:
    idle = 0
    while True:
        time.sleep(_TICK)
        with _watching:
            idle = 0 if _watched else idle + 1
            if idle > _IDLE:
                _state.watch = None
                return
            now = time.monotonic()
            for until, wrapper in _watched.values():
                if now > until:
                    _cut(wrapper)


def _cut(wrapper: BaseDatabaseWrapper) -> None:
    """End a connection under the thread that waits for it; while it is being made, `connect_timeout` ends that."""
    gone = suppress(OSError, psycopg.Error, AttributeError)  # there is none, or it is closed
    with gone, closing(socket.socket(fileno=os.dup(wrapper.connection.fileno()))) as end:
        end.shutdown(socket.SHUT_RDWR)
