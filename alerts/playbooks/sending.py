"""Sending what steps wrote down: e-mails and webhooks, at least once each, always with the same key.

A row is claimed, and the attempt counted, before anything leaves; what was sent is stored right after. A worker that is
killed in between leaves a claim that is anybody's after two minutes, and the message goes out again with the key of the
first time (the `Idempotency-Key` of a webhook, the Message-ID of an e-mail), so that a receiver can tell.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import time
import uuid
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import Relationship
from alerts.channels.base import Later, Message, Refused, judge
from alerts.channels.email import EmailSender
from alerts.messages import filled
from alerts.models import Enrolment, StepRun
from alerts.playbooks.acting import colleagues_for
from alerts.playbooks.definition import read_definition
from alerts.playbooks.editing import TASK
from alerts.playbooks.running import SENDING, end_enrolments, to_send
from alerts.playbooks.signing import keys_for
from alerts.playbooks.steps import END, EmailStep, Step, WebhookStep
from core.fetching import CheckedPool, FetchFailed, post
from core.intake import fold
from core.jobs import enqueue
from core.retrying import backoff
from core.signing import signed_headers
from core.working import take
from health.definition import DefinitionError
from segments.questions import Reader

log = logging.getLogger(__name__)
BUDGET = 180.0  # seconds of work before the queue gets its worker back
GIVE_UP = 10  # attempts: most of a day
MOST_PEOPLE = 100


class Lost(Exception):
    """The enrolment ended meanwhile, or another worker has the step."""


def send_due(budget: float = BUDGET) -> int:
    """Send what waits until nothing does, or the time is up; how many steps were taken up."""
    ends, taken = time.monotonic() + budget, 0
    post_office = _PostOffice()
    try:
        while (run := _claim()) is not None:
            taken += 1
            _work(run, post_office)
            if time.monotonic() >= ends:
                enqueue(SENDING)
                break
    finally:
        post_office.close()
    if taken:
        enqueue(TASK)
    return taken


def _claim() -> StepRun | None:
    """Take one step; the attempt is committed before the work, so that one which kills its worker ends some day."""
    with transaction.atomic():
        rows = to_send().select_for_update(skip_locked=True, of=("self",)).order_by("next_attempt_at", "pk")
        run = rows.select_related("enrolment__playbook", "enrolment__version", "enrolment__account").first()
        if run is None:
            return None
        if not take(run, GIVE_UP):
            _give_up(run, run.error or "It was tried too often.")
            return _claim()
    return run


def _work(run: StepRun, post_office: _PostOffice) -> None:
    try:
        step = _step_of(run)
        said = post_office.send(step, run)
        with transaction.atomic():
            held = _held(run)
            held.state, held.done_at, held.claim, held.error = StepRun.State.DONE, timezone.now(), "", ""
            held.text = said[:500]
            held.save()
            _go_on(held, step)
    except Lost:
        log.info("step %s of enrolment %s was ended meanwhile", run.step, run.enrolment_id)
    except Later as error:
        _rest(run, str(error), error.wait)
    except (Refused, DefinitionError) as error:
        with transaction.atomic():
            _give_up(_held(run), str(error))


def _step_of(run: StepRun) -> Step:
    definition = read_definition(run.enrolment.version.definition, Reader.now())
    step = definition.step(run.step)
    if step is None:
        raise Refused("The step is not in its version any more.")
    return step


def _held(run: StepRun) -> StepRun:
    """The row, locked and still ours. Raises Lost."""
    rows = StepRun.objects.select_for_update(of=("self",)).select_related("enrolment")
    held = rows.filter(pk=run.pk, claim=run.claim, state=StepRun.State.WAITING).first()
    if held is None:
        raise Lost
    return held


def _go_on(run: StepRun, step: Step) -> None:
    enrolment = Enrolment.objects.select_for_update().get(pk=run.enrolment_id)
    if enrolment.state != Enrolment.State.RUNNING or enrolment.step != step.key:
        return
    now = timezone.now()
    if step.then == END:
        enrolment.step = ""
        enrolment.save(update_fields=["step"])
        end_enrolments([enrolment], Enrolment.State.FINISHED, now)
    else:
        enrolment.step, enrolment.due_at = step.then, now
        enrolment.save(update_fields=["step", "due_at"])


def _rest(run: StepRun, error: str, wait: dt.timedelta | None) -> None:
    """Try again later, or give up. A wait that was asked for is no failure of ours."""
    with transaction.atomic():
        held = _held(run)
        if held.attempts >= GIVE_UP and wait is None:
            _give_up(held, error)
            return
        held.claim, held.error = "", error[:500]
        held.next_attempt_at = timezone.now() + (wait or backoff(held.attempts))
        held.attempts -= wait is not None
        held.save()


def _give_up(run: StepRun, error: str) -> None:
    """The step has failed, and its enrolment with it; a person may let it try again."""
    StepRun.objects.filter(pk=run.pk).update(state=StepRun.State.FAILED, claim="", error=error[:500])
    enrolment = Enrolment.objects.select_for_update().get(pk=run.enrolment_id)
    if enrolment.state == Enrolment.State.RUNNING:
        end_enrolments([enrolment], Enrolment.State.FAILED, timezone.now(), error)


class _PostOffice:
    """Keeps connections while there is something to send."""

    def __init__(self) -> None:
        self.email = EmailSender()
        self.pool = CheckedPool()

    def close(self) -> None:
        """Let the connections go."""
        self.email.close()
        self.pool.clear()

    def send(self, step: Step, run: StepRun) -> str:
        """Send a step's messages; what was done, in words. Raises Later, Refused or Lost."""
        if isinstance(step, WebhookStep):
            return self.call(step, run)
        if isinstance(step, EmailStep):
            return self.write(step, run)
        raise Refused("The step sends nothing.")

    def call(self, step: WebhookStep, run: StepRun) -> str:
        """POST a JSON document about the account; whatever is repeated says the same."""
        key, body = str(run.key), json.dumps(document(run)).encode()
        headers = signed_headers(key, body, keys_for(step.url)) | {"Idempotency-Key": key}
        try:
            answer = post(self.pool, step.url, headers, body)
        except FetchFailed as error:
            raise Later(str(error)) from error
        judge(answer, "The webhook")
        return f"Called, answered {answer.status}."

    def write(self, step: EmailStep, run: StepRun) -> str:
        """One e-mail to each person; who has it already gets no other one."""
        if not settings.EMAIL_HOST and "smtp" in settings.EMAIL_BACKEND:
            raise Refused("No mail server is set up (CSBOX_EMAIL_HOST).")
        account, reader = run.enrolment.account_id, Reader.now()
        title = filled(step.subject, [account], reader, 200).get(account, step.subject)
        text = filled(step.text, [account], reader, 10_000).get(account, step.text)
        to, refused = recipients(step, account), 0
        for who, address in to:
            if who in run.sent:
                continue
            key = str(uuid.uuid5(run.key, who))
            try:
                self.email.send(Message(key, "playbook", title, text, "", run.begun_at, address))
            except Later as error:
                raise Later(_without(address, error), error.wait) from error
            except Refused as error:
                if len(to) == 1 or not error.gone:
                    raise Refused(_without(address, error), gone=error.gone) from error
                refused += 1
            with transaction.atomic():
                held = _held(run)
                held.sent = run.sent = [*held.sent, who]
                held.beat_at = timezone.now()
                held.save(update_fields=["sent", "beat_at"])
        if not to:
            return "Nobody has that role, so nothing was sent."
        more = f" The mail server refused {refused} address{'' if refused == 1 else 'es'}." if refused else ""
        return f"Sent to {len(to) - refused} {'person' if len(to) - refused == 1 else 'people'}.{more}"


