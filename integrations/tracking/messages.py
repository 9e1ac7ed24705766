"""One message: what it says, read from JSON; or why it cannot be taken."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import Any

from core.intake import MAX_DEPTH, BadValue, clean_id, clean_text, short
from integrations.destinations.origin import origin_of
from integrations.models import Outcome
from integrations.tracking.times import happened_at

_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
MAX_MESSAGE = 32_768  # bytes of compact UTF-8
MAX_MESSAGES = 2_500
MAX_MESSAGE_ID = 255
PAGES = {"page": ("Page Viewed", "page_name"), "screen": ("Screen Viewed", "screen_name")}
KINDS = ("identify", "group", "track", "page", "screen", "alias")
# Segment's events that say who belongs to an account.
JOINED, PARTED = "Account Added User", "Account Removed User"
# What programs make of an id that they do not have. Taken for ids, they would be one user of everybody's doings.
NOBODY = frozenset({"undefined", "null", "[object Object]", "NaN", "None"})
_NOT_SAID = ("payload", "outcome", "reason", "home")


@dataclass(slots=True, kw_only=True)
class Tracked:
    """A message in the words of no dialect; `outcome` is empty until something has become of it.

    `user`, `anonymous`, `account` and `previous` are ids, "" for none. `traits` are the user's for an identify and the
    account's for a group, `relationship` what is true of the user in the account; `joins` begins and `leaves` ends it.
    `company` is the account that an identify names as the user's company, and `company_traits` what it says of it. An
    event that is not `active` tells of a user who was not there. `home` is the account that was filled in for an event
    that names none. One that `deletes` a company archives its account; one that `restores` brings it back.
    """

    kind: str
    message_id: str
    at: dt.datetime
    payload: str
    user: str = ""
    anonymous: str = ""
    account: str = ""
    previous: str = ""
    name: str = ""
    traits: Mapping[str, Any] = field(default_factory=dict)
    relationship: Mapping[str, Any] = field(default_factory=dict)
    company: str = ""
    company_traits: Mapping[str, Any] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)
    active: bool = True
    joins: bool = False
    leaves: bool = False
    deletes: bool = False
    restores: bool = False
    home: str = ""
    outcome: str = ""
    reason: str = ""
    echo: str = ""  # the destination of ours whose message it says it is

    def drop(self, reason: str, outcome: str = Outcome.DROPPED) -> None:
        """Say why it is not taken."""
        self.outcome, self.reason = outcome, reason

    @property
    def state(self) -> tuple[Any, ...]:
        """What recording may change, so that it can begin anew."""
        return self.user, self.traits, self.relationship, self.company_traits, self.home, self.outcome, self.reason

    @state.setter
    def state(self, state: tuple[Any, ...]) -> None:
        self.user, self.traits, self.relationship, self.company_traits, self.home, self.outcome, self.reason = state

    def remark(self, text: str) -> None:
        """Say what was left out of it."""
        self.reason = f"{self.reason} {text}".strip()

    def said(self) -> str:
        """What was read from it, in JSON from which `again` makes the same message."""
        values = {item.name: getattr(self, item.name) for item in fields(self) if item.name not in _NOT_SAID}
        return _COMPACT.encode(values | {"at": self.at.isoformat()})

    @classmethod
    def again(cls, said: str, payload: str) -> Tracked:
        """The message that `said` was written of."""
        values = json.loads(said)
        return cls(**values | {"at": dt.datetime.fromisoformat(values["at"]), "payload": payload})

    @property
    def about(self) -> str:
        """The account that it is about: named by the sender, or else filled in."""
        return self.account or self.company or self.home

    @property
    def tells_belonging(self) -> bool:
        """True if it says that somebody belongs to its account, or did."""
        return bool(self.account) and (self.kind == "group" or bool(self.relationship) or self.joins or self.leaves)

    @property
    def is_event(self) -> bool:
        """True if it is stored as an event."""
        return self.kind in ("track", "page", "screen")


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a request says of all its messages: when it came, its own id, and what it was sent with."""

    received_at: dt.datetime
    request_id: str
    sent_at: Any = None
    context: Mapping[str, Any] = field(default_factory=dict)
    integrations: Mapping[str, Any] = field(default_factory=dict)


def read_batch(data: Mapping[str, Any], envelope: Envelope) -> list[Tracked]:
    """The messages of a batch; beyond the first 2,500 they are dropped."""
    found = [read_message(item, envelope, place) for place, item in enumerate(data["batch"])]
    for message in found[MAX_MESSAGES:]:
        message.drop(f"A request may hold {MAX_MESSAGES:,} messages; this was one too many.")
    return found


