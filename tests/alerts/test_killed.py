"""A worker that is killed with kill -9 while it raises alerts and sends what follows: nothing lost, nothing twice.

CSBOX_KILLED_ALERTS says of how many alerts (200 without it; the figure in docs/notifications.md is of 10,000).
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Count
from django.utils import timezone

from accounts.models import Account, TeamMember
from alerts.channels.editing import save_channel
from alerts.editing import Assigning, delete_alert_rule, save_alert_rule
from alerts.models import Alert, AlertEntry, AlertRule, Delivery, Notice, NoticeChannel, NoticeSettings, RuleNotices
from alerts.notifying.kinds import ALERT
from alerts.notifying.telling import Telling, tell
from segments.models import RefreshRun
from segments.refresh import refresh_due, refresh_segments
from tests import factories
from tests.alerts.receiving import Receiver, receiving
from tests.committing import committed
from tests.hiring import hiring

__all__ = ["committed"]
pytestmark = pytest.mark.machine
KILLS, RULES = 20, 10
ALERTS = int(os.environ.get("CSBOX_KILLED_ALERTS", "200"))
FEW = {"match": "all", "rules": [{"field": "account.licences", "op": "at_most", "value": 5}]}
IMPORTS = "from alerts.raising import raise_alerts\nfrom alerts.notifying.sending import is_due, send_due"
# As the queue does it: a run gives its worker back after two minutes, and is asked for again while something is due.
WORK = "raise_alerts(); all(send_due() or True for _ in iter(is_due, False))"


@pytest.fixture
def due(committed: None, settings: Any) -> Iterator[Receiver]:
    """So many alerts that are due, of ten rules, each to be told to a colleague and to a webhook on this machine."""
    settings.FETCH_ALLOWED = ["127.0.0.1"]
    member = factories.member()
    NoticeSettings.objects.create(member=member, ways={"alert": "inbox"})
    Account.objects.bulk_create(
        Account(external_id=f"a{n}", name=f"A {n}", licences=30) for n in range(ALERTS // RULES)
    )  # fmt: skip
    with receiving() as receiver:
        channel, receiver.secret = save_channel(None, name="Hook", kind="webhook", address=receiver.hook)
        for n in range(RULES):
            rule = save_alert_rule(None, name=f"Rule {n}", condition=FEW, assigning=Assigning(fallback=member))
            RuleNotices.objects.create(rule=rule).channels.set([channel])
        refresh_due()
        Account.objects.update(licences=3)
        refresh_segments(RefreshRun.Trigger.DATA)
        yield receiver
    for rule in AlertRule.objects.all():
        delete_alert_rule(rule)
    NoticeChannel.objects.all().delete()
    TeamMember.objects.all().delete()
    User.objects.all().delete()
    RefreshRun.objects.all().delete()


def alive(pid: int) -> bool:
    """Whether the process is still there."""
    return Path(f"/proc/{pid}").exists()


@pytest.mark.django_db
def test_the_database_refuses_a_second_message_with_the_same_key() -> None:
    """It also makes the test database where this file is run alone."""
    channel, _ = save_channel(None, name="Hook", kind="webhook", address="https://hooks.example/x")
    tell([Telling(ALERT.key, "x", "t", channel=channel)])
    sent = Delivery.objects.get()
    again = Delivery(notice=sent.notice, via=sent.via, channel=channel, key=sent.key, due_at=sent.due_at)
    with pytest.raises(IntegrityError), transaction.atomic():
        again.save()


def test_twenty_kills_lose_and_double_nothing(due: Receiver) -> None:
    drawn, kills = random.Random(6), {"raising": 0, "sending": 0}
    moments = sorted(drawn.uniform(0, 1.8 * ALERTS) for _ in range(KILLS))
    started = time.monotonic()
    with hiring(IMPORTS, WORK, CSBOX_FETCH_ALLOWED="127.0.0.1") as hire:
        for moment in moments:
            child = hire()
            while alive(child) and (raised := Alert.objects.count()) + len(due.got) < moment:
                time.sleep(0.002)
            time.sleep(drawn.uniform(0, 0.05))
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
                kills["raising" if raised < ALERTS else "sending"] += 1
            while alive(child):
                time.sleep(0.002)
            Delivery.objects.filter(state="sending").update(due_at=timezone.now())  # as if the claims had run out
        last = hire()
        while alive(last):
            time.sleep(0.05)
    assert Alert.objects.open().count() == AlertEntry.objects.filter(kind="opened").count() == ALERTS
    assert not Alert.objects.values("rule", "account").annotate(n=Count("pk")).filter(n__gt=1)
    assert Notice.objects.filter(member__isnull=False).count() == ALERTS
    assert Notice.objects.filter(channel__isnull=False).count() == ALERTS
    assert set(Delivery.objects.values_list("state", flat=True)) == {"sent"}
    bodies = defaultdict(list)
    for key, body in due.got:
        bodies[key].append(body)
    assert bodies.keys() == {str(key) for key in Delivery.objects.values_list("key", flat=True)}
    assert len(bodies) == ALERTS, "each was sent at least once"
    assert all(one == said[0] for said in bodies.values() for one in said), "and is the same when it is repeated"
    repeated, total = len(due.got) - len(bodies), sum(kills.values())
    assert repeated <= kills["sending"] and total == KILLS and min(kills.values()) >= 3
    record(
        f"killed {total} times ({kills['raising']} while raising, {kills['sending']} while sending), alerts {ALERTS}, "
        f"lost 0, doubled 0, messages {len(bodies)}, repeated with the same key {repeated}, "
        f"{time.monotonic() - started:.0f} s"
    )


def record(line: str) -> None:
    """Say what was found, for whoever runs it with `-s`."""
    sys.stdout.write(f"\n{line}\n")
