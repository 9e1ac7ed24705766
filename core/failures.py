"""Plain words for what a machine refuses: a full disk, a file that may not be written, a database that is away."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from django.db import Error as DatabaseError
from django.db import OperationalError

FULL = "The disk is full: make room on the file system of {place}, then run the same command again."
REFUSED = "csbox may not write to {place}: mend its permissions, or set CSBOX_DATA_DIR to a directory that is yours."


class PlainError(Exception):
    """An error whose text is already the sentence that the user should read."""


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def plain_words(error: BaseException) -> str | None:
    """The sentence for this error, or None for a defect that deserves its traceback."""
    from django.conf import settings

    for link in _chain(error):
        if isinstance(link, PlainError):
            return str(link)
        if isinstance(link, OSError) and link.errno in (errno.ENOSPC, errno.EDQUOT):
            return FULL.format(place=link.filename or settings.DATA_DIR)
        if isinstance(link, OSError) and link.errno in (errno.EACCES, errno.EROFS):
            return REFUSED.format(place=link.filename or settings.DATA_DIR)
        if isinstance(link, DatabaseError) and "No space left on device" in str(link):
            return FULL.format(place=settings.DATA_DIR)
        if getattr(link, "sqlstate", None) == "53100":  # disk_full
            return FULL.format(place=settings.DATA_DIR)
    if isinstance(error, OperationalError) and settings.DATABASE_IS_OURS is False:
        first = str(error).strip().splitlines()[0]
        return f"The database that DATABASE_URL names does not answer ({first}): start it, or mend the address."
    return None
