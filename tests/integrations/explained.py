"""Every ready-made segment explained for every account, or user, beside the stored membership."""

from __future__ import annotations

import datetime as dt

from django.db.models import F

from accounts.models import Account
from core.clock import moment
from core.names import free_name
from integrations.demo.questions import SEGMENTS
from segments.editing import save_segment
from segments.explaining import explain_accounts, explain_members
from segments.models import AccountMembership, RefreshRun, Segment
from segments.presets import presets, take_preset
from segments.questions import Reader, seen_members
from segments.refresh import refresh_segments
from segments.rules.tree import RuleError
from segments.subjects import members_of


def take_every_segment() -> None:
    """The whole gallery, and the demo company's segments as far as they fit the data."""
    for preset in presets():
        take_preset(preset.key)
    for title, _, rule, _ in SEGMENTS:
        try:
            save_segment(None, name=free_name(title, Segment.objects.all()), rule=rule)
        except RuleError:
            continue  # it is about an attribute that only the demo company has
    assert Segment.objects.count() >= len(presets()) + 6


def explanations_end_as_membership_does(now: dt.datetime) -> None:
    """Explain every segment for every account, and compare the end of each with what the refresh stored."""
    at = moment(now)
    refresh_segments(RefreshRun.Trigger.HAND, at)
    reader, accounts = Reader.now(at), Account.objects.live()
    segments = list(Segment.objects.in_tab_order().filter(subject=Segment.Subject.ACCOUNT))
    stored = set(AccountMembership.objects.filter(left_at=None).values_list("account_id", "segment_id"))
    compared = 0
    for segment in segments:
        for found in explain_accounts(segment, accounts, reader):
            inside = (found.account.pk, segment.pk) in stored
            by_rule = inside if found.pin is None else found.outcome.met  # a pin decides whatever the rule says
            assert (by_rule, found.member, found.member_since is not None) == (found.outcome.met, inside, inside), (
                found.account.external_id,
                segment.key,
                found.outcome,
            )
            compared += 1
    assert compared == len(segments) * accounts.count()
    assert 0 < len(stored) < compared
    for segment in Segment.objects.filter(subject=Segment.Subject.USER):
        users_are_explained_as_membership_says(segment, reader)


def users_are_explained_as_membership_says(segment: Segment, reader: Reader) -> None:
    """A segment of users for one in ten, in all of their accounts."""
    members = members_of(segment)
    rows = members.live().annotate(draw=F("user_id") % 10).filter(draw=3)
    inside, pinned = set(seen_members(rows, segment).values_list(members.pk, flat=True)), set()
    said: dict[bool, set[int]] = {True: set(), False: set()}
    for found in explain_members(segment, rows, reader):
        assert found.user is not None
        said[found.outcome.met].add(found.user.pk)
        pinned |= {found.user.pk} if found.pin else set()
    assert said[True] - pinned == inside - pinned, segment.key
    assert said[True].isdisjoint(said[False]), segment.key
    assert len(said[True]) + len(said[False]) == members.count(rows), segment.key
