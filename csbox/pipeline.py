"""The refresh in order: facts, then what is made of them. This is the only place that knows all the steps.

The daily refresh and the evaluation of new data are the same statements, with every account or with some. Each step is
a transaction of its own and may be repeated, so a run that dies on its way leaves nothing half, and whoever comes next
does the rest. Steps of two runs take turns: figures that were read earlier are never written over newer ones.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence

from django.db import transaction

from accounts.billing import roll_up_billing
from accounts.fields import Stage, Subject, vocabulary
from accounts.models import Account
from accounts.mrr_history import keep_mrr
from accounts.touching import read_touched, settle
from alerts.milestones.reaching import reach_for
from alerts.playbooks.running import run_playbooks
from alerts.raising import raise_alerts
from core.clock import Moment, moment
from core.ids import Ids
from core.locks import xact_lock
from health.mixes import keep_mixes
from health.refresh import refresh_health
from health.requesting import answered_by_others, redefining_requests
from integrations.destinations.filling import request_looks
from integrations.tracking.merging import continue_merges, is_merging
from integrations.tracking.settling import catch_up, is_behind
from segments.changing import Changed
from segments.holding.telling import follow
from segments.levels.deciding import decide_levels
from segments.models import RefreshRun, Segment
from segments.refresh import refresh_segments
from segments.stages import split_by_stage
from usage.feeds.watching import watch_feeds
from usage.metrics import refresh_metrics
from usage.rollup import is_pending, roll_up
from usage.traits.computing import refresh_traits

MOST = 20_000  # accounts that one evaluation of new data takes
FEW = 100  # accounts that are never worth a look at everybody
# From which part of all accounts on it is quicker not to look each up (`bench live`, 100,000 accounts): in segments,
# which are many and cheap each, from a seventh on, in all the other steps from a third on.
SEGMENTS_SHARE, SHARE = 7, 3


def refresh_everything(trigger: str = RefreshRun.Trigger.DAILY, now: Moment | None = None) -> RefreshRun:
    """Every account, every segment, at one moment."""
    bring_in(now)
    present = now or moment()
    run = _refresh(trigger, present, None)
    keep_mixes(present)
    return run


def bring_in(now: Moment | None = None) -> None:
    """Everything that came and was left to the background: events get their users and accounts, and are counted."""
    catch_up()
    continue_merges()
    roll_up(now)


def is_to_bring_in() -> bool:
    """Whether anything was left to the background."""
    return is_behind() or is_merging() or is_pending()


def look_at_feeds(now: Moment | None = None) -> None:
    """Notice feeds that fell silent or are back, before anything is evaluated by what they brought."""
    follow(watch_feeds(now))


def refresh_past_days(days: int) -> None:
    """Refresh as of this time on each of the last days, oldest first, so that new data has a history to show.

    Facts are taken as they are known now; what moves is what the clock moves: renewals ahead, silence, trials.
    """
    present = moment()
    for back in range(days, 0, -1):
        refresh_everything(RefreshRun.Trigger.DAILY, Moment(present.now - dt.timedelta(days=back), present.zone))


def score_past_days(days: Sequence[int]) -> None:
    """Segments and scores as of this time on days so long ago (the earliest first), without anything that follows from
    them: nobody is alerted about a day long past. Facts are taken as they are known now."""
    present = moment()
    for back in days:
        past = Moment(present.now - dt.timedelta(days=back), present.zone)
        bring_in(past)
        _measure(past, None)
        early, _ = split_by_stage(Segment.everything.all(), vocabulary(), Stage.HEALTH)
        refresh_segments(RefreshRun.Trigger.DAILY, past, segments=early)
        refresh_health(RefreshRun.Trigger.DAILY, past, None)


def refresh_accounts(accounts: Sequence[int], now: Moment | None = None, *, users: Sequence[int] = ()) -> RefreshRun:
    """The same steps after new data for some accounts only, and for their users; `users` are others besides, who may
    belong to no account."""
    bring_in(now)
    return _refresh(RefreshRun.Trigger.DATA, now or moment(), accounts, users)


def refresh_touched(now: Moment | None = None) -> RefreshRun | None:
    """The same steps for the accounts about which something new was stored; None if there are none.

    The marks are read first and taken away last. The present is read in between, so it is later than all that the marks
    stand for. Where many of all accounts are marked, looking at everybody is quicker: first in segments, then in all.
    """
    bring_in(now)
    touched = read_touched(MOST)
    if not touched.accounts:
        return None
    everyone = read_touched() if len(touched.accounts) == MOST else touched
    number, all_of_them = len(everyone.accounts), Account.objects.live().order_by().count()
    many, most, more = (
        few_or_many * share > max(all_of_them, FEW * share)
        for few_or_many, share in ((number, SEGMENTS_SHARE), (number, SHARE), (len(everyone.told), SEGMENTS_SHARE))
    )
    if many:
        touched = everyone
    asked = None if most else touched.accounts
    told = None if more else Ids.of(touched.told)
    run = _refresh(RefreshRun.Trigger.DATA, now or moment(), asked, whole_segments=many, told=told)
    settle(touched)
    return run


def _refresh(
    trigger: str,
    now: Moment,
    asked: Collection[int] | None,
    users: Sequence[int] = (),
    *,
    whole_segments: bool = False,
    told: Ids | None = None,
) -> RefreshRun:
    accounts = None if asked is None else Ids.of(asked)
    _measure(now, accounts, told)
    # Found before the first segment moves, and kept: who moves early may be asked about late.
    changed = None if accounts is None else Changed.of(accounts, users, everybody=whole_segments)
    early, late = split_by_stage(Segment.everything.all(), vocabulary(), Stage.HEALTH)
    run = refresh_segments(trigger, now, segments=early, changed=changed, told=told)
    redefining = redefining_requests()
    # A user who joined or left may have moved other accounts of theirs, and segments decide how health is scored.
    refresh_health(trigger, now, None if changed is None else changed.ids(Subject.ACCOUNT))
    answered_by_others(redefining, everybody=changed is None)
    late, later = split_by_stage(late, vocabulary(), Stage.MILESTONES)
    later, last = split_by_stage(later, vocabulary(), Stage.ALERTS)
    if changed is not None and accounts is not None and (late or later or last):
        changed.follow(Subject.ACCOUNT, changed.accounts.difference(accounts))
    if late:  # segments that read health
        refresh_segments(trigger, now, segments=late, changed=changed)
    moved = reach_for(now, None if changed is None else changed.ids(Subject.ACCOUNT))
    if changed is not None:
        changed.accounts |= moved.accounts
    if later:  # segments that read milestones
        refresh_segments(trigger, now, segments=later, changed=changed)
    raised, ran = raise_alerts(now), run_playbooks(now)
    if last:  # segments that read alerts, tasks or playbooks
        if changed is not None:
            changed.accounts |= raised.accounts | ran.accounts
        refresh_segments(trigger, now, segments=last, changed=changed)
    request_looks(None if changed is None else changed.ids(Subject.ACCOUNT))
    return run


def _measure(now: Moment, accounts: Ids | None, told: Ids | None = None) -> None:
    """Everything that segments ask about: money, usage, traits, levels. Money only of the accounts `told` where nothing
    but usage is new of the others."""
    paying = accounts if told is None else told
    if paying is None or paying:
        with transaction.atomic():
            xact_lock("pipeline.billing")
            roll_up_billing(now, paying)
            keep_mrr(now, paying)
    with transaction.atomic():
        xact_lock("pipeline.metrics")
        refresh_metrics(now, accounts)
    refresh_traits(now, accounts)
    decide_levels(now, accounts)
