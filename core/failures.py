"""Plain words for what a machine refuses: a full disk, a file that may not be written, a database that is away."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError

FULL = "The disk is full: make room on the file system of {place}, then run the same command again."
REFUSED = "csbox may not write to {place}: mend its permissions, or set CSBOX_DATA_DIR to a directory that is yours."
FULL_ERRORS = (errno.ENOSPC, errno.EDQUOT)
REFUSED_ERRORS = (errno.EACCES, errno.EROFS, errno.ENOTDIR)
DISK_FULL_STATE = "53100"


class PlainError(Exception):
    """An error whose text is already the sentence that the user should read."""


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _data_dir() -> str:
    """Where we write; asked without the settings where these are what has failed."""
    try:
        from django.conf import settings

        return str(settings.DATA_DIR)
    except (OSError, ImproperlyConfigured):
        return os.environ.get("CSBOX_DATA_DIR", "the project's directory")


def plain_words(error: BaseException) -> str | None:
    """The sentence for this error, or None for a defect that deserves its traceback."""
    for link in _chain(error):
        if isinstance(link, PlainError):
            return str(link)
        if isinstance(link, OSError) and link.errno in FULL_ERRORS:
            return FULL.format(place=link.filename or _data_dir())
        if isinstance(link, OSError) and link.errno in REFUSED_ERRORS:
            return REFUSED.format(place=link.filename or _data_dir())
        if getattr(link, "sqlstate", None) == DISK_FULL_STATE or "No space left on device" in str(link):
            return FULL.format(place=_data_dir())
    if isinstance(error, OperationalError) and os.environ.get("DATABASE_URL"):
        first = (str(error).strip() or "no reason given").splitlines()[0]
        return f"The database that DATABASE_URL names does not answer ({first}): start it, or mend the address."
    if isinstance(error, ImproperlyConfigured) and ("CSBOX_" in str(error) or "DATABASE_URL" in str(error)):
        return str(error)
    return None
