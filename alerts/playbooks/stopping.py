"""What people do with one account's way through a playbook: stop it, or let it go on again."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.touching import touch
from alerts.models import Enrolment, StepRun
from alerts.playbooks.editing import TASK
from alerts.playbooks.running import SENDING, end_enrolments
from alerts.playbooks.steps import SENT
from core.intake import BadValue
from core.jobs import enqueue


def stop_enrolments(enrolments: Iterable[Enrolment]) -> list[Enrolment]:
    """Stop those that are running; their open tasks are skipped. Which were stopped."""
    with transaction.atomic():
        rows = Enrolment.objects.running().filter(pk__in=[one.pk for one in enrolments])
        found = list(rows.select_for_update(of=("self",)).order_by("pk"))
        end_enrolments(found, Enrolment.State.STOPPED, timezone.now())
        touch(row.account_id for row in found)
    return found


def go_on(enrolment: Enrolment) -> Enrolment:
    """Let one that failed or was stopped go on at the step at which it ended. Raises BadValue if it cannot."""
    state = Enrolment.State
    with transaction.atomic():
        found = Enrolment.objects.select_for_update(of=("self",)).select_related("playbook").get(pk=enrolment.pk)
        if found.state not in (state.FAILED, state.STOPPED):
            raise BadValue("It has not failed and was not stopped, so there is nothing to go on with.")
        waiting = found.runs.filter(state__in=(StepRun.State.FAILED, StepRun.State.CANCELLED), kind__in=SENT)
        again = waiting.update(
            state=StepRun.State.WAITING, attempts=0, next_attempt_at=timezone.now(), claim="", error=""
        )
        found.state, found.ended_at, found.error, found.due_at = state.RUNNING, None, "", timezone.now()
        try:
            with transaction.atomic():
                found.save()
        except IntegrityError as error:
            text = f"{found.account} is in {found.playbook.name} again meanwhile. Stop that one first."
            raise BadValue(text) from error
        enqueue(SENDING if again else TASK)
    return found
