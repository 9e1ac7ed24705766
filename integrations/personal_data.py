"""What integrations hold about a person or an account: messages, other ids, links to other systems, imports."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from django.contrib.admin.models import LogEntry
from django.db import connection
from django.db.models import Q, QuerySet

from accounts.models import Relationship, Subscription
from accounts.personal_data import empty_log, logged
from accounts.privacy.holdings import ACCOUNT, USER, Files, Holding, Subject, exempt, hold
from accounts.privacy.mentions import is_named, mentioning, scrub
from accounts.privacy.redacting import ERASED, redact
from integrations.connections.applying import ACCOUNTS, OF_ACCOUNTS
from integrations.connections.matching import key_of
from integrations.destinations import personal_data as of_destinations  # noqa: F401 - declares its own
from integrations.imports.naming import cells_kept, imports_naming
from integrations.imports.storing import folder
from integrations.models import (
    ConnectionLink,
    ConnectionRun,
    Identity,
    Import,
    ImportedRow,
    ImportReject,
    Message,
)
from integrations.tracking import spool
from integrations.tracking.personal_data import both, identities

# With the receipts, because a message id may have been made from the person's id.
_ERASE_MESSAGES = """
WITH gone AS (
    DELETE FROM integrations_message WHERE id = ANY(%s) RETURNING source_id, message_id
),
receipts AS (
    DELETE FROM usage_messagereceipt r USING gone g JOIN integrations_source s ON s.id = g.source_id
    WHERE r.source = s.key AND r.message_id = g.message_id
    RETURNING 1
)
SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM receipts)
"""


def _messages(subject: Subject) -> QuerySet[Message]:
    if subject.kind == ACCOUNT:
        return Message.objects.filter(account_ref=subject.external_id)
    return Message.objects.filter(
        Q(user_ref=subject.external_id) | Q(user_ref__in=identities(subject).order_by().values("name"))
    )


def _erase_messages(rows: QuerySet[Any], subject: Subject, limit: int) -> Counter[str]:
    """For good: what is refused from now on needs no receipt to be told from a repetition."""
    chosen = list(rows.values_list("pk", flat=True)[:limit])
    with connection.cursor() as cursor:
        cursor.execute(_ERASE_MESSAGES, [chosen])
        messages, receipts = cursor.fetchone()
    return Counter({"messages": messages, "receipts": receipts} if messages else {})


def _other_messages(subject: Subject) -> QuerySet[Message]:
    own = _messages(subject).order_by().values("pk")
    return mentioning(Message, subject, "payload", "reason", "name", "message_id").exclude(pk__in=own)


def _links(subject: Subject) -> QuerySet[ConnectionLink]:
    if subject.kind == ACCOUNT:
        return ConnectionLink.objects.filter(account=subject.pk)
    contacts = mentioning(ConnectionLink, subject, "label").filter(kind=ConnectionLink.Kind.CONTACT)
    return ConnectionLink.objects.filter(Q(user=subject.pk) | Q(pk__in=contacts.order_by().values("pk")))


def _other_links(subject: Subject) -> QuerySet[ConnectionLink]:
    if subject.kind == ACCOUNT:
        return ConnectionLink.objects.filter(**{"seen__contains": {ACCOUNTS: [subject.external_id]}})
    own = _links(subject).order_by().values("pk")
    return mentioning(ConnectionLink, subject, "label", "note").exclude(pk__in=own)


def _scrub_links(rows: QuerySet[Any], subject: Subject, limit: int) -> Counter[str]:
    """The record stays what it is here; its name, or the account among those of a contact, goes."""
    chosen = list(rows.select_for_update(of=("self",))[:limit])
    for row in chosen:
        if subject.kind == ACCOUNT:
            row.seen[ACCOUNTS] = [name for name in row.seen[ACCOUNTS] if name != subject.external_id]
        else:
            row.label, row.note = redact(row.label, subject), redact(row.note, subject)
        row.save(update_fields=["label", "label_folded", "note", "seen"])
    return Counter({"link_mentions": len(chosen)} if chosen else {})


def _keys_over_there(*kinds: str) -> Callable[[Subject], Iterable[str]]:
    """The ids that would be made for the subject's records in other systems."""
    return lambda subject: [
        key_of(link) for link in _links(subject).filter(kind__in=kinds).select_related("connection")
    ]


