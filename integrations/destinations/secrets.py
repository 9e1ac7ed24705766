"""What a destination is reached with: its address and its keys, encrypted at rest."""

from __future__ import annotations

from django.utils import timezone

from core.sealing import seal, unseal
from integrations.models import Destination

_PURPOSE = "csbox destinations"


def sealed(text: str) -> str:
    """A text as it is stored."""
    return seal(text, _PURPOSE)


def address_of(destination: Destination) -> str:
    """The address in clear; never log or show it. Raises core.sealing.CannotOpen."""
    return unseal(destination.address, _PURPOSE)


def keys_of(destination: Destination) -> list[str]:
    """The keys that sign now, the present one first (for a tracking endpoint: its write key). Raises CannotOpen."""
    tokens = [destination.secret]
    if destination.former_secret and destination.former_until and destination.former_until > timezone.now():
        tokens.append(destination.former_secret)
    return [unseal(token, _PURPOSE) for token in tokens]
