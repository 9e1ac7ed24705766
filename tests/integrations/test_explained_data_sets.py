"""For every account of both real data sets, of the demo company, and every ready-made segment: the explanation ends as
the membership does."""

from __future__ import annotations

import datetime as dt

import pytest

from accounts.models import Account
from core.clock import moment
from integrations.demo.questions import SEGMENTS
from segments.editing import free_name, save_segment
from segments.explaining import explain_segments
from segments.models import AccountMembership, RefreshRun, Segment
from segments.presets import presets, take_preset
from segments.questions import Reader
from segments.refresh import refresh_segments
from segments.rules.tree import RuleError
from tests.integrations.loaded import loaded
from tests.integrations.reading import run

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(900)]  # some twenty thousand explanations


def compare(now: dt.datetime) -> tuple[int, int]:
    """Explain every segment for every account; how many answers were compared, and how many of them are "in"."""
    at = moment(now)
    refresh_segments(RefreshRun.Trigger.HAND, at)
    reader, segments = Reader.now(at), list(Segment.objects.in_tab_order())
    stored = set(AccountMembership.objects.filter(left_at=None).values_list("account_id", "segment_id"))
    compared = 0
    for account in Account.objects.live():
        for found in explain_segments(segments, account, reader):
            assert found.segment is not None and found.outcome.kind != "broken"
            inside = (account.pk, found.segment.pk) in stored
            assert (found.outcome.met, found.member, found.member_since is not None) == (inside, inside, inside), (
                account.external_id,
                found.segment.key,
                found.outcome,
            )
            compared += 1
    return compared, len(stored)


@pytest.mark.parametrize(
    ("name", "now"),
    [
        ("ravenstack", dt.datetime(2024, 12, 31, 18, tzinfo=dt.UTC)),
        ("openstack-nova", dt.datetime(2026, 8, 14, 18, tzinfo=dt.UTC)),
    ],
)
def test_explanations_of_a_real_data_set_end_as_membership_does(name: str, now: dt.datetime) -> None:
    with loaded(name, now):
        for preset in presets():
            take_preset(preset.key)
        for title, _, rule, _ in SEGMENTS:
            try:
                save_segment(None, name=free_name(title), rule=rule)
            except RuleError:
                continue  # it is about an attribute that only the demo company has
        assert Segment.objects.count() >= len(presets()) + 6
        compared, inside = compare(now)
        assert compared == Segment.objects.count() * Account.objects.live().count()
        assert 0 < inside < compared


def test_explanations_of_the_demo_company_end_as_membership_does() -> None:
    run("load_demo", "--accounts", "40")
    compared, inside = compare(moment().now)
    assert compared >= 40 * 12 and 0 < inside < compared
