"""Credentials at rest: Fernet (cryptography), with keys that are derived from the application's secret keys.

CSBOX_SECRET_KEY encrypts; CSBOX_SECRET_KEY_FALLBACKS still decrypt, so that a key can be changed without entering every
credential again: what an old key encrypted is encrypted anew at the next run.
"""

from __future__ import annotations

import base64
import os
import re

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from core.intake import BadValue, clean_text
from integrations.models import Connection

PREFIX = "CSBOX_CONNECTION_"
_PURPOSE = b"csbox connection credentials"


class NoCredentials(Exception):
    """There is no credential, or it cannot be read; the message says what to do."""


def _key(secret: str) -> Fernet:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(derived))


def _keys() -> MultiFernet:
    return MultiFernet([_key(secret) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def keep(connection: Connection, credential: str) -> None:
    """Put a credential into the row (unsaved), encrypted; only its last four characters stay readable.

    Raises BadValue for what cannot be one.
    """
    text = clean_text(credential, 500)
    if not re.fullmatch(r"[\x21-\x7e]{8,}", text):
        raise BadValue("A credential is one word of at least 8 plain characters. Copy it once more.")
    connection.secret = _keys().encrypt(text.encode()).decode()
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
        return _keys().decrypt(connection.secret.encode()).decode()
    except InvalidToken as error:
        raise NoCredentials(
            "The credential cannot be read with the present CSBOX_SECRET_KEY. Enter it again, or add the former key to "
            "CSBOX_SECRET_KEY_FALLBACKS."
        ) from error


def renew(connection: Connection) -> None:
    """Encrypt the stored credential with the present key, if an older one did."""
    if not connection.secret:
        return
    try:
        _key(settings.SECRET_KEY).decrypt(connection.secret.encode())
    except InvalidToken:
        credential_of(connection)
        connection.secret = _keys().rotate(connection.secret.encode()).decode()
        Connection.objects.filter(pk=connection.pk).update(secret=connection.secret)
