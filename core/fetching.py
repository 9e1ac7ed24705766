"""Asking other servers: only public addresses, looked at where the connection really leads, and no way round.

A name may resolve to an address inside the company's own network (by mistake, or because somebody means harm), and to
another one each time it is asked. So the address is checked at the moment of connecting, and that very address is
connected to. Redirects are not followed by themselves. Administrators allow hosts and networks of their own with
CSBOX_FETCH_ALLOWED.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import urllib3
from django.conf import settings
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.util import Timeout, connection

from core.intake import short

CHUNK = 64 * 1024
SHORT_ANSWER = 4 * 1024
MOST_REDIRECTS = 3
TIMEOUT = Timeout(connect=10, read=60)
NAT64 = ipaddress.ip_network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class FetchFailed(ValueError):
    """The server was not asked, or did not answer well; the message is written for the person who named it."""


class NotAllowed(FetchFailed, HTTPError):
    """The address is not one that may be asked."""


def is_allowed(host: str, address: str) -> bool:
    """Whether a host may be asked at this address: a public one, or one that the administrator allows."""
    found: Address = ipaddress.ip_address(address.partition("%")[0])
    allowed = settings.FETCH_ALLOWED
    if host.lower() in {item.lower() for item in allowed} or any(found in network for network in _networks(allowed)):
        return True
    return all(one.is_global and not one.is_multicast for one in _meant(found))


def _networks(items: list[str]) -> Iterator[Any]:
    for item in items:
        try:
            yield ipaddress.ip_network(item)
        except ValueError:
            continue  # a name


def _meant(found: Address) -> Iterator[Address]:
    """The address and whatever older address it stands for."""
    yield found
    if isinstance(found, ipaddress.IPv6Address):
        inner = [found.ipv4_mapped, found.sixtofour, *(found.teredo or ())]
        if found in NAT64:
            inner.append(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF))
        yield from (one for one in inner if one is not None)


class _Checked:
    """A connection that resolves the name itself, checks every address, and connects to one of those."""

    def _new_conn(self: Any) -> socket.socket:
        host, failed = self._dns_host, None
        try:
            found = socket.getaddrinfo(host, self.port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            raise NotAllowed(f"The host {short(host)} is not known.") from error
        addresses = list(dict.fromkeys(str(item[4][0]) for item in found))
        if not all(is_allowed(host, address) for address in addresses):
            raise NotAllowed(
                f"{short(host)} leads to an address inside a private network. An administrator can allow it with "
                "CSBOX_FETCH_ALLOWED."
            )
        for address in addresses:
            try:
                return connection.create_connection(
                    (address, self.port), self.timeout, socket_options=self.socket_options
                )
            except OSError as error:
                failed = error
        raise FetchFailed(f"{short(host)} does not answer: {failed.strerror if failed else ''}.") from failed


class _Http(_Checked, HTTPConnection):
    pass


class _Https(_Checked, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https  # type: ignore[assignment]


class CheckedPool(urllib3.PoolManager):
    """A pool of checked connections that follows no redirect and repeats nothing by itself."""

    def __init__(self) -> None:
        super().__init__(timeout=TIMEOUT, cert_reqs="CERT_REQUIRED", retries=False)
        self.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}

    def urlopen(self, method: str, url: str, redirect: bool = False, **kw: Any) -> Any:  # type: ignore[override]
        """One request, one answer."""
        kw["retries"] = False
        return super().urlopen(method, url, redirect=False, **kw)


def check_url(url: str) -> str:
    """The host of a web address that may be asked. Raises FetchFailed for everything else."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise FetchFailed(f"“{short(url)}” is not a web address.") from error
    if parts.scheme not in ("https", "http") or not host:
        raise FetchFailed(f"“{short(url)}” is not a web address. It begins with https://")
    if parts.username is not None or parts.password is not None:
        raise FetchFailed("A password does not belong into an address, where everybody reads it. Name a credential.")
    if parts.scheme == "http" and host not in settings.FETCH_ALLOWED:
        raise FetchFailed("Only https:// is asked, because http:// can be read and changed on the way.")
    return host


def ask(pool: CheckedPool, url: str, headers: dict[str, str]) -> Any:
    """The answer of a server, its body not read yet; redirects only within the same server. Raises FetchFailed."""
    check_url(url)
    for _ in range(MOST_REDIRECTS + 1):
        try:
            answer = pool.urlopen("GET", url, headers=headers, preload_content=False)
        except FetchFailed:
            raise
        except HTTPError as error:
            raise FetchFailed(f"{urlsplit(url).hostname} does not answer: {short(_reason(error), 120)}.") from error
        if answer.status not in (301, 302, 303, 307, 308):
            return answer
        answer.close()
        target = urljoin(url, answer.headers.get("Location", ""))
        check_url(target)
        if urlsplit(target)[:2] != urlsplit(url)[:2]:
            other = short(urlsplit(target).netloc)
            raise FetchFailed(f"The server sends the question on to another one ({other}). Name that address.")
        url = target
    raise FetchFailed("The server sends the question round in a circle.")


@dataclass(frozen=True)
class Answer:
    """What a server said to something that was sent to it: status, headers, and the beginning of the body as text."""

    status: int
    headers: Mapping[str, str]
    text: str


def post(pool: CheckedPool, url: str, headers: dict[str, str], body: bytes, *, seconds: float = 10.0) -> Answer:
    """Send something once, and read no more than the beginning of the answer; a redirect is an answer like others.

    Raises NotAllowed for an address that may not be asked, FetchFailed for a server that does not answer.
    """
    check_url(url)
    timeout = Timeout(connect=5, read=seconds)
    try:
        answer = pool.urlopen("POST", url, headers=headers, body=body, timeout=timeout, preload_content=False)
        text, ended = _beginning(answer, seconds)
        if not ended:  # nobody waits for the rest
            answer.close()
        answer.release_conn()
    except FetchFailed:
        raise
    except HTTPError as error:
        raise FetchFailed(f"{urlsplit(url).hostname} does not answer: {short(_reason(error), 120)}.") from error
    return Answer(answer.status, dict(answer.headers), text.decode("utf-8", "replace"))


def _beginning(answer: Any, seconds: float) -> tuple[bytes, bool]:
    """The first bytes of a body, or as many of them as come in time, and whether that is all of it."""
    ends, found = time.monotonic() + seconds, b""
    while len(found) < SHORT_ANSWER and time.monotonic() < ends:
        piece = answer.read1(SHORT_ANSWER - len(found), decode_content=False)
        if not piece:
            return found, True
        found += piece
    return found, False


def _reason(error: HTTPError) -> str:
    return str(getattr(error, "reason", None) or error).rpartition(": ")[2] or type(error).__name__


def chunks_of(answer: Any, *, seconds: float) -> Iterator[bytes]:
    """The body in pieces, as it was sent. Raises FetchFailed if it breaks off or takes longer than that."""
    ends = time.monotonic() + seconds
    try:
        for chunk in answer.stream(CHUNK, decode_content=False):
            if time.monotonic() > ends:
                raise FetchFailed(f"The file did not come within {seconds:.0f} s.")
            yield chunk
    except HTTPError as error:
        raise FetchFailed("The connection broke off in the middle of the file.") from error
    finally:
        answer.close()
