"""The log of erasures as a file beside the database, so that it survives when the database is restored from a backup.

`erasures.log` in CSBOX_DATA_DIR, one JSON object a line, only ever appended to: what happened (`erased`, `done`,
`lifted`), the uid of the erasure, the keyed hash of the id, who and when. It holds no personal data.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from accounts.models.privacy import Erasure


class LedgerDamaged(RuntimeError):
    """A line of the file cannot be read; the message names it."""


def ledger_path() -> Path:
    """Where the file is."""
    return Path(settings.DATA_DIR) / "erasures.log"


def write_ledger(what: str, erasure: Erasure) -> None:
    """Append a line and wait until it is on the disk. Raises OSError if it cannot be written."""
    by, at = erasure.requested_by, erasure.requested_at
    if what == "lifted" and erasure.lifted_at:
        by, at = erasure.lifted_by, erasure.lifted_at
    elif what == "done" and erasure.finished_at:
        at = erasure.finished_at
    line = {"what": what, "uid": str(erasure.uid), "kind": erasure.kind, "digest": erasure.digest}
    line |= {"key": erasure.key_mark, "by": by, "at": at.isoformat()}
    if what == "erased" and erasure.other_of is not None:
        line["of"] = str(erasure.other_of.uid)
    if what == "done":
        line["removed"] = erasure.removed
    path = ledger_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, (json.dumps(line) + "\n").encode())  # one write, so that two processes do not mix lines
        os.fsync(handle)
    finally:
        os.close(handle)


@dataclass(frozen=True)
class Entry:
    """An erasure that the file says is in force; `of` is the uid of the one whose other id it is."""

    uid: str
    kind: str
    digest: str
    key_mark: str
    by: str
    of: str = ""


def read_ledger() -> tuple[list[Entry], set[str]]:
    """The erasures in force, in the order in which they were asked for, and the uids of those that were lifted.

    A last line without its end (the power went while it was written) is left out. Raises LedgerDamaged for any other
    line that cannot be read, because leaving one out could bring somebody back.
    """
    found: dict[str, Entry] = {}
    lifted: set[str] = set()
    path = ledger_path()
    lines = path.read_text().split("\n") if path.exists() else []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            data = json.loads(line)
            uid = data["uid"]
            if data["what"] == "lifted":
                lifted.add(uid)
            elif data["what"] == "erased":
                found[uid] = Entry(uid, data["kind"], data["digest"], data["key"], data["by"], data.get("of", ""))
        except (ValueError, KeyError, TypeError) as error:
            if number == len(lines):
                break
            raise LedgerDamaged(f"Line {number} of {path} cannot be read. Mend it or take it out.") from error
    return [entry for entry in found.values() if entry.uid not in lifted], lifted