def _scrubbing(key: str, *columns: str) -> Callable[[QuerySet[Any], Subject, int], Counter[str]]:
    """Erase what names the subject from columns of text or JSON, and keep the rows."""

    def erase(rows: QuerySet[Any], subject: Subject, limit: int) -> Counter[str]:
        chosen = list(rows.select_for_update(of=("self",))[:limit])
        for row in chosen:
            for column in columns:
                setattr(row, column, scrub(getattr(row, column), subject))
            row.save(update_fields=columns)
        return Counter({key: len(chosen)} if chosen else {})

    return erase


def _imported(subject: Subject) -> QuerySet[ImportedRow]:
    column = "user" if subject.kind == USER else "account"
    belonging = Relationship.objects.filter(**{column: subject.pk}).order_by().values("pk")
    found = Q(subject=subject.kind, object_id=subject.pk) | Q(subject="relationship", object_id__in=belonging)
    if subject.kind == ACCOUNT:
        bought = Subscription.objects.filter(account=subject.pk).order_by().values("pk")
        found |= Q(subject="subscription", object_id__in=bought)
    return ImportedRow.objects.filter(found)


def _imported_before(subject: Subject) -> QuerySet[ImportedRow]:
    own = _imported(subject).order_by().values("pk")
    return mentioning(ImportedRow, subject, "before").exclude(pk__in=own)


def _forget_before(rows: QuerySet[Any], subject: Subject, limit: int) -> Counter[str]:
    """Undoing the import gives these values back no more."""
    chosen = list(rows[:limit])
    for row in chosen:
        named = {key for key, old in row.before.items() if is_named(subject, json.dumps(old, ensure_ascii=False))}
        row.before = {key: old for key, old in row.before.items() if key not in named}
    ImportedRow.objects.bulk_update(chosen, ["before"])
    return Counter({"imported_values": len(chosen)} if chosen else {})


def _drop_files(rows: QuerySet[Any], subject: Subject, limit: int) -> Counter[str]:
    """A file that an import is reading stays until that has ended: without it half of the file would be lost."""
    ended = list(rows.exclude(state=Import.State.RUNNING).values_list("stored", flat=True)[:limit])
    if not ended and rows.exists():
        raise RuntimeError("An import is reading a file that names it. The file goes once the import has ended.")
    for stored in ended:
        (folder() / stored).unlink(missing_ok=True)
    return Counter({"import_files": len(ended)} if ended else {})


def _files_aside(subject: Subject) -> Files:
    """Requests that could not be recorded, on the disk of this machine, each with its reason."""
    found = Files()
    for path in sorted((spool.folder() / "aside").glob("*.json")):
        text = path.read_text(encoding="utf-8", errors="replace")
        with suppress(ValueError):  # it is looked through as it stands, then
            text = json.dumps(json.loads(text), ensure_ascii=False)
        if is_named(subject, text):
            found += [path, *path.parent.glob(f"{path.name}.reason")]
    return found


def _log(subject: Subject) -> QuerySet[LogEntry]:
    found = logged(ConnectionLink, _links(subject).values_list("pk", flat=True))
    if subject.kind == USER:
        found |= logged(Identity, identities(subject).values_list("pk", flat=True))
    return LogEntry.objects.filter(found).exclude(object_repr=ERASED)


def _refs(column: str) -> Callable[[], Iterable[str]]:
    return lambda: Message.objects.exclude(**{column: ""}).order_by().values_list(column, flat=True).distinct()


