"""Sending what waits, in the order of the changes, one destination after the other.

One worker sends for a destination at a time; if it dies, the lock is free at that moment and the same messages are sent
again with the same ids. What cannot be delivered stays first in line, so that what came later never overtakes it, and
is tried by the specification's schedule; once that has come to its end the destination is switched off and its owner
told, with everything still waiting. A message that is itself refused is put aside as failed, and the next one goes.
"""

from __future__ import annotations

import datetime as dt
import logging
import random
import time
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from accounts.models import TeamMember
from alerts.notifying.kinds import DESTINATION
from alerts.notifying.telling import Telling, tell
from core.fetching import CheckedPool
from core.intake import short
from core.locks import held
from core.sealing import CannotOpen
from integrations.destinations.composing import TooLong, encoded, id_of
from integrations.destinations.posting import MOST_BYTES, Said, composed, deliver
from integrations.models import Destination, Outgoing

log = logging.getLogger(__name__)
State = Outgoing.State
# Standard Webhooks 1.0, "Retry schedule": the waits after the first, second, … failure in a row.
WAITS = tuple(
    dt.timedelta(seconds=seconds)
    for seconds in (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
)  # fmt: skip
JITTER = 0.1
GIVE_UP_AFTER = dt.timedelta(days=5)
MOST_REFUSALS = 10
MOST_ATTEMPTS = 30  # of one message, whose worker may have died of it
BATCH = 100
SHORT_WAIT = 6.0  # seconds for which a worker waits rather than leave the next attempt to the tick
KEPT = dt.timedelta(days=14)


def ready(now: dt.datetime | None = None) -> QuerySet[Destination]:
    """The destinations for which something waits, and that do not rest."""
    rest = Q(rests_until__isnull=True) | Q(rests_until__lte=now or timezone.now())
    waits = Outgoing.objects.waiting().order_by().values("destination")
    return Destination.objects.open().filter(rest, pk__in=waits)


def send_due(budget: float) -> int:
    """Send what waits until nothing does, or the time is up; how many messages were taken."""
    ends, sent = time.monotonic() + budget, 0
    for destination in ready().order_by("sent_at", "pk"):
        with held("destination", destination.pk) as mine:
            if mine:
                sent += _Post(destination).send(ends)
        if time.monotonic() >= ends:
            break
    return sent


class _Post:
    """Sends for one destination, with connections of its own."""

    def __init__(self, destination: Destination) -> None:
        self.to = destination
        self.pool = CheckedPool()
        self.most = BATCH if destination.kind == Destination.Kind.TRACK else 1

    def send(self, ends: float) -> int:
        """Until nothing waits, the destination rests, or the time is up."""
        sent = 0
        try:
            while time.monotonic() < ends:
                batch = self.next()
                if not batch:
                    break
                taken = self.attempt(batch)
                if taken is None:
                    break
                sent += taken
        finally:
            self.pool.clear()
        return sent

    def next(self) -> list[Outgoing]:
        """The next messages in line; none if the destination was paused, or rests."""
        self.to.refresh_from_db()
        if not self.to.active or self.to.ended_at or not self.rested():
            return []
        rows = Outgoing.objects.waiting().filter(destination=self.to).order_by("pk")
        found = list(rows.select_related("item__segment", "account", "user")[: self.most])
        for row in found:
            row.destination = self.to
        return found

    def rested(self) -> bool:
        """Whether the next attempt may be made, a short wait included."""
        if self.to.rests_until is None:
            return True
        left = (self.to.rests_until - timezone.now()).total_seconds()
        if 0 < left <= SHORT_WAIT:
            time.sleep(left)
        return left <= SHORT_WAIT

    def attempt(self, batch: list[Outgoing]) -> int | None:
        """One request; how many messages were taken. None if the destination had better be left alone for a while."""
        rows = self.counted(batch)
        messages: list[tuple[str, dict[str, Any]]] = []
        chosen: list[Outgoing] = []
        size = 0
        for row in rows:
            try:
                message = composed(row)
            except TooLong as error:
                self.put_aside(row, Said(0, str(error)))
                continue
            size += len(encoded(message)) + 1
            if chosen and size > MOST_BYTES:
                break
            chosen.append(row)
            messages.append((id_of(row), message))
        if not chosen:
            return 0
        try:
            said = deliver(self.pool, self.to, messages)
        except CannotOpen:
            why = "Its address or key cannot be read with the present CSBOX_SECRET_KEY. Enter them again."
            switch_off(self.to, why)
            return None
        if said.taken:
            return self.taken(chosen, said)
        if said.refused:
            return self.refused(chosen, said)
        self.failed(chosen, said)
        return None

    def counted(self, batch: list[Outgoing]) -> list[Outgoing]:
        """Count the attempt before it is made; what was tried far too often has killed its workers."""
        for row in batch:
            row.attempts += 1
        rows = [row for row in batch if row.attempts <= MOST_ATTEMPTS]
        now = timezone.now()
        Outgoing.objects.filter(pk__in=[row.pk for row in rows]).update(attempts=F("attempts") + 1, tried_at=now)
        for row in batch:
            if row.attempts > MOST_ATTEMPTS:
                self.put_aside(row, Said(0, "It was tried too often."))
        return rows

    def taken(self, rows: list[Outgoing], said: Said) -> int:
        """They were; the destination works."""
        now = timezone.now()
        waiting = Outgoing.objects.filter(pk__in=[row.pk for row in rows])
        waiting.update(state=State.SENT, sent_at=now, status=said.status, error="")
        works = {"failures": 0, "refusals": 0, "failing_since": None, "rests_until": None, "error": ""}
        Destination.objects.filter(pk=self.to.pk, active=True).update(sent_at=now, **works)
        return len(rows)

    def refused(self, rows: list[Outgoing], said: Said) -> int | None:
        """One message is at fault: of a batch, found by sending them singly; put aside, unless all are refused."""
        if len(rows) > 1:
            self.most = 1
            return 0
        self.put_aside(rows[0], said)
        Destination.objects.filter(pk=self.to.pk).update(refusals=F("refusals") + 1)
        if self.to.refusals + 1 >= MOST_REFUSALS:
            why = f"{MOST_REFUSALS} messages in a row were refused. The last: {said.error}"
            switch_off(self.to, why)
            return None
        return 0

    def put_aside(self, row: Outgoing, said: Said) -> None:
        """It would not be taken another time either; somebody may try it again by hand."""
        log.warning("message refused", extra={"outgoing": row.pk, "reason": said.error[:200]})
        values = {"state": State.FAILED, "status": said.status or None, "error": short(said.error, 300)}
        Outgoing.objects.filter(pk=row.pk, state=State.WAITING).update(**values)

    def failed(self, rows: list[Outgoing], said: Said) -> None:
        """Nothing is taken there now: rest, or give up."""
        log.info("destination does not take messages", extra={"destination": self.to.pk, "reason": said.error[:200]})
        error = short(said.error, 300)
        Outgoing.objects.filter(pk__in=[row.pk for row in rows]).update(status=said.status or None, error=error)
        now, failures = timezone.now(), self.to.failures + 1
        since = self.to.failing_since or now
        if said.gone or failures > len(WAITS) or now - since >= GIVE_UP_AFTER:
            switch_off(self.to, error)
            return
        pause = WAITS[failures - 1] * random.uniform(1, 1 + JITTER)  # noqa: S311  (a jitter, no secret)
        rests = now + max(pause, said.wait or pause)
        Destination.objects.filter(pk=self.to.pk).update(
            failures=failures, failing_since=since, rests_until=rests, error=error
        )


def switch_off(destination: Destination, why: str) -> None:
    """Send nothing more until somebody switches it on again; its owner is told. What waits goes on waiting."""
    with transaction.atomic():
        row = Destination.objects.select_for_update().get(pk=destination.pk)
        if not row.active:
            return
        row.active, row.error = False, short(why, 300)
        row.save(update_fields=["active", "error", "updated_at"])
        at = timezone.now()
        tell(
            Telling(
                kind=DESTINATION.key, what=f"off:{row.pk}:{at.isoformat()}", member=member.pk, text=row.error,
                title=f"Nothing is sent to {row.name} any more", path=reverse("destination", args=[row.pk]),
            )
            for member in _owners(row)
        )  # fmt: skip


def _owners(destination: Destination) -> list[TeamMember]:
    """Whoever added it; the administrators if that is nobody who can still log in."""
    active = TeamMember.objects.filter(user__is_active=True)
    author = active.filter(user=destination.author_id).first() if destination.author_id else None
    return [author] if author else list(active.filter(access=TeamMember.Access.ADMIN))


def forget_sent_before(moment: dt.datetime) -> int:
    """Delete what was sent, failed or dropped long ago; how many."""
    return Outgoing.objects.filter(at__lt=moment).exclude(state=State.WAITING).delete()[0]
