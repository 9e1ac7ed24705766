"""Sources and their write keys: made, found by a key, rotated, disabled."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
import time
import zlib
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.text import slugify

from core.intake import BadValue, clean_text, fold
from integrations.models import Source, WriteKey

PREFIX = "wk_"
SHORTEST, LONGEST = 16, 128
REMEMBERED = 2.0  # seconds for which a process trusts what it knows of a key
OVERLAPS = {0: "at once", 1: "after an hour", 24: "after a day", 168: "after a week"}  # hours


@dataclass(frozen=True, slots=True)
class Known:
    """What a process knows of a key: its source (None: there is none), until when it opens it, and since when."""

    source: Source | None
    valid_until: dt.datetime | None
    asked: float


_known: dict[str, Known] = {}


def make_key() -> str:
    """A key of 160 random bits with a checksum, so that a mistyped one can be told from a wrong one."""
    body = secrets.token_hex(20)
    return f"{PREFIX}{body}{zlib.crc32(body.encode()):08x}"


def digest_of(key: str) -> str:
    """What is kept of a key. It has too many random bits to be guessed, so a quick digest is enough."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


@transaction.atomic
def create_source(name: str, *, key: str = "", by: Any = None) -> tuple[Source, str]:
    """A new source with its first key; the key is in the answer and nowhere else.

    Raises BadValue if the name is empty or taken, or if a given key is too short or in use.
    """
    name = clean_text(name, 120)
    if not name:
        raise BadValue("A source needs a name, for example “Web app”.")
    if Source.objects.filter(name_folded=fold(name)).exists():
        raise BadValue(f"There is a source called “{name}” already. Choose another name.")
    stem = slugify(name)[:50] or "source"
    taken = set(Source.objects.filter(key__startswith=stem).values_list("key", flat=True))
    slug = next(s for n in range(1, len(taken) + 2) if (s := stem if n == 1 else f"{stem}-{n}") not in taken)
    source = Source.objects.create(key=slug, name=name, created_by=by)
    return source, _add_key(source, key)


def _add_key(source: Source, key: str = "") -> str:
    key = key or make_key()
    if not (SHORTEST <= len(key) <= LONGEST and key.isascii() and key.isprintable()) or set(key) & set(": "):
        raise BadValue(f"A write key has {SHORTEST} to {LONGEST} characters, without blanks and colons.")
    if WriteKey.objects.filter(digest=digest_of(key)).exists():
        raise BadValue("This write key is in use already. Leave it out, and a new one is made.")
    WriteKey.objects.create(source=source, digest=digest_of(key), hint=key[-4:])
    return key


@transaction.atomic
def rotate_key(source: Source, *, overlap: dt.timedelta) -> str:
    """A new key for a source; the present ones stay good for the overlap. Returns the key, which is kept nowhere."""
    until = timezone.now() + overlap
    Source.objects.select_for_update(no_key=True).get(pk=source.pk)
    source.write_keys.filter(Q(valid_until=None) | Q(valid_until__gt=until)).update(valid_until=until)
    return _add_key(source)


def set_disabled(source: Source, disabled: bool) -> None:
    """Refuse the messages of a source from now on (within two seconds), or take them again."""
    source.disabled_at = (source.disabled_at or timezone.now()) if disabled else None
    source.save(update_fields=["disabled_at", "updated_at"])


def find_source(digest: str) -> Source | None:
    """The source that a key opens, by the key's digest; None if there is none or it is disabled."""
    found = _known.get(digest)
    if found is None or time.monotonic() - found.asked > REMEMBERED:
        row = WriteKey.objects.select_related("source").filter(digest=digest).first()
        if len(_known) > 10_000:  # somebody is guessing
            _known.clear()
        found = Known(row.source if row else None, row.valid_until if row else None, time.monotonic())
        _known[digest] = found
    return _if_open(found)


def is_remembered(digest: str) -> bool:
    """True if this process has asked for the key before."""
    return digest in _known


def remembered_source(digest: str) -> Source | None:
    """The source that a key opened when the database last answered."""
    found = _known.get(digest)
    return _if_open(found) if found else None


def forget_known() -> None:
    """Ask the database again for every key."""
    _known.clear()


def _if_open(known: Known) -> Source | None:
    over = known.valid_until is not None and known.valid_until <= timezone.now()
    return None if known.source is None or known.source.disabled_at or over else known.source
