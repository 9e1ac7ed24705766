"""What every way of sending has in common: the message, and the two ways in which sending fails."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Protocol

from core.fetching import Answer
from core.intake import short
from core.retrying import asked_wait


class Later(Exception):
    """It may work later. `wait` is what the other side asked for, if it did; `whole` says that others sent the same way
    would fare no better."""

    def __init__(self, text: str, wait: dt.timedelta | None = None, *, whole: bool = True) -> None:
        super().__init__(text)
        self.wait, self.whole = wait, whole


class Refused(Exception):
    """Sending the same again would not help. `gone` says that nothing else would be taken at this address either."""

    def __init__(self, text: str, *, gone: bool = False) -> None:
        super().__init__(text)
        self.gone = gone


@dataclass(frozen=True)
class Message:
    """What is sent. `key` is the same whenever it is sent again. `to` is an address for e-mail, a URL for the others;
    `secret` signs webhooks. `html` is the second form of an e-mail that has one."""

    key: str
    kind: str
    title: str
    text: str
    url: str
    at: dt.datetime
    to: str
    account: str = ""
    account_name: str = ""
    severity: str = ""
    html: str = ""
    secret: str = ""


class Sender(Protocol):
    """Sends messages one after the other."""

    def send(self, message: Message) -> None:
        """Send it once. Raises Later or Refused."""

    def close(self) -> None:
        """Let the connections go."""


def judge(answer: Answer, who: str) -> None:
    """Nothing for a 2xx; else Later or Refused, with what the other side said."""
    status, said = answer.status, short(answer.text.strip(), 120)
    words = f" It said: “{said}”" if said and not said.startswith("<") else ""
    if 200 <= status < 300:
        return
    headers = {name.lower(): value for name, value in answer.headers.items()}
    if status in (408, 409, 425, 429) or status >= 500:
        raise Later(f"{who} asks to come back later ({status}).{words}", asked_wait(headers.get("retry-after")))
    if 300 <= status < 400:
        raise Refused(f"{who} sends the message on to another address ({status}), which is not followed.", gone=True)
    raise Refused(f"{who} did not take the message ({status}).{words}", gone=status in (401, 403, 404, 410))
