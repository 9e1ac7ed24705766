"""What the webhooks of playbooks are signed with: for each address a key of its own, derived and stored nowhere.

A changed CSBOX_SECRET_KEY changes them; while the former one is among the fallbacks, it signs besides.
"""

from __future__ import annotations

from core.sealing import derived_keys
from core.signing import BYTES, written

_PURPOSE = "csbox playbook webhook: "


def keys_for(address: str) -> list[str]:
    """The keys that sign what is sent to an address, the present one first."""
    return [written(raw) for raw in derived_keys(_PURPOSE + address, BYTES)]
