"""Requests on the disk while the database is away: acknowledged once they are there for good, recorded when it is back.

Each request is a file of its own, written under another name, flushed to the disk and then renamed, so that there are
only whole ones. They are recorded in the order in which they came. A request may be recorded twice by a crash between
the commit and the removal of its file; its message ids make that harmless. What cannot be recorded is moved to `aside`
with its reason, so that it stands in nobody's way and is not lost either.

Anybody can make up a key while nobody can look it up. So requests whose key has opened nothing on this machine yet get
a small share of the room, and the room is for what was set aside as well.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import json
import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from django.conf import settings
from django.db import Error, connection, connections
from django.utils import timezone

from integrations.models import Source, WriteKey
from integrations.tracking import keys, outages
from integrations.tracking.bodies import BadRequest
from integrations.tracking.requests import BAD_KEY, Received, take

log = logging.getLogger(__name__)
UNKNOWN_SHARE = 0.05  # of the room
KEPT_ASIDE_DAYS = 90
_UNKNOWN = "-unknown"  # in the names of requests whose key has opened nothing here yet
LONGEST_DRAIN = 60.0  # seconds for one request, after which its connection is dead
LOOK_EVERY = 2.0  # seconds between two looks whether anything waits
TRIES = 5  # of a request that the database refuses although it is there
TIDY_EVERY = 3_600.0
_state = {"looked": 0.0, "tidied": 0.0, "measured": 0.0, "bytes": 0.0, "unknown": 0.0}
_remembered: set[Path] = set()
_draining = threading.Lock()


def folder() -> Path:
    """Where requests wait; made on first use, for nobody else to read."""
    place = Path(settings.SPOOL_DIR)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    return place


def waiting() -> list[Path]:
    """The requests that wait, the first that came first."""
    return sorted(folder().glob("[0-9]*.json"))


def remember(digest: str) -> None:
    """The key with this digest has opened a source: remembered on the disk, for processes that start in an outage."""
    mark = _mark(digest)
    if mark not in _remembered:
        with contextlib.suppress(OSError):
            mark.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            mark.touch()
            _remembered.add(mark)


def _mark(digest: str) -> Path:
    return Path(settings.SPOOL_DIR) / "known" / digest


def keep_if_known(received: Received) -> bool:
    """Keep a request unless its key is known to open nothing; False if the disk has no room or fails.

    Raises BadRequest for a key that is known to open nothing. One that this process has not met is looked at later.
    """
    if keys.is_remembered(received.digest) and keys.remembered_source(received.digest) is None:
        raise BAD_KEY
    known = keys.is_remembered(received.digest) or _mark(received.digest).exists()
    try:
        if _room_left(known=known):
            _write(received, known=known)
            return True
        log.error("the spool holds as much as it may of %s MB", settings.SPOOL_MB)
    except OSError as error:
        log.error("a request could not be kept on the disk: %s", error)
    return False


def _room_left(*, known: bool) -> bool:
    now, room = time.monotonic(), settings.SPOOL_MB * 1_000_000
    if now - _state["measured"] > LOOK_EVERY:
        sizes = {path: path.stat().st_size for path in (*waiting(), *_files_aside())}
        _state["bytes"] = float(sum(sizes.values()))
        _state["unknown"] = float(sum(size for path, size in sizes.items() if _UNKNOWN in path.name))
        _state["measured"] = now
    return _state["bytes"] < room and (known or _state["unknown"] < room * UNKNOWN_SHARE)


def _write(received: Received, *, known: bool) -> None:
    place = folder()
    micros = int(received.received_at.timestamp() * 1_000_000)
    name = f"{micros:020d}-{received.request_id}{'' if known else _UNKNOWN}.0.json"
    written = _write_whole(place / name, received)
    _state["bytes"] += written
    _state["unknown"] += 0 if known else written


def _write_whole(path: Path, received: Received) -> int:
    """Write a request to a file that is there whole or not at all; its size."""
    text = json.dumps(asdict(received) | {"received_at": received.received_at.isoformat()})
    draft = path.with_name(f".{path.name}")
    try:
        with open(draft, "x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    _sync(path.parent)
    return len(text)


def _sync(place: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def drain_if_waiting() -> None:
    """Record in the background what waits, if anything does. Called after a request that went to the database."""
    now = time.monotonic()
    if now - _state["looked"] < LOOK_EVERY:
        return
    _state["looked"] = now
    if now - _state["tidied"] > TIDY_EVERY:
        _state["tidied"] = now
        forget_aside(timezone.now())
    if waiting() and not _draining.locked():
        threading.Thread(target=_drain_and_close, daemon=True).start()


def _drain_and_close() -> None:
    try:
        drain()
    except Exception:
        log.exception("the spool could not be recorded and is tried again")
    finally:
        connections.close_all()


def drain() -> int:
    """Record what waits, in the order in which it came; how many requests are done with. One process does it at a time.

    Ends early when the database is away again.
    """
    done = 0
    with _draining, _alone() as mine:
        for path in waiting() if mine else ():
            try:
                done += _record(path)
            except Error as error:
                if outages.is_away(error) and not _is_there():
                    outages.note_away()
                    return done
                _try_later(path, error)
    return done


@contextlib.contextmanager
def _alone() -> Iterator[bool]:
    """The right to record, which the kernel takes back when its process ends; False if another process has it."""
    with open(folder() / ".lock", "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True


def _record(path: Path) -> int:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        received = Received(**data | {"received_at": dt.datetime.fromisoformat(data["received_at"])})
    except FileNotFoundError:
        return 0
    except (ValueError, TypeError, KeyError) as error:
        set_aside(path, f"The file cannot be read: {error}")
        return 1
    found = WriteKey.objects.select_related("source").filter(digest=received.digest).first()
    over = found is not None and found.valid_until is not None and found.valid_until <= received.received_at
    if found is None or over or found.source.disabled_at:
        set_aside(path, BAD_KEY.message)
        return 1
    try:
        _take(received, found.source)
    except BadRequest as error:
        set_aside(path, error.message)
    except Error:
        raise
    except Exception as error:
        log.exception("a request of the spool failed")
        _take_apart(path, received, found.source, f"{type(error).__name__}: {error}")
    else:
        path.unlink()
    return 1


def _take(received: Received, source: Source) -> None:
    with outages.patience(LONGEST_DRAIN):
        take(received, source)


def _take_apart(path: Path, received: Received, source: Source, reason: str) -> None:
    """Record the messages of a request that fails one by one; those that fail alone too are set aside together."""
    data = received.data
    messages = data.get("batch") if isinstance(data, Mapping) else data
    failed: list[object] = []
    for place, message in enumerate(messages if isinstance(messages, list) else ()):
        part = [message] if data is messages else {**data, "batch": [message]}
        try:
            _take(replace(received, data=part, request_id=f"{received.request_id}-{place}"), source)
        except Error:
            raise
        except Exception as error:
            failed.append(message)
            reason = error.message if isinstance(error, BadRequest) else f"{type(error).__name__}: {error}"
    if isinstance(messages, list) and messages and not failed:
        path.unlink()
        return
    if failed:
        left = failed if data is messages else {**data, "batch": failed}
        with contextlib.suppress(OSError):  # without room for that, all of it goes aside
            _write_whole(path, replace(received, data=left))
    set_aside(path, reason)


def _try_later(path: Path, error: Error) -> None:
    """The database is there and refuses this one: a few times more, then aside."""
    stem, tries = path.name.split(".")[0], int(path.name.split(".")[1]) + 1
    if tries >= TRIES:
        set_aside(path, f"The database refused it {tries} times: {error}")
    else:
        path.rename(path.with_name(f"{stem}.{tries}.json"))


@dataclass(frozen=True)
class Aside:
    """A request that was set aside on this machine: its file's name, when it came, and why."""

    name: str
    received_at: dt.datetime
    reason: str


