"""Userlist's push API: users, companies, relationships and events, one a request, each with its own address.

It names no message ids: what it says of users, companies and relationships may be said twice without harm; an event
with a time is told from others by all that it says.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from integrations.models import Source
from integrations.tracking.bodies import BadRequest
from integrations.tracking.messages import Envelope, Tracked, check_nesting, read_id
from integrations.tracking.times import read_time, time_of

if TYPE_CHECKING:
    from integrations.tracking.requests import Received

KINDS = ("users", "companies", "relationships", "events")


def read_userlist(received: Received, source: Source) -> tuple[list[Tracked], Envelope]:
    """The messages of a request. Raises BadRequest with 422 for one that says too little, as Userlist does."""
    data = received.data
    if not isinstance(data, Mapping):
        raise BadRequest(400, "not-an-object", "The body is not a JSON object.")
    kind, _, deletes = received.kind.partition(":")
    maker = _Maker(received, data)
    try:
        match kind:
            case "users":
                maker.user(data, deletes=bool(deletes))
            case "companies":
                maker.company(data, deletes=bool(deletes))
            case "relationships":
                maker.relationship(data.get("user"), data.get("company"), data, leaves=bool(deletes))
            case _:
                maker.event()
    except ValueError as error:
        raise BadRequest(422, "unprocessable", str(error)) from error
    return maker.made, Envelope(received.received_at, received.request_id)


class _Maker:
    """Makes messages of one request, in the order in which they must be recorded."""

    def __init__(self, received: Received, data: Mapping[str, Any]) -> None:
        self.received, self.made = received, list[Tracked]()
        self.at = received.received_at
        self.payload = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        if len(self.payload.encode()) > 100_000:
            raise BadRequest(413, "too-large", "A request holds at most 100 KB.")

    def add(self, kind: str, **values: Any) -> None:
        """One message more."""
        made_up = f"{self.received.request_id}:{len(self.made)}"
        given: dict[str, Any] = {"message_id": made_up, "at": self.at, "payload": self.payload[:32_768]} | values
        self.made.append(Tracked(kind=kind, **given))

    def user(self, data: Mapping[str, Any], *, deletes: bool = False) -> None:
        """A user with its values and relationships."""
        user = _ref(data, "user", "email")
        traits = _properties(data)
        for name, value in (("email", data.get("email")), ("created_at", data.get("signed_up_at"))):
            if value is not None:
                traits.setdefault(name, value)
        self.add("identify", user=user, traits={} if deletes else traits, deletes=deletes)
        for item in _items(data, "relationships"):
            self.relationship(user, item.get("company"), item)
        if data.get("company") is not None:
            self.relationship(user, data["company"], {})

    def company(self, data: Mapping[str, Any], *, deletes: bool = False) -> None:
        """A company with its values and relationships."""
        account, traits = _ref(data, "company"), _properties(data)
        for name, value in (("name", data.get("name")), ("created_at", data.get("signed_up_at"))):
            if value is not None:
                traits.setdefault(name, value)
        self.add("group", account=account, traits={} if deletes else traits, deletes=deletes, restores=not deletes)
        for item in _items(data, "relationships"):
            self.relationship(item.get("user"), account, item)

    def relationship(self, user: Any, company: Any, data: Mapping[str, Any], *, leaves: bool = False) -> None:
        """Who belongs to what, and what is true of it; objects may tell of the two besides."""
        ids = []
        for what, given in (("user", user), ("company", company)):
            if isinstance(given, Mapping) and set(given) - {"identifier", "email"}:
                (self.user if what == "user" else self.company)(given)
            ids.append(_ref(given, what, "email") if isinstance(given, Mapping) else read_id(given, what))
            if not ids[-1]:
                raise ValueError(f"A relationship needs a {what}.")
        more = {"relationship": _properties(data), "leaves": leaves, "restores": not leaves}
        self.add("group", user=ids[0], account=ids[1], **more)

    def event(self) -> None:
        """Something that a user or a company did."""
        data = self.received.data
        name = data.get("name")
        if not isinstance(name, str) or not name.strip():
            raise ValueError("An event needs a name.")
        user, account = (
            _ref(given, what, "email") if isinstance(given := data.get(what), Mapping) else read_id(given, what)
            for what in ("user", "company")
        )
        if not user and not account:
            raise ValueError("An event needs a user or a company.")
        properties = _properties(data)
        check_nesting(properties)
        timed = read_time(data.get("occurred_at")) is not None
        same = hashlib.sha256(self.payload.encode()).hexdigest() if timed else f"{self.received.request_id}:0"
        at, remark = time_of("occurred_at", data, self.at)
        told: dict[str, Any] = {"user": user, "account": account, "properties": properties}
        self.add("track", message_id=same, at=at, name=name.strip()[:255], reason=remark, **told)


def _ref(given: Mapping[str, Any], what: str, other: str = "") -> str:
    found = read_id(given.get("identifier"), what) or (read_id(given.get(other), what) if other else "")
    if not found:
        raise ValueError(f"A {what} needs an identifier{' or an email' if other else ''}.")
    return found


def _properties(data: Mapping[str, Any]) -> dict[str, Any]:
    found = data.get("properties")
    return dict(found) if isinstance(found, Mapping) else {}


def _items(data: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = data.get(key)
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []
