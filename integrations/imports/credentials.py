"""The credential of a schedule: entered on its page and stored sealed, or named and kept in the environment.

A stored one is sent only to the host for which it was entered, so that nobody who may edit a schedule can have it sent
to a host of their own.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from core.fetching import FetchFailed
from core.intake import BadValue
from core.sealing import CannotOpen, seal, seal_anew, unseal
from integrations.models import ScheduledImport

_PURPOSE = "csbox credentials of scheduled imports"
LONGEST = 1_000


def keep_secret(schedule: ScheduledImport, text: str) -> None:
    """Put a credential into the row (unsaved), sealed; its last four characters stay readable. Raises BadValue."""
    found = text.strip()
    if not re.fullmatch(r"[\x20-\x7e]{8," + str(LONGEST) + "}", found):
        raise BadValue(f"A credential has 8 to {LONGEST:,} plain characters, in one line. Copy it once more.")
    schedule.secret, schedule.secret_hint, schedule.credential = seal(found, _PURPOSE), found[-4:], ""


def forget_secret(schedule: ScheduledImport) -> None:
    """Take the stored credential out of the row (unsaved)."""
    schedule.secret = schedule.secret_hint = ""


def secret_in(schedule: ScheduledImport) -> str:
    """The stored credential in clear, "" for none; never log or show it. Raises FetchFailed if it cannot be read."""
    if not schedule.secret:
        return ""
    try:
        return unseal(schedule.secret, _PURPOSE)
    except CannotOpen as error:
        raise FetchFailed(
            "The credential cannot be read with the present CSBOX_SECRET_KEY. Enter it again, or add the former key to "
            "CSBOX_SECRET_KEY_FALLBACKS."
        ) from error


def renew_secret(schedule: ScheduledImport) -> None:
    """Seal the stored credential with the present key, if an older one did."""
    try:
        sealed = seal_anew(schedule.secret, _PURPOSE) if schedule.secret else ""
    except CannotOpen:
        return  # fetching says so
    if sealed != schedule.secret:
        ScheduledImport.objects.filter(pk=schedule.pk).update(secret=sealed)


def host_of(schedule: ScheduledImport) -> str:
    """The host that is sent the credential."""
    parts = urlsplit(schedule.endpoint if schedule.url.startswith("s3://") else schedule.url)
    return f"{parts.scheme}://{parts.netloc}".lower()