def _files_aside() -> Iterable[Path]:
    return (folder() / "aside").glob("[0-9]*.json")


def forget_aside(now: dt.datetime) -> int:
    """Delete the requests that were set aside and that nobody has decided about for 90 days; how many."""
    before = now - dt.timedelta(days=KEPT_ASIDE_DAYS)
    return sum(discard_aside(item.name) for item in aside() if item.received_at < before)


def aside() -> list[Aside]:
    """The requests that were set aside, the newest first."""
    found = []
    for path in sorted(_files_aside(), reverse=True):
        said = path.with_name(f"{path.name}.reason")
        reason = said.read_text(encoding="utf-8").strip() if said.exists() else ""
        at = dt.datetime.fromtimestamp(int(path.name[:20]) / 1_000_000, dt.UTC) if path.name[:20].isdigit() else None
        found.append(Aside(path.name, at or dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC), reason))
    return found


def retry_aside(name: str) -> bool:
    """Let a request that was set aside wait in the spool again; False if there is none of that name any more."""
    path = _path_aside(name)
    if path is None:
        return False
    path.with_name(f"{name}.reason").unlink(missing_ok=True)
    path.rename(folder() / f"{name.split('.')[0]}.0.json")
    _sync(folder())
    return True


def discard_aside(name: str) -> bool:
    """Delete a request that was set aside; False if there is none of that name any more."""
    path = _path_aside(name)
    if path is None:
        return False
    path.unlink()
    path.with_name(f"{name}.reason").unlink(missing_ok=True)
    return True


def _path_aside(name: str) -> Path | None:
    """The file of that name; None for one that is not there, or that is no name of ours."""
    known = {item.name for item in aside()}
    return folder() / "aside" / name if name in known else None


def set_aside(path: Path, reason: str) -> None:
    """Move a request out of the way, with the reason beside it."""
    place = folder() / "aside"
    place.mkdir(mode=0o700, exist_ok=True)
    (place / f"{path.name}.reason").write_text(reason + "\n", encoding="utf-8")
    path.rename(place / path.name)
    _sync(place)
    log.error("a request was set aside in %s: %s", place / path.name, reason)


def _is_there() -> bool:
    """True if it answers, and writes."""
    connection.close()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('transaction_read_only')")
            return bool(cursor.fetchone()[0] == "off")
    except Error:
        return False
