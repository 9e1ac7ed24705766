"""How the invented company judges its customers' health, and what its people know better than a score."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

from accounts.models import Account, Assignment
from core.clock import moment
from health.editing import override_health, save_config, take_pulse
from health.models import AccountHealth, Band, HealthConfig, HealthOverride, Pulse
from health.stock import DEFAULT, ONBOARDING, STRATEGIC, WORTH, served
from integrations.demo.questions import NO_CHAMPION, every
from segments.models import Segment

SEED = 7
SHARE = 4  # of so many accounts one has a pulse
CHAMPION = {"users": "any", "where": NO_CHAMPION["where"]}
SPONSOR = {"key": "champion", "name": "Champion", "weight": 2, "good": every(CHAMPION), "poor": every(NO_CHAMPION)}
PULSE_OF = {Band.GOOD: (4, 5), Band.AVERAGE: (3, 4), Band.POOR: (1, 2)}
BETTER = "They moved to another office and will be back on Monday."
WORSE = "Their new director compares us with a rival."


def configure(author: Any) -> None:
    """The default config, and two for segments whose accounts are judged by other things. Customers of this product use
    it daily, so its bands begin higher than the ready-made ones; and what they pay is looked at besides."""
    reason = "Ready-made, with higher bands: our customers work with it every day"
    save_config(None, name="", definition=_banded(60), author=author, reason=reason)
    for name, definition in (("Onboarding", served(ONBOARDING)), ("Strategic customers", _with_sponsor())):
        segment = Segment.objects.filter(name=name).first()
        if segment is not None:
            save_config(None, name=name, segment=segment, definition=definition, author=author)


def _banded(poor: int) -> dict[str, Any]:
    found = served(DEFAULT)
    rows = [
        row | {"measures": [*row["measures"], WORTH]} if row["key"] == "financial" else row
        for row in found["dimensions"]
    ]
    return found | {"dimensions": rows, "bands": {"good": 80, "poor": poor}}


def _with_sponsor() -> dict[str, Any]:
    """The ready-made config of large customers, with a measure by rules: whether anybody there is our champion."""
    found = served(STRATEGIC)
    rows = [
        row | {"measures": [*row["measures"], SPONSOR]} if row["key"] == "relationship" else row
        for row in found["dimensions"]
    ]
    return found | {"dimensions": rows}


def know_better() -> int:
    """What people add to the scores of the last days: a pulse of some accounts, two bands by hand, and a second version
    of the default config; how many pulses. Once, and for the invented company only."""
    default = HealthConfig.objects.filter(is_default=True).first()
    if default is None or Pulse.objects.exists() or Account.objects.exclude(external_id__startswith="acc-").exists():
        return 0
    dice = random.Random(SEED)  # noqa: S311  # to be repeated, not to be secret
    csms = Assignment.objects.filter(role="csm", ended_at=None).select_related("member__user").order_by("account_id")
    people = {row.account_id: row.member.user for row in csms}
    scored = list(AccountHealth.objects.filter(band__in=PULSE_OF, account_id__in=people).select_related("account"))
    scored.sort(key=lambda row: row.account.external_id)
    pulses = [
        take_pulse(row.account, dice.choice(PULSE_OF[Band(row.band)]), author=people[row.account_id])
        for row in scored[::SHARE]
    ]
    until = moment().today + dt.timedelta(days=21)
    for band, better, reason in ((Band.POOR, Band.AVERAGE, BETTER), (Band.GOOD, Band.AVERAGE, WORSE)):
        row = next((row for row in scored if row.band == band and row.config_id == default.pk), None)
        if row is not None and not HealthOverride.objects.filter(account=row.account).exists():
            override_health(row.account, band=better, reason=reason, until=until, author=people[row.account_id])
    reason = "Poor begins at 65: three of those whom we lost last year were just above 60"
    save_config(default, name="", definition=_banded(65), author=default.author, reason=reason)
    return len(pulses)