def _without(address: str, error: Exception) -> str:
    """What went wrong, without whose address it is: the words are kept, and the person may ask to be forgotten."""
    return str(error).replace(address, "the address")


def document(run: StepRun) -> dict[str, Any]:
    """What a webhook is told."""
    enrolment = run.enrolment
    playbook, account = enrolment.playbook, enrolment.account
    return {
        "type": "playbook.step",
        "timestamp": run.begun_at.isoformat(),
        "data": {
            "id": str(run.key),
            "playbook": {"key": playbook.key, "name": playbook.name, "version": enrolment.version.number},
            "step": run.step,
            "account": {"id": account.external_id, "name": account.name},
            "enrolled_at": enrolment.started_at.isoformat(),
        },
    }


def recipients(step: EmailStep, account: int) -> list[tuple[str, str]]:
    """To whom an e-mail goes: who (never an address), and the address. Raises Refused if a colleague has none."""
    if step.users:
        rows = Relationship.objects.open().filter(account=account, folded__role=fold(step.users))
        people = rows.exclude(user__email="").order_by("user_id").values_list("user_id", "user__email")
        return [(f"user:{pk}", email) for pk, email in dict(people).items()][:MOST_PEOPLE]
    member = colleagues_for(step.role, step.to, [account]).get(account)
    if member is None:
        raise Refused(f"Nobody plays the part {step.role} for the account. Assign somebody, and try again.")
    if not member.user.email:
        raise Refused(f"{member} has no e-mail address. An administrator can enter one in the back office.")
    return [(f"member:{member.pk}", member.user.email)]
