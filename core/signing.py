"""Signing what is sent to other programs, after Standard Webhooks 1.0: id, timestamp and signature in headers.

The signed text is "id.timestamp.body". `webhook-id` is the same whenever a message is sent again; the timestamp, and
with it the signature, is of the attempt. While a secret is being changed both sign, with a space between.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable

from django.utils import timezone

PREFIX = "whsec_"
BYTES = 24  # the specification asks for 24 to 64


def new_secret() -> str:
    """A secret to sign with: random bytes as the specification writes them."""
    return written(secrets.token_bytes(BYTES))


def written(raw: bytes) -> str:
    """Bytes as a secret is written."""
    return PREFIX + base64.b64encode(raw).decode()


def signature(secret: str, key: str, at: int, body: bytes) -> str:
    """`v1,` and the base64 of HMAC-SHA256 over "id.timestamp.body"."""
    raw = base64.b64decode(secret.removeprefix(PREFIX))
    signed = hmac.new(raw, f"{key}.{at}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


def signed_headers(key: str, body: bytes, keys: Iterable[str]) -> dict[str, str]:
    """The headers of an attempt that is made now, signed with each of the secrets."""
    at = int(timezone.now().timestamp())
    signatures = " ".join(signature(secret, key, at, body) for secret in keys)
    return {
        "Content-Type": "application/json", "User-Agent": "csbox", "webhook-id": key, "webhook-timestamp": str(at),
        "webhook-signature": signatures,
    }  # fmt: skip
