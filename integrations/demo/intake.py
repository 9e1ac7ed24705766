"""What came in lately, for the pages about it: a source with messages of every fate, a finished import, a schedule that
is off, a person who was erased."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence
from typing import Any

from accounts.privacy.erasing import continue_erasures, request_erasure
from core.clock import Moment
from integrations.demo import facts, words
from integrations.demo.company import Customer
from integrations.imports.running import work
from integrations.imports.scheduling import save_schedule
from integrations.imports.uploading import upload
from integrations.models import Import, Message, Outcome, ScheduledImport, Source, SourceTally
from integrations.tracking.keys import create_source
from integrations.tracking.messages import Envelope, Tracked, read_message
from integrations.tracking.recording import record

DAYS, NEWEST, TOGETHER = 30, 48, 6
LEFT = "demo-left"
FAULT = "DataError: value out of range for the step that was at work; the next release mends it"


def receive(customers: Sequence[Customer], author: Any, dice: random.Random, present: Moment) -> int:
    """Write all of it, once; how many messages there are."""
    if Source.objects.exists():
        return 0
    web, _ = create_source("Web app", by=author)
    server, _ = create_source("Billing server", by=author)
    _count(web, 900, dice, present)
    _count(server, 60, dice, present)
    messages = _messages(customers, dice, present)
    for minutes, calls in messages:
        received = present.now - dt.timedelta(minutes=minutes)
        envelope = Envelope(received, f"demo-{minutes}")
        record(web, [read_message(call, envelope, place) for place, call in enumerate(calls)], envelope)
    _set_aside(web, customers[0], present)
    _forget_somebody(web, author, present)
    _import(customers, author, dice)
    return Message.objects.count()


def _count(source: Source, daily: int, dice: random.Random, present: Moment) -> None:
    """How much came on each of the last days but today."""
    rows = []
    for days in range(DAYS, 0, -1):
        day = present.today - dt.timedelta(days=days)
        number = round(daily * (0.15 if day.weekday() > 4 else 1) * dice.uniform(0.8, 1.2))
        at, dropped = present.start_of(day) + dt.timedelta(hours=12), number // 90
        homeless = number // 40
        rows.append(
            SourceTally(
                source=source, at=at, stored=number - dropped - homeless, dropped=dropped, no_account=homeless,
                duplicate=number // 25, summed=True,
            )
        )  # fmt: skip
    SourceTally.objects.bulk_create(rows)


def _messages(
    customers: Sequence[Customer], dice: random.Random, present: Moment
) -> list[tuple[int, list[dict[str, Any]]]]:
    """Requests by how many minutes ago they came, the oldest first."""
    living = [customer for customer in customers if not customer.ended_on and customer.people]
    found: list[tuple[int, list[dict[str, Any]]]] = []
    for number in range(NEWEST, 0, -1):
        customer = dice.choice(living)
        person = dice.choice(customer.people)
        here = {"userId": person.id, "context": {"groupId": customer.id}, "messageId": f"demo-web-{number}"}
        call: dict[str, Any] = {"type": "track", "event": dice.choice(words.EVENTS), "properties": {"via": "web"}}
        match number % 12:
            case 3:
                call = {"type": "identify", "traits": {"title": person.title}}
            case 5:
                call = {"type": "group", "groupId": customer.id, "traits": {"name": customer.name}}
            case 7:
                call = {"type": "track", "event": "", "properties": {"via": "web"}}  # dropped
            case 9:
                call = {"type": "page", "name": "Reports", "properties": {"path": "/reports"}}
            case 11:
                here = {"anonymousId": f"visitor-{number}", "messageId": f"demo-web-{number}"}
        calls = [call | here]
        if number == 20:
            calls += [calls[0] | {"properties": {"via": "mobile"}}]  # the same id, other content
        if number % TOGETHER == 0:
            found.append((number * 7, []))
        found[-1][1].extend(calls)
    return found


def _set_aside(source: Source, customer: Customer, present: Moment) -> None:
    """A message whose recording failed; tried again, it is recorded."""
    at = present.now - dt.timedelta(minutes=40)
    said = Tracked(
        kind="track", message_id="demo-aside-1", at=at, payload="", user=customer.people[0].id, account=customer.id,
        name=words.EVENTS[0], properties={"via": "web"},
    )  # fmt: skip
    payload = f'{{"type":"track","messageId":"demo-aside-1","userId":"{said.user}","event":"{said.name}"}}'
    Message.objects.create(
        source=source, received_at=at, at=at, kind=said.kind, name=said.name, user_ref=said.user,
        account_ref=said.account, message_id=said.message_id, outcome=Outcome.FAILED, reason=FAULT, payload=payload,
        said=said.said(),
    )  # fmt: skip
    SourceTally.objects.create(source=source, at=at, failed=1)


def _forget_somebody(source: Source, author: Any, present: Moment) -> None:
    """Somebody who asked to be forgotten, and was."""
    envelope = Envelope(present.now, LEFT)
    call = {"type": "identify", "userId": LEFT, "messageId": LEFT, "traits": {"name": "Somebody who left"}}
    record(source, [read_message(call, envelope)], envelope)
    request_erasure("user", LEFT, by=author.get_username())
    continue_erasures()


def _import(customers: Sequence[Customer], author: Any, dice: random.Random) -> None:
    """A survey that was imported, with two rows that were not taken, and the schedule that would fetch the next one."""
    lines = ["Account,Name,NPS"]
    lines += [
        f"{customer.id},{customer.name.replace(',', '')},{facts.nps_answer(customer, dice)}"
        for customer in customers[:30]
    ]
    lines += [",No account given,12", f"{customers[0].id},Not a number,n/a"]
    job = upload(
        ["\n".join(lines).encode()], name="NPS survey.csv", author=author, kind="accounts",
        columns={"Account": "external_id", "Name": "", "NPS": "custom.nps"},
    )  # fmt: skip
    work(job.pk)
    schedule = ScheduledImport(
        name="NPS survey, weekly export", url="https://files.example.com/exports/nps.csv", author=author, active=False
    )
    save_schedule(schedule, Import.objects.get(pk=job.pk))
