"""Asking for a scoring. What is due stands in rows: marks of accounts, and of everybody after a change of the configs.

A request is a row that is added and never changed, so nobody who asks waits for a scoring that is under way. A scoring
reads the rows, does its work, and takes away just those that it has read: if it dies on its way they are still there,
ten requests end in one scoring, and one that comes meanwhile stays for the next.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from accounts.fields import Stage, vocabulary
from accounts.touching import touch
from core.jobs import enqueue
from core.locks import held
from health.models import HealthConfig, ScoringRequest
from health.refresh import refresh_health
from segments.holding.others import go_on_with
from segments.models import RefreshRun, Segment
from segments.refresh import refresh_due, request_refresh
from segments.stages import split_by_stage

TASK = "health.tasks.score"


def request_scoring(accounts: Collection[int] = (), *, redefined: bool = False) -> None:
    """Have these accounts (primary keys) scored within seconds of the caller's commit; everybody if none are given,
    `redefined` if that is because a config, or something that decides about scores, was defined anew."""
    if accounts:
        touch(accounts)
    else:
        ScoringRequest.objects.create(redefined=redefined)
        enqueue(TASK)


def is_scoring_due() -> bool:
    """Whether somebody asked for everybody to be scored, and has not been answered."""
    return ScoringRequest.objects.exists()


def redefining_requests() -> list[int]:
    """The open requests that were made because of a changed definition. Read them before a scoring that may answer."""
    return list(ScoringRequest.objects.filter(redefined=True).values_list("pk", flat=True))


def answered_by_others(requests: Collection[int], *, everybody: bool) -> None:
    """A scoring that nobody asked for, of everybody or of some, was quicker with what some requests redefined: what
    reads health moves by that definition, now. For everybody that is done with."""
    if requests:
        refresh_what_reads_health(redefined=True)
    if requests and everybody:
        ScoringRequest.objects.filter(pk__in=requests).update(redefined=False)


Follower = Callable[[bool], None]
_followers: list[Follower] = []


def follow_scores_with(follower: Follower) -> Follower:
    """Declare a function of an app above that is told that anybody may be scored otherwise because somebody changed a
    definition, and whether that is why."""
    _followers.append(follower)
    return follower


def refresh_what_reads_health(*, redefined: bool) -> None:
    """Ask for the segments that read health, and tell the apps above."""
    for follower in _followers:
        follower(redefined)
    _, late = split_by_stage(Segment.everything.all(), vocabulary(), Stage.HEALTH)
    if late:
        request_refresh(late, redefined=redefined)


def score_requested() -> None:
    """Answer every request that is there: score everybody, and have the segments refreshed that read health.

    A config may come with a segment that was made a moment ago: what waits for its members is answered first.
    """
    with held("scoring") as mine:
        if not mine:
            return  # whoever holds it looks again after letting go
        if is_scoring_due():
            refresh_due()
            # Read after it: members that moved with it have asked for this scoring too.
            read = dict(ScoringRequest.objects.values_list("pk", "redefined"))
            refresh_health(RefreshRun.Trigger.SAVE)
            refresh_what_reads_health(redefined=any(read.values()))
            ScoringRequest.objects.filter(pk__in=read).delete()
    if is_scoring_due():
        enqueue(TASK)


@go_on_with
def _score_what_was_held() -> None:
    """A silent feed is back, or its silence is real."""
    if HealthConfig.objects.exclude(held="").exists():
        request_scoring()
