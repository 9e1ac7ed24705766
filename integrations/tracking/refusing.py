"""Keeping what is about an erased user or account out of everything, the event debugger included."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from accounts.privacy.gate import erased_among
from integrations.models import Identity
from integrations.tracking.messages import Tracked

# Of a message that was dropped before its ids were read.
_IDS = re.compile(r'"(?:\w*id|identifier|user|company)"\s*:\s*"([^"]{1,255})"', re.IGNORECASE)


def refuse_erased(messages: Sequence[Tracked]) -> None:
    """Drop the messages that name somebody who was erased, and empty them; that one came and was refused stays.

    Call it in the transaction of the writes and before any of them, so that not even a receipt is kept: a message id
    may have been made from the person's id.
    """
    people = [_people(message) for message in messages]
    accounts = [_accounts(message) for message in messages]
    meant: dict[str, str] = {}

    def named() -> dict[str, Iterable[str]]:
        told = {name for names in people for name in names}
        known = Identity.objects.filter(name__in=told, user__isnull=False)
        meant.update(known.values_list("name", "user__external_id"))
        return {"user": told | set(meant.values()), "account": {name for names in accounts for name in names}}

    erased = erased_among(named)
    if not erased:
        return
    for message, users, homes in zip(messages, people, accounts, strict=True):
        keys = [("user", name) for told in users for name in (told, meant.get(told, ""))]
        keys += [("account", name) for name in homes]
        if why := next((erased[key] for key in keys if key in erased), None):
            _empty(message, why)


def _people(message: Tracked) -> list[str]:
    told = [name for name in (message.user, message.previous, message.anonymous) if name]
    return told + _unread(message)


def _accounts(message: Tracked) -> list[str]:
    return [name for name in (message.account, message.company) if name] or _unread(message)


def _unread(message: Tracked) -> list[str]:
    return _IDS.findall(message.payload) if message.outcome else []


def _empty(message: Tracked, why: str) -> None:
    message.drop(why)
    message.user = message.anonymous = message.account = message.previous = message.company = ""
    message.message_id = message.payload = ""
    message.traits, message.relationship, message.company_traits, message.properties = {}, {}, {}, {}
