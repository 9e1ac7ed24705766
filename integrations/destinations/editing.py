"""Making, changing, pausing and removing destinations, and choosing what each is told."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.facts.attributes import attribute_key
from accounts.fields import Vocabulary, vocabulary
from accounts.fields.uses import FieldUse, find_field_uses_with
from accounts.models import AttributeDefinition, Subject
from core.fetching import FetchFailed, check_url
from core.intake import BadValue, clean_text, short
from core.jobs import enqueue
from core.signing import new_secret
from integrations.destinations.filling import TASK, field_of, request_items
from integrations.destinations.secrets import sealed
from integrations.models import Destination, Outgoing, SyncedValue, SyncItem
from integrations.tracking.traits import COLUMNS
from segments.models import Segment
from segments.uses import Use, find_uses_with

OVERLAP = dt.timedelta(hours=24)  # in which a former signing key signs too
MOST_ITEMS = 100
PREFIX = "csbox_"
_KEY = re.compile(r"[a-z][a-z0-9_]{0,59}")
_CHOICES = ("groups", "to_users", "events", "events_of_first", "events_of_definition")
_NAMES = {"entered_name": "Audience Entered", "exited_name": "Audience Exited", "computed_name": "Trait Computed"}


def make_destination(
    *, kind: str, name: str, address: str, write_key: str = "", author: Any = None
) -> tuple[Destination, str]:
    """A new destination, and the key that signs a webhook's messages, which is shown once ("" for a tracking endpoint,
    whose write key is given). Raises BadValue."""
    if kind not in Destination.Kind.values:
        raise BadValue(f"The kind is one of: {', '.join(Destination.Kind.values)}.")
    found = Destination(kind=kind, author=author if getattr(author, "pk", None) else None)
    found.to_users = kind == Destination.Kind.TRACK
    found.name = _named(name)
    _set_address(found, address)
    secret = ""
    if kind == Destination.Kind.WEBHOOK:
        secret = new_secret()
        found.secret = sealed(secret)
    else:
        found.secret = sealed(_write_key(write_key))
    _save(found)
    return found, secret


def change_destination(destination: Destination, values: Mapping[str, Any]) -> Destination:
    """Change what is given: `name`, `address`, `write_key` (empty ones keep what there is), the choices of what is
    sent, the names of events, `tools`. Raises BadValue."""
    with transaction.atomic():
        found = Destination.objects.select_for_update().get(pk=destination.pk)
        to_users = found.to_users
        if "name" in values:
            found.name = _named(values["name"])
        if values.get("address"):
            _set_address(found, values["address"])
        if values.get("write_key") and found.kind == Destination.Kind.TRACK:
            found.secret = sealed(_write_key(values["write_key"]))
        for name in _CHOICES:
            if name in values:
                setattr(found, name, bool(values[name]))
        for name, usual in _NAMES.items():
            if name in values:
                setattr(found, name, clean_text(values[name], 80) or usual)
        if "tools" in values:
            found.tools = [text for one in values["tools"] if (text := clean_text(one, 80))][:50]
        _save(found)
        if found.to_users and not to_users:  # what users are told now is no doing of theirs
            request_items(found.items.filter(ended_at=None), redefined=True)
    return found


def rotate_secret(destination: Destination) -> str:
    """A new signing key, which is shown once; for a day the former one signs besides. Raises BadValue."""
    if destination.kind != Destination.Kind.WEBHOOK:
        raise BadValue("Only webhooks are signed. Enter the new write key instead.")
    secret = new_secret()
    with transaction.atomic():
        found = Destination.objects.select_for_update().get(pk=destination.pk)
        found.former_secret, found.former_until = found.secret, timezone.now() + OVERLAP
        found.secret = sealed(secret)
        found.save(update_fields=["secret", "former_secret", "former_until", "updated_at"])
    return secret


def pause(destination: Destination) -> None:
    """Send nothing; what waits goes on waiting, and what changes meanwhile is found later."""
    Destination.objects.filter(pk=destination.pk).update(active=False, error="")


def go_on(destination: Destination) -> None:
    """Send again: first what waited, then what changed meanwhile."""
    clean = {"error": "", "failures": 0, "refusals": 0, "failing_since": None, "rests_until": None}
    with transaction.atomic():
        Destination.objects.filter(pk=destination.pk).update(active=True, **clean)
        request_items(destination.items.filter(ended_at=None))
        enqueue(TASK)


def remove_destination(destination: Destination) -> None:
    """Forget what it knows and what waits for it. Its name is free; its keys and its origin are kept, so that what
    still comes back from there is known."""
    with transaction.atomic():
        now = timezone.now()
        SyncedValue.objects.filter(item__destination=destination).delete()
        Outgoing.objects.filter(destination=destination).delete()
        destination.items.filter(ended_at=None).update(ended_at=now)
        Destination.objects.filter(pk=destination.pk).update(
            ended_at=now, active=False, address="", secret="", former_secret=""
        )


def add_item(destination: Destination, *, segment: str = "", field: str = "", key: str = "") -> SyncItem:
    """Send a segment (by its key) or a field; everything that is known goes first. Raises BadValue."""
    if bool(segment) == bool(field):
        raise BadValue("Choose a segment or a field.")
    item = SyncItem(destination=destination, field=field)
    fields = vocabulary()
    if segment:
        item.segment = Segment.objects.filter(key=segment).first()
        if item.segment is None:
            raise BadValue(f"There is no segment “{short(segment)}”.")
    elif field_of(item, fields) is None:
        raise BadValue(f"There is no field “{short(field)}” of accounts or users.")
    item.key = _checked_key(clean_text(key, 80) or suggested_key(segment or field))
    with transaction.atomic():
        Destination.objects.select_for_update().get(pk=destination.pk)
        taken = SyncItem.objects.filter(destination=destination)
        if taken.filter(ended_at=None).count() >= MOST_ITEMS:
            raise BadValue(f"A destination is told at most {MOST_ITEMS} segments and fields.")
        if taken.filter(key=item.key).exists():
            raise BadValue(f"“{item.key}” is, or was, sent there with another meaning. Choose another key.")
        if taken.filter(ended_at=None, segment=item.segment, field=field).exists():
            raise BadValue("It is sent there already.")
        item.save()
        enqueue(TASK)
    return item


def end_item(item: SyncItem) -> int:
    """Send it no more; what waits is dropped (how many). Its key stays taken. Also how a first sync is cancelled."""
    with transaction.atomic():
        held = SyncItem.objects.select_for_update().get(pk=item.pk)
        if held.ended_at is None:
            held.ended_at = timezone.now()
            held.save(update_fields=["ended_at"])
        SyncedValue.objects.filter(item=held).delete()
        return Outgoing.objects.waiting().filter(item=held).update(state=Outgoing.State.DROPPED)


def retry(rows: Collection[Outgoing]) -> tuple[int, int]:
    """Let messages that failed be sent again; how many are, and how many are not because a newer value has been
    written since."""
    again, stale = [], 0
    for row in rows:
        mine = {"account": row.account_id} if row.account_id else {"user": row.user_id}
        newer = Outgoing.objects.filter(item=row.item_id, call=row.call, seq__gt=row.seq, **mine)
        if row.call != Outgoing.Call.TRACK and newer.exists():
            stale += 1
        else:
            again.append(row.pk)
    if again:
        failed = Outgoing.objects.filter(pk__in=again, state=Outgoing.State.FAILED)
        failed.update(state=Outgoing.State.WAITING, attempts=0, error="", status=None)
        enqueue(TASK)
    return len(again), stale


def suggested_key(name: str) -> str:
    """A key for a segment or a field: the last part of its name, with a prefix where messages set something by it."""
    key = attribute_key(name.rpartition(".")[2] or name)[:50] or "value"
    key = key if key[0].isalpha() else f"{PREFIX}{key}"
    return f"{PREFIX}{key}" if _is_of_facts(key) else key


def _checked_key(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise BadValue("A key has small letters, digits and _, and begins with a letter: trial_accounts.")
    if _is_of_facts(key):
        raise BadValue(
            f"“{key}” is what messages set here. Passed back under it, a value would be taken for the customer’s own. "
            f"Use another key, for example {PREFIX}{key}."
        )
    return key


def _is_of_facts(key: str) -> bool:
    """Whether a message with this trait would set a column or an attribute here."""
    columns = COLUMNS[Subject.ACCOUNT].keys() | COLUMNS[Subject.USER].keys()
    return key in columns or AttributeDefinition.objects.filter(key=key).exists()


def _named(text: str) -> str:
    found = clean_text(text, 60)
    if not found:
        raise BadValue("Give the destination a name.")
    return found


def _write_key(text: str) -> str:
    found = clean_text(text, 200)
    if not re.fullmatch(r"[\x21-\x39\x3b-\x7e]{4,}", found):
        raise BadValue("A write key is one word of at least 4 plain characters. Copy it once more.")
    return found


def _set_address(destination: Destination, address: str) -> None:
    """Check where it leads, and keep it; what is shown of a webhook's address is only its host and its end."""
    text = clean_text(address, 500)
    try:
        host = check_url(text)
    except FetchFailed as error:
        raise BadValue(str(error)) from error
    destination.address = sealed(text)
    parts = urlsplit(text)
    tracking = destination.kind == Destination.Kind.TRACK
    destination.hint = f"{host}{parts.path if tracking else '…' + parts.path[-4:]}"[:120]


def _save(destination: Destination) -> None:
    try:
        with transaction.atomic():
            destination.save()
    except IntegrityError as error:
        raise BadValue(f"There is already a destination called “{destination.name}”.") from error


@find_uses_with
def items_of_segments(segments: Collection[Segment]) -> list[tuple[Segment, Use]]:
    """The destinations that are told of segments."""
    by_pk = {segment.pk: segment for segment in segments}
    rows = SyncItem.objects.filter(segment__in=by_pk, ended_at=None).select_related("destination")
    return [(by_pk[row.segment_id or 0], Use("destination", row.destination.name, row.destination_id)) for row in rows]


@find_field_uses_with
def items_of_fields() -> list[tuple[FieldUse, set[str]]]:
    """The destinations with the fields that they are told of."""
    rows = SyncItem.objects.filter(ended_at=None).exclude(field="").select_related("destination")
    return [(FieldUse("destination", row.destination.name, row.destination_id), {row.field}) for row in rows]


def sendable_fields(fields: Vocabulary) -> list[Any]:
    """The fields that can be sent, by category and label."""
    found = [one for one in fields.values() if field_of(SyncItem(field=one.key), fields) is not None]
    return sorted(found, key=lambda one: (one.category, one.label.lower()))
