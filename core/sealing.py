"""Credentials at rest: Fernet (cryptography), with keys that are derived from the application's secret keys.

CSBOX_SECRET_KEY encrypts; CSBOX_SECRET_KEY_FALLBACKS still decrypt, so that a key can be changed without entering every
credential again.
"""

from __future__ import annotations

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class CannotOpen(Exception):
    """None of the known keys has sealed this."""


def _derived(secret: str, purpose: str, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=purpose.encode()).derive(secret.encode())


def derived_keys(purpose: str, length: int) -> list[bytes]:
    """Keys for a purpose that need not be stored, so many bytes each: that of the present secret key first, then those
    of its former ones."""
    return [_derived(secret, purpose, length) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]


@lru_cache(maxsize=16)
def _key(secret: str, purpose: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(_derived(secret, purpose, 32)))


def _keys(purpose: str) -> MultiFernet:
    return MultiFernet([_key(secret, purpose) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def seal(text: str, purpose: str) -> str:
    """A text encrypted; what was sealed for one purpose cannot be opened for another."""
    return _keys(purpose).encrypt(text.encode()).decode()


def unseal(token: str, purpose: str) -> str:
    """The text in clear; never log or show it. Raises CannotOpen."""
    try:
        return _keys(purpose).decrypt(token.encode()).decode()
    except InvalidToken as error:
        raise CannotOpen from error


def seal_anew(token: str, purpose: str) -> str:
    """The same text encrypted with the present key, if an older one did it; else the token. Raises CannotOpen."""
    try:
        _key(settings.SECRET_KEY, purpose).decrypt(token.encode())
    except InvalidToken:
        return seal(unseal(token, purpose), purpose)
    return token
