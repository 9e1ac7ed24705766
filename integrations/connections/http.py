"""One way to speak to another system: a session with a time limit, urllib3's back-off, and errors in words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Self

import requests
import urllib3
from django.conf import settings
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from core.intake import short
from core.retrying import asked_wait

TIMEOUT = (5, 30)  # seconds to connect, and between two pieces of an answer
MOST_BYTES = 20_000_000
BUSY = (409, 429, 500, 502, 503, 504)
LONGEST_WAIT = 15  # seconds a worker sleeps; a longer wait is the run's, not the worker's
Params = Sequence[tuple[str, str | int]]


class Passing(Exception):
    """It may work later: overloaded, unreachable, broken off. `wait` is what the other side asked for, if it did."""

    def __init__(self, text: str, wait: dt.timedelta | None = None) -> None:
        super().__init__(text)
        self.wait = wait


class Refused(Exception):
    """It will not work until somebody changes something: credentials, rights, the request. `status` is HTTP's."""

    def __init__(self, text: str, status: int, body: Any = None) -> None:
        super().__init__(text)
        self.status, self.body = status, body

    @property
    def for_good(self) -> bool:
        """True if the credential is at fault."""
        return self.status in (401, 403)


class BriefRetry(Retry):
    """urllib3's policy, but whoever asks for a long rest gets it from the run, not from a worker that sleeps."""

    def increment(
        self, method: str | None = None, url: str | None = None, response: Any = None, *args: Any, **kwargs: Any
    ) -> Self:
        """The next try; the answer itself is handed back if it asks for more than a few seconds."""
        asked = asked_wait(response.headers.get("Retry-After")) if response is not None else None
        if asked and asked > dt.timedelta(seconds=LONGEST_WAIT):
            raise urllib3.exceptions.MaxRetryError(kwargs.get("_pool"), url or "")  # type: ignore[arg-type]
        return super().increment(method, url, response, *args, **kwargs)


class Http:
    """Sends requests to one base address with one set of headers; follows no redirect, because they carry a secret."""

    def __init__(self, name: str, base: str, headers: Mapping[str, str]) -> None:
        self.name, self.base = name, base.rstrip("/")
        self.session = requests.Session()
        self.session.auth = lambda request: request  # nothing from a .netrc instead of the header
        self.session.headers.update({"User-Agent": "csbox", "Accept": "application/json", **headers})
        # Every request here only reads, searches by POST included, so that all may be sent again.
        retry = BriefRetry(
            total=settings.CONNECTION_RETRIES,
            backoff_factor=0.5,
            backoff_max=LONGEST_WAIT,
            backoff_jitter=0.5,
            status_forcelist=BUSY,
            allowed_methods=None,
            redirect=0,
            raise_on_status=False,
            raise_on_redirect=False,
        )
        for scheme in ("https://", "http://"):
            self.session.mount(scheme, HTTPAdapter(max_retries=retry))

    def get(self, path: str, params: Params = ()) -> Any:
        """The answer's JSON. Raises Passing or Refused."""
        return self._send("GET", path, params=list(params))

    def post(self, path: str, body: Any) -> Any:
        """Ask with a JSON body. Raises Passing or Refused."""
        return self._send("POST", path, json=body)

    def close(self) -> None:
        """Let the connections go."""
        self.session.close()

    def _send(self, method: str, path: str, **more: Any) -> Any:
        try:
            with self.session.request(
                method, self.base + path, timeout=TIMEOUT, allow_redirects=False, stream=True, **more
            ) as answer:
                body = answer.raw.read(MOST_BYTES + 1, decode_content=True)
                answer._content = body
                status = answer.status_code
                if len(body) > MOST_BYTES:
                    raise Refused(f"{self.name} sent more than {MOST_BYTES:,} bytes at once.", status)
                if 200 <= status < 300:
                    return answer.json()
                self._raise(answer)
        except requests.exceptions.JSONDecodeError as error:
            raise Passing(f"{self.name} sent something that is not JSON.") from error
        except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
            raise Passing(f"{self.name} did not answer in time.") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            # With its retries used up, requests hides a late answer in a general error.
            reason = getattr(error.args[0] if error.args else None, "reason", None)
            late = isinstance(reason, urllib3.exceptions.TimeoutError)
            what = "did not answer in time" if late else "could not be reached, or broke off"
            raise Passing(f"{self.name} {what}.") from error
        raise AssertionError("unreachable")

    def _raise(self, answer: requests.Response) -> None:
        status = answer.status_code
        try:
            body = answer.json()
        except ValueError:
            body = None
        said = _message(body)
        words = f" It said: “{short(said, 200)}”" if said else ""
        if status == 429:
            raise Passing(
                f"{self.name} asks to come back later (429).{words}", asked_wait(answer.headers.get("Retry-After"))
            )
        if status in BUSY or status >= 500:
            raise Passing(f"{self.name} failed ({status}).{words}", asked_wait(answer.headers.get("Retry-After")))
        if status in (401, 403):
            raise Refused(f"{self.name} refused the credential ({status}).{words}", status, body)
        raise Refused(f"{self.name} did not accept a request ({status}).{words}", status, body)


def _message(body: Any) -> str:
    """What both systems say in words: {"error": {"message"}} or {"message"}."""
    if not isinstance(body, dict):
        return ""
    inner = body.get("error")
    return str((inner.get("message") if isinstance(inner, dict) else None) or body.get("message") or "")
