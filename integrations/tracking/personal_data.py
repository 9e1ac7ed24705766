"""What is held about a person under other ids: those ids, what was said and done under them, and merges under way."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet

from accounts.privacy.holdings import ACCOUNT, USER, Find, Holding, Subject, hold
from accounts.privacy.mentions import is_named, mentioning
from integrations.models import Identity, PendingEvent, UserMerge, VisitorLink
from integrations.tracking.owners import owner_at, sights_of
from integrations.tracking.visitors import instant

# Events of a visitor who is this person, that do not have their user yet.
_ERASE_PENDING = """
WITH chosen AS (SELECT id FROM integrations_pendingevent WHERE id = ANY(%s)),
pending AS (
    DELETE FROM integrations_pendingevent p USING chosen c WHERE p.id = c.id
    RETURNING p.at, p.source, p.message_id
),
gone AS (
    DELETE FROM usage_event e USING pending p
    WHERE e.at = p.at AND e.source = p.source AND e.message_id = p.message_id
        AND e.user_id IS NULL
    RETURNING e.source, e.message_id
),
receipts AS (
    DELETE FROM usage_messagereceipt r USING gone g WHERE r.source = g.source AND r.message_id = g.message_id
    RETURNING 1
)
SELECT (SELECT count(*) FROM pending), (SELECT count(*) FROM gone), (SELECT count(*) FROM receipts)
"""


def both(find: Find) -> dict[str, Find]:
    """The same search for a person and for an account."""
    return {USER: find, ACCOUNT: find}


def identities(subject: Subject) -> QuerySet[Identity]:
    """The other ids of a person, and the id itself where it is one."""
    return Identity.objects.filter(Q(user=subject.pk) | Q(name=subject.external_id))


def _pending(subject: Subject) -> QuerySet[PendingEvent]:
    if subject.kind == ACCOUNT:
        return PendingEvent.objects.filter(account_id=subject.pk)
    waiting = Q(user_id__isnull=True, identity__in=identities(subject).order_by().values("pk"))
    return PendingEvent.objects.filter(waiting | Q(user_id=subject.pk))


def _erase_pending(rows: QuerySet[Any], subject: Subject, limit: int) -> Counter[str]:
    chosen = list(rows.values_list("pk", flat=True)[:limit])
    with connection.cursor() as cursor:
        cursor.execute(_ERASE_PENDING, [chosen])
        pending, events, receipts = cursor.fetchone()
    return Counter({"pending_events": pending, "events": events, "receipts": receipts} if pending else {})


def _scrub_facts(rows: QuerySet[Any], subject: Subject, limit: int) -> Counter[str]:
    """What a visitor said stays, without what names the subject."""
    chosen = list(rows.select_for_update(of=("self",))[:limit])
    for row in chosen:
        row.facts = [fact for fact in row.facts if not is_named(subject, json.dumps(fact, ensure_ascii=False))]
        row.save(update_fields=["facts", "updated_at"])
    return Counter({"visitor_facts": len(chosen)} if chosen else {})


def _erase_visitor_links(rows: QuerySet[Any], subject: Subject, limit: int) -> Counter[str]:
    """With what was said on a shared computer while the person was there, which else would be the next one's."""
    chosen = list(rows.order_by("pk")[:limit])
    names = Identity.objects.filter(pk__in=[link.identity_id for link in chosen]).select_related("user")
    locked = list(names.select_for_update(of=("self",)).order_by("name"))
    sights = sights_of(locked)
    for row in locked:
        row.facts = [fact for fact in row.facts if owner_at(sights[row.name], instant(fact)) != subject.external_id]
        row.save(update_fields=["facts", "updated_at"])
    VisitorLink.objects.filter(pk__in=[link.pk for link in chosen]).delete()
    return Counter({"visitor_links": len(chosen)} if chosen else {})


def _former_ids(subject: Subject) -> Iterable[str]:
    return Identity.objects.filter(user=subject.pk, former=True).values_list("name", flat=True)


hold(
    Holding(
        key="visitor_links", label="When visitors were first seen as the user", model=VisitorLink, order=11,
        find={USER: lambda subject: VisitorLink.objects.filter(user=subject.pk)}, erase=_erase_visitor_links,
        columns={"visitor": "identity__name", "at": "at"},
    ),
    Holding(
        key="user_merges", label="Merges with other users that are under way", model=UserMerge, order=9,
        find={USER: lambda subject: UserMerge.objects.filter(Q(old=subject.pk) | Q(into=subject.pk))},
        columns={"former_id": "old__external_id", "user": "into__external_id", "source": "source"},
    ),
    Holding(
        key="pending_events", label="Events of visitors that wait for their user", model=PendingEvent, order=10,
        find=both(_pending), erase=_erase_pending,
        columns={"at": "at", "source": "source", "message_id": "message_id"},
    ),
    Holding(
        key="visitor_facts", label="What visitors said that names it", model=Identity, order=50,
        find=both(lambda subject: mentioning(Identity, subject, "facts")), erase=_scrub_facts,
    ),
    Holding(
        key="identities", label="Other ids", model=Identity, order=60, find={USER: identities},
        columns={"id": "name", "former": "former", "linked_at": "linked_at"}, known_as={USER: _former_ids},
        names={USER: lambda: Identity.objects.order_by().values_list("name", flat=True)},
    ),
)  # fmt: skip
