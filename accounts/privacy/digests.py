"""The keyed hash under which an erased id is remembered.

HMAC-SHA256 (RFC 2104) with a key made from the secret key, so that nobody who has only a copy of the database can try
out ids. Keys in CSBOX_SECRET_KEY_FALLBACKS count too: an erased id is recognised after the secret key was changed.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache

from django.conf import settings

_SALT = b"csbox.erasure:"


def digest(kind: str, external_id: str) -> str:
    """The hash under the present key; 64 hex digits."""
    return _digest(settings.SECRET_KEY, f"{kind}:{external_id}")


def digests(kind: str, external_id: str) -> list[str]:
    """The hashes under the present key and under those before it."""
    return [_digest(key, f"{kind}:{external_id}") for key in _keys()]


def key_mark() -> str:
    """Eight hex digits that tell the present key from others, and nothing about it."""
    return _digest(settings.SECRET_KEY, "mark")[:8]


def key_marks() -> set[str]:
    """The marks of every key that is known."""
    return {_digest(key, "mark")[:8] for key in _keys()}


def _keys() -> list[str]:
    return [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]


@lru_cache(maxsize=10_000)
def _digest(key: str, text: str) -> str:
    # While an erasure is in force every id that comes in passes here, for each table that is written to.
    return hmac.digest(_made_key(key), text.encode(), "sha256").hex()


@lru_cache(maxsize=8)
def _made_key(key: str) -> bytes:
    return hashlib.sha256(_SALT + key.encode()).digest()
