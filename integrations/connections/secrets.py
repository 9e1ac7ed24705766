"""Credentials of connections: stored sealed, or read from an environment variable.

What an old CSBOX_SECRET_KEY sealed is sealed anew at the next run.
"""

from __future__ import annotations

import os
import re

from core.intake import BadValue, clean_text
from core.sealing import CannotOpen, seal, seal_anew, unseal
from integrations.models import Connection

PREFIX = "CSBOX_CONNECTION_"
_PURPOSE = "csbox connection credentials"


class NoCredentials(Exception):
    """There is no credential, or it cannot be read; the message says what to do."""


def keep(connection: Connection, credential: str) -> None:
    """Put a credential into the row (unsaved), encrypted; only its last four characters stay readable.

    Raises BadValue for what cannot be one.
    """
    text = clean_text(credential, 500)
    if not re.fullmatch(r"[\x21-\x7e]{8,}", text):
        raise BadValue("A credential is one word of at least 8 plain characters. Copy it once more.")
    connection.secret = seal(text, _PURPOSE)
    connection.secret_hint, connection.secret_env = text[-4:], ""


def keep_name(connection: Connection, name: str) -> None:
    """Let the credential be read from an environment variable; other variables than ours are refused."""
    if not re.fullmatch(PREFIX + r"[A-Z0-9_]{1,60}", name):
        raise BadValue(f"The variable’s name begins with {PREFIX}, followed by capital letters, digits and _.")
    connection.secret, connection.secret_hint, connection.secret_env = "", "", name


def credential_of(connection: Connection) -> str:
    """The credential in clear; never log or show it. Raises NoCredentials."""
    if connection.secret_env:
        if found := os.environ.get(connection.secret_env, "").strip():
            return found
        raise NoCredentials(f"The environment variable {connection.secret_env} is not set where csbox runs.")
    if not connection.secret:
        raise NoCredentials("There is no credential. Enter one.")
    try:
        return unseal(connection.secret, _PURPOSE)
    except CannotOpen as error:
        raise NoCredentials(
            "The credential cannot be read with the present CSBOX_SECRET_KEY. Enter it again, or add the former key to "
            "CSBOX_SECRET_KEY_FALLBACKS."
        ) from error


def renew(connection: Connection) -> None:
    """Encrypt the stored credential with the present key, if an older one did."""
    if not connection.secret:
        return
    try:
        sealed = seal_anew(connection.secret, _PURPOSE)
    except CannotOpen:
        credential_of(connection)  # says so
        raise
    if sealed != connection.secret:
        connection.secret = sealed
        Connection.objects.filter(pk=connection.pk).update(secret=sealed)
