"""Tokens of the API: made, and found again by their digest."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from core.models import ApiToken

PREFIX = "tok_"


def make_token(user: Any, name: str = "") -> tuple[ApiToken, str]:
    """A new token of a log-in; the token is in the answer and nowhere else."""
    token = PREFIX + secrets.token_hex(20)
    made = ApiToken.objects.create(user=user, name=name, digest=digest_of(token), hint=token[-4:])
    return made, token


def digest_of(token: str) -> str:
    """What is kept of a token. It has too many random bits to be guessed, so a quick digest is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def find_token(token: str) -> ApiToken | None:
    """The row of a token with its owner; None if there is none."""
    return ApiToken.objects.select_related("user").filter(digest=digest_of(token)).first()
