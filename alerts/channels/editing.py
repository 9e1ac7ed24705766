"""Saving channels: the address is checked, kept encrypted, and never shown again but for its end."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.db import IntegrityError, transaction

from accounts.models import TeamMember
from alerts.models import NoticeChannel
from alerts.models.notice import Via
from core.fetching import FetchFailed, check_url
from core.intake import BadValue, clean_text
from core.sealing import seal, unseal
from core.signing import new_secret

_PURPOSE = "csbox notification channels"


def save_channel(
    channel: NoticeChannel | None, *, name: str, kind: str = "", address: str = "", member: TeamMember | None = None,
    active: bool = True, cap: int | None | Any = ...,
) -> tuple[NoticeChannel, str]:  # fmt: skip
    """Make or change a channel; an empty address keeps the one it has. With it comes the secret of a new webhook, which
    is shown once. `cap` is most messages a day, None for no limit; left out it stays. Raises BadValue."""
    found = channel or NoticeChannel(kind=kind, member=member)
    if found.kind not in (Via.SLACK, Via.WEBHOOK):
        raise BadValue("A channel is Slack or a webhook.")
    found.name = clean_text(name, 80)
    if not found.name:
        raise BadValue("Give the channel a name.")
    secret = ""
    if address or channel is None:
        text = clean_text(address, 500)
        try:
            host = check_url(text)
        except FetchFailed as error:
            raise BadValue(str(error)) from error
        found.address, found.hint = seal(text, _PURPOSE), f"{host}…{urlsplit(text).path[-4:]}"[:80]
        found.error, found.failures, found.rests_until = "", 0, None
    if found.kind == Via.WEBHOOK and not found.secret:
        secret = new_secret()
        found.secret = seal(secret, _PURPOSE)
    found.active = active
    if cap is not ...:
        if cap is not None and not 1 <= cap <= 500:
            raise BadValue("At most 1 to 500 messages a day can be asked for, or leave it empty for no limit.")
        found.cap = cap
    try:
        with transaction.atomic():
            found.save()
    except IntegrityError as error:
        raise BadValue(f"There is already a channel named “{found.name}”. Choose another name.") from error
    return found, secret


def opened_address(channel: NoticeChannel) -> tuple[str, str]:
    """Address and secret in clear; never log or show them. Raises core.sealing.CannotOpen."""
    return unseal(channel.address, _PURPOSE), unseal(channel.secret, _PURPOSE) if channel.secret else ""
