"""The refresh in order: facts, then what is made of them. This is the only place that knows all the steps."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from accounts.billing import roll_up_billing
from accounts.fields import Stage, vocabulary
from core.clock import Moment, moment
from health.refresh import refresh_health
from segments.levels.deciding import decide_levels
from segments.models import RefreshRun, Segment
from segments.refresh import Changed, refresh_segments
from segments.stages import split_by_stage
from usage.metrics import refresh_metrics
from usage.rollup import roll_up
from usage.traits.computing import refresh_traits


def refresh_everything(trigger: str = RefreshRun.Trigger.DAILY, now: Moment | None = None) -> RefreshRun:
    """Every account, every segment, at one moment."""
    return _refresh(trigger, now or moment(), None)


def refresh_past_days(days: int) -> None:
    """Refresh as of this time on each of the last days, oldest first, so that new data has a history to show.

    Facts are taken as they are known now; what moves is what the clock moves: renewals ahead, silence, trials.
    """
    present = moment()
    for back in range(days, 0, -1):
        refresh_everything(RefreshRun.Trigger.DAILY, Moment(present.now - dt.timedelta(days=back), present.zone))


def refresh_accounts(accounts: Sequence[int], now: Moment | None = None, *, users: Sequence[int] = ()) -> RefreshRun:
    """The same steps after new data for some accounts only, and for their users; `users` are others besides, who may
    belong to no account."""
    return _refresh(RefreshRun.Trigger.DATA, now or moment(), accounts, users)


def _refresh(trigger: str, now: Moment, accounts: Sequence[int] | None, users: Sequence[int] = ()) -> RefreshRun:
    roll_up()
    roll_up_billing(now, accounts)
    refresh_metrics(now, accounts)
    refresh_traits(now, accounts)
    decide_levels(now, accounts)
    # Found before the first segment moves, and kept: who moves early may be asked about late.
    changed = None if accounts is None else Changed.of(accounts, users)
    early, late = split_by_stage(Segment.everything.all(), vocabulary(), Stage.HEALTH)
    run = refresh_segments(trigger, now, segments=early, changed=changed)
    refresh_health(trigger, now, accounts)
    if late:  # segments that read health
        refresh_segments(trigger, now, segments=late, changed=changed)
    return run