def _reject_cells() -> Iterable[str]:
    for cells in ImportReject.objects.order_by().values_list("cells", flat=True).iterator():
        yield from (str(cell).strip() for cell in cells)
    yield from cells_kept()


def _link_keys() -> Iterable[str]:
    return map(key_of, ConnectionLink.objects.order_by().select_related("connection").iterator())


_IMPORT_TEXTS = ("name", "header", "mapping", "error", "undo_report")
_MESSAGE = {
    "at": "at", "kind": "kind", "event": "name", "user": "user_ref", "account": "account_ref", "filled_in": "inferred",
    "outcome": "outcome", "reason": "reason", "message": "payload",
    "message_id": "message_id", "received_at": "received_at",
}  # fmt: skip
hold(
    Holding(
        key="messages", label="Messages in the event debugger", model=Message, order=8, find=both(_messages),
        erase=_erase_messages, columns=_MESSAGE, names={USER: _refs("user_ref"), ACCOUNT: _refs("account_ref")},
    ),
    Holding(
        key="message_mentions", label="Messages of others that name it", model=Message, order=9,
        find=both(_other_messages),
    ),
    Holding(
        key="integrations_log", label="Entries of the back office’s log about other ids (words removed)",
        model=LogEntry, order=20, find=both(_log), erase=empty_log,
    ),
    Holding(
        key="imported_rows", label="What imports did to it", model=ImportedRow, order=40, find=both(_imported),
        columns={"import": "job__name", "what": "subject", "before": "before"},
    ),
    Holding(
        key="imported_values", label="Former values of others that name it", model=ImportedRow, order=41,
        find=both(_imported_before), erase=_forget_before,
    ),
    Holding(
        key="link_mentions", label="Records of other systems that name it (name removed)", model=ConnectionLink,
        order=54, find=both(_other_links), erase=_scrub_links,
    ),
    Holding(
        key="links", label="Records of other systems", model=ConnectionLink, order=55, find=both(_links),
        columns={"connection": "connection__name", "kind": "kind", "id": "remote_id", "name": "label", "note": "note"},
        known_as={USER: _keys_over_there(ConnectionLink.Kind.CONTACT), ACCOUNT: _keys_over_there(*OF_ACCOUNTS)},
        names={USER: _link_keys, ACCOUNT: _link_keys},
    ),
    Holding(
        key="run_problems", label="Problems of connections that name it (words removed)", model=ConnectionRun,
        order=70, find=both(lambda subject: mentioning(ConnectionRun, subject, "problems", "error")),
        erase=_scrubbing("run_problems", "problems", "error"),
    ),
    Holding(
        key="import_rejects", label="Rejected rows of imports", model=ImportReject, order=70,
        find=both(lambda subject: mentioning(ImportReject, subject, "cells", "reason")),
        columns={"import": "job__name", "line": "line", "reason": "reason", "cells": "cells"},
        names={USER: _reject_cells, ACCOUNT: _reject_cells},
    ),
    Holding(
        key="import_texts", label="Texts of imports that name it (words removed)", model=Import, order=71,
        find=both(lambda subject: mentioning(Import, subject, *_IMPORT_TEXTS)),
        erase=_scrubbing("import_texts", *_IMPORT_TEXTS),
    ),
    Holding(
        key="set_aside", label="Files of requests that were set aside", model=None, order=80, find=both(_files_aside),
    ),
    Holding(
        key="import_files", label="Files of imports that name it", model=Import, order=95,
        find=both(lambda subject: Import.objects.filter(pk__in=imports_naming(subject))), erase=_drop_files,
        columns={"file": "name", "rows": "kind", "stored_at": "created_at"},
    ),
)  # fmt: skip
exempt(
    {
        "integrations.ScheduledImport": "Its digest is the hash of a whole file, which tells whether the file changed.",
        "integrations.WriteKey": "Its digest is the hash of a key of ours, which is nobody’s data.",
    }
)