def read_message(data: Any, envelope: Envelope, place: int = 0, kind: str = "") -> Tracked:
    """One message; one that cannot be taken comes back as dropped, with its reason."""
    made_up = f"{envelope.request_id}:{place}"
    if not isinstance(data, Mapping):
        text = data if isinstance(data, str) else json.dumps(data)[:MAX_MESSAGE]
        message = Tracked(kind="", message_id=made_up, at=envelope.received_at, payload=text[:MAX_MESSAGE])
        message.drop("A message is a JSON object; this one is none, or is nested too deep to be read.")
        return message
    payload = _COMPACT.encode(data)
    at, remark = happened_at(data, envelope)
    message = Tracked(
        kind=kind or str(data.get("type") or "")[:20],
        message_id=_message_id(data.get("messageId"), made_up),
        at=at,
        payload=payload,
        reason=remark,
    )
    if len(payload) * 4 > MAX_MESSAGE and (size := len(payload.encode())) > MAX_MESSAGE:
        message.payload = payload[: MAX_MESSAGE // 4]
        with suppress(BadValue):  # whom it was about decides whether even its beginning may be kept
            message.user = read_id(data.get("userId") or data.get("anonymousId"), "userId")
            message.account = read_id(data.get("groupId"), "groupId")
        message.drop(f"The message is {size:,} bytes long; at most {MAX_MESSAGE:,} are taken.")
        return message
    try:
        _fill(message, data, envelope)
    except BadValue as error:
        message.drop(str(error))
    return message


def _fill(message: Tracked, data: Mapping[str, Any], envelope: Envelope) -> None:
    """Read what its kind needs. Raises BadValue."""
    kind = message.kind
    if kind not in KINDS:
        raise BadValue(f"“{short(kind)}” is not a type. Use {', '.join(KINDS)}.")
    context = {**envelope.context, **_object(data, "context")}
    message.echo = origin_of(data, context)
    message.active = context.get("active") is not False
    message.user = read_id(data.get("userId"), "userId")
    message.anonymous = read_id(data.get("anonymousId"), "anonymousId")
    group = data.get("groupId")
    if group in (None, ""):
        group = context.get("groupId") or envelope.context.get("groupId")
    message.account = read_id(group, "groupId")
    if kind == "group":
        if not message.account:
            raise BadValue("No groupId. A group call needs the id of the account.")
        message.traits = _object(data, "traits")
        message.relationship = _relationship({**envelope.integrations, **_object(data, "integrations")})
        return
    if kind == "alias":
        message.previous = read_id(data.get("previousId"), "previousId") or message.anonymous
        if not message.user or not message.previous:
            raise BadValue("An alias call needs userId and previousId.")
        return
    if not message.user and not message.anonymous:
        raise BadValue("Neither userId nor anonymousId. One of them must say who it was.")
    if kind == "identify":
        message.traits = {**_object(context, "traits"), **_object(data, "traits")}
        _read_company(message)
        return
    _fill_event(message, data)


def _read_company(message: Tracked) -> None:
    """The trait `company` of an identify: with an id it is the user's account, without one just words of the user."""
    company = message.traits.get("company")
    if not isinstance(company, Mapping) or company.get("id") in (None, ""):
        return
    message.company = read_id(company["id"], "company.id")
    message.company_traits = {key: value for key, value in company.items() if key != "id"}
    message.traits = {key: value for key, value in message.traits.items() if key != "company"}


def _fill_event(message: Tracked, data: Mapping[str, Any]) -> None:
    """What a track, page or screen call says."""
    properties = dict(_object(data, "properties"))
    if message.payload.count("{") + message.payload.count("[") > MAX_DEPTH:  # with fewer it cannot be that deep
        check_nesting(properties)
    if message.kind == "track":
        event = data.get("event")
        if not isinstance(event, str) or not event.strip():
            raise BadValue("No event. A track call needs the event’s name.")
        message.name = clean_text(event, 255)
        message.leaves = message.name == PARTED
        message.joins = message.name == JOINED
        if message.joins and isinstance(properties.get("role"), str):
            message.relationship = {"role": properties["role"]}
    else:
        message.name, called = PAGES[message.kind]
        for key, given in ((called, data.get("name")), (f"{message.kind}_category", data.get("category"))):
            if isinstance(given, str) and given:
                properties.setdefault(key, given)
    message.properties = properties


def _message_id(given: Any, made_up: str) -> str:
    """The sender's id; a very long one by its digest, so that it still tells repetitions."""
    text = str(given) if isinstance(given, str | int) and not isinstance(given, bool) else ""
    text = text.strip()
    if not text or text in NOBODY:
        return made_up
    if len(text) <= MAX_MESSAGE_ID and text.isascii() and text.isprintable():
        return text
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def read_id(given: Any, what: str) -> str:
    """An id as a text; "" for one that is absent. Raises BadValue."""
    if given is None or given == "":
        return ""
    if isinstance(given, float) and given.is_integer():
        given = int(given)
    if isinstance(given, str) and given.strip() in NOBODY:
        raise BadValue(f"{what} is “{given.strip()}”: the sender had no id. Send null, or leave it out.")
    if isinstance(given, str) and len(given) <= MAX_MESSAGE_ID and given.isascii() and given.isprintable():
        return given.strip()
    try:
        return clean_id(given)
    except BadValue as error:
        raise BadValue(f"{what} cannot be used. {error}") from error


def _object(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A member that is an object; anything else counts as absent."""
    found = data.get(key)
    return found if isinstance(found, Mapping) else {}


def _relationship(integrations: Mapping[str, Any]) -> Mapping[str, Any]:
    """Userlist's extension of a group call, under whatever integration's name it stands."""
    for options in integrations.values():
        if isinstance(options, Mapping):
            extension = _object(_object(options, "extensions"), "relationship")
            if found := _object(extension, "properties"):
                return found
    return {}


def check_nesting(value: Any, depth: int = 0) -> None:
    """Refuse what is nested deeper than is kept anywhere. Raises BadValue."""
    if depth > MAX_DEPTH:
        raise BadValue(f"The properties are nested more than {MAX_DEPTH} levels deep.")
    for item in value.values() if isinstance(value, Mapping) else value:
        if isinstance(item, dict | list):
            check_nesting(item, depth + 1)
