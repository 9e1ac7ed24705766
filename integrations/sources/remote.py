"""A file from a web address or from an S3-compatible bucket, fetched only if it is another one than last time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import minio
from django.conf import settings
from minio.error import MinioException, S3Error
from urllib3.exceptions import HTTPError

from core.fetching import CheckedPool, FetchFailed, ask, check_url, chunks_of
from core.intake import short

SECONDS = 240.0  # for one file, within the time that a task may take
MOST_OBJECTS = 10_000
_STATUS = {
    401: "it wants to know who asks. Name a credential, or correct it",
    403: "it does not allow this. Check the credential",
    404: "there is no such file",
    429: "it was asked too often",
}


@dataclass(frozen=True)
class Place:
    """Where a file is, and what is known of the one that was fetched last."""

    url: str
    endpoint: str = ""
    region: str = ""
    credential: str = ""
    secret: str = field(default="", repr=False)
    etag: str = ""
    last_modified: str = ""


@dataclass
class Fetched:
    """A file on its way: its name, its bytes, and what tells it from the next one."""

    name: str
    chunks: Iterator[bytes]
    etag: str
    last_modified: str


def secret_of(name: str) -> str:
    """A credential by its name, from the environment. Raises FetchFailed if there is none."""
    if not name:
        return ""
    found = settings.FETCH_SECRETS.get(name.lower())
    if not found:
        raise FetchFailed(f"There is no credential “{short(name)}”: set CSBOX_CREDENTIAL_{name.upper()} and restart.")
    return str(found)


def _secret(place: Place) -> str:
    """What the place is asked with: a credential in clear, or one by its name; "" for none. Raises FetchFailed."""
    return place.secret or secret_of(place.credential)


def check_place(place: Place) -> None:
    """Refuse a place that can never be asked. Raises FetchFailed."""
    if not place.url.startswith("s3://"):
        check_url(place.url)
    else:
        bucket, _ = _bucket(place.url)
        if not bucket:
            raise FetchFailed("A bucket is written s3://bucket/beginning-of-the-name.")
        if not place.endpoint:
            raise FetchFailed("For a bucket, name the endpoint, for example https://s3.eu-west-1.amazonaws.com")
        check_url(place.endpoint)
        if ":" not in (_secret(place) or ":"):
            raise FetchFailed("The credential of a bucket is ACCESS_KEY:SECRET_KEY.")
    _secret(place)


def fetch(place: Place) -> Fetched | None:
    """The file, or None if it is the one that was fetched last. Raises FetchFailed."""
    check_place(place)
    return _from_bucket(place) if place.url.startswith("s3://") else _from_web(place)


def _from_web(place: Place) -> Fetched | None:
    headers = {"User-Agent": "csbox", "Accept-Encoding": "identity"}
    if secret := _secret(place):
        headers["Authorization"] = secret
    if place.etag:
        headers["If-None-Match"] = place.etag
    if place.last_modified:
        headers["If-Modified-Since"] = place.last_modified
    answer = ask(CheckedPool(), place.url, headers)
    if answer.status == 304:
        answer.close()
        return None
    if answer.status != 200:
        answer.close()
        words = _STATUS.get(answer.status, "try again later")
        raise FetchFailed(f"{urlsplit(place.url).hostname} answers {answer.status}: {words}.")
    name = unquote(PurePosixPath(urlsplit(place.url).path).name) or "file"
    etag, modified = answer.headers.get("ETag", "")[:300], answer.headers.get("Last-Modified", "")[:80]
    return Fetched(name, chunks_of(answer, seconds=SECONDS), etag, modified)


def _from_bucket(place: Place) -> Fetched | None:
    bucket, prefix = _bucket(place.url)
    try:
        client = _client(place)
        newest = _newest(client, bucket, prefix)
        etag, modified = f"{newest.object_name}:{newest.etag}"[-300:], newest.last_modified.isoformat()
        if etag == place.etag:
            return None
        answer = client.get_object(bucket, newest.object_name)
    except S3Error as error:
        raise FetchFailed(f"The bucket answers {error.code}: {short(error.message, 200)}") from error
    except FetchFailed:
        raise
    except (MinioException, HTTPError, ValueError) as error:
        raise FetchFailed(f"The bucket cannot be asked: {short(error, 200)}") from error
    return Fetched(PurePosixPath(newest.object_name).name, chunks_of(answer, seconds=SECONDS), etag, modified)


def _client(place: Place) -> minio.Minio:
    """A client whose connections are checked like all others. Without a region the usual one is signed for."""
    parts = urlsplit(place.endpoint)
    access, _, secret = _secret(place).partition(":")
    return minio.Minio(
        endpoint=parts.netloc, access_key=access or None, secret_key=secret or None, secure=parts.scheme == "https",
        region=place.region or "us-east-1", http_client=CheckedPool(),
    )  # fmt: skip


def _newest(client: minio.Minio, bucket: str, prefix: str) -> Any:
    newest: Any = None
    for count, item in enumerate(client.list_objects(bucket_name=bucket, prefix=prefix, recursive=True)):
        if count >= MOST_OBJECTS:
            raise FetchFailed(f"More than {MOST_OBJECTS:,} objects begin with this name. Give a longer beginning.")
        if item.size and (newest is None or _age(item) > _age(newest)):
            newest = item
    if newest is None:
        raise FetchFailed(f"The bucket {short(bucket)} holds no object whose name begins with “{short(prefix)}”.")
    return newest


def _age(item: Any) -> tuple[Any, str]:
    return item.last_modified, item.object_name


def _bucket(url: str) -> tuple[str, str]:
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    return bucket, prefix
