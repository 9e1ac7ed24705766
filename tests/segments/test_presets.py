"""Ready-made segments: every rule can be read and refreshed, and the count shown is the one found."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Account
from core.clock import moment
from segments.explaining import explain_members
from segments.models import Segment
from segments.presets import offers, presets, take_preset
from segments.questions import Reader
from segments.refresh import refresh_due
from segments.subjects import members_of
from tests import factories
from usage.models import AccountUsage, UserActivity

pytestmark = pytest.mark.django_db


def customer(name: str, active: tuple[int, int, int] = (0, 0, 0), seen: int = 0, **values: Any) -> Account:
    """A live account of ten licences, with active users of 7, 30 and 90 days, last seen so many days ago; and one user
    who is in it, was seen that day and has a role in it named like the account."""
    made = factories.account(name, **{"stage_id": "live", "licences": 10, "mrr": Decimal(100)} | values)
    week, month, quarter = active
    AccountUsage.objects.create(
        account=made,
        active_users_7d=week,
        active_users_30d=month,
        active_users_90d=quarter,
        last_seen_at=timezone.now() - dt.timedelta(days=seen),
    )
    user = factories.end_user(f"of {name}", first_seen_at=timezone.now() - dt.timedelta(days=seen + 1))
    factories.relationship(made, user, role=name)
    if seen < 99:
        at = timezone.now() - dt.timedelta(days=seen)
        UserActivity.objects.create(account=made, user=user, first_seen_at=at, last_seen_at=at)
    return made


@pytest.fixture
def company() -> None:
    """One account for each suggestion, and some that fit none."""
    today = moment().today
    customer("Busy", (8, 9, 9), industry="Retail", country="Norway", level_id="strategic")
    customer("Few", (1, 2, 3), industry="retail", country="Norway")
    customer("Fading", (1, 4, 9), seen=3, industry="Energy", renews_on=today + dt.timedelta(days=90))
    customer("Quiet", (0, 0, 4), seen=40, renews_on=today + dt.timedelta(days=91))
    customer("Unseen", seen=99, stage_id="live")
    customer("Alone", (1, 1, 1), customer_since=today - dt.timedelta(days=90))
    factories.account("Trying", stage_id="trial")
    factories.account("Gone", archived_at=timezone.now())


def names(key: str) -> set[str]:
    """Who is in the segment made of a preset."""
    made = take_preset(key)
    refresh_due()
    return {str(found) for found in members_of(made).shown().filter(pk__in=members_of(made).inside(made))}


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("all-accounts", {"Busy", "Few", "Fading", "Quiet", "Alone", "Unseen", "Trying"}),
        ("active-accounts", {"Busy", "Few", "Fading", "Quiet", "Alone", "Unseen"}),
        ("new-customers", {"Alone"}),
        ("in-trial", {"Trying"}),
        ("renewal-soon", {"Fading"}),
        ("high-engagement", {"Busy"}),
        ("low-engagement", {"Few", "Alone"}),
        ("usage-rising", {"Busy"}),
        ("usage-falling", {"Fading"}),
        ("silent", {"Quiet", "Unseen"}),
        ("sole-user-risk", {"Alone"}),
        ("tier-strategic", {"Busy"}),
        ("tier-none", {"Few", "Fading", "Quiet", "Alone", "Unseen"}),
        ("verticals-retail", {"Busy", "Few"}),
        ("geography-norway", {"Busy", "Few"}),
        ("all-users", {"of Busy", "of Few", "of Fading", "of Quiet", "of Alone", "of Unseen"}),
        ("active-users", {"of Busy", "of Few", "of Fading", "of Alone"}),
        ("new-users", {"of Busy", "of Few", "of Fading", "of Alone"}),
        ("silent-users", {"of Quiet"}),
        ("unseen-users", {"of Unseen"}),
        ("renewal-users", {"of Fading"}),
        ("users-by-role-few", {"of Few"}),
    ],
)
def test_a_preset_finds_whom_its_name_promises(company: None, key: str, expected: set[str]) -> None:
    assert names(key) == expected


def test_every_count_on_offer_is_that_of_the_segment_it_makes(company: None) -> None:
    found = offers()
    assert len({offer.preset.key for offer in found}) == len(found) == len(presets())
    for offer in found:
        made = take_preset(offer.preset.key)
        refresh_due()
        made.refresh_from_db()
        members = members_of(made)
        assert (made.error, made.member_count) == ("", offer.count), offer.preset.key
        inside = set(members.inside(made).values_list(f"{members.column}_id", flat=True))
        for told in explain_members(made, members.live(), Reader.now()):
            one = told.user or told.account
            assert one is not None and told.outcome.met is (one.pk in inside), (offer.preset.key, str(one))


def test_one_that_is_taken_is_named_and_a_second_gets_a_name_of_its_own(company: None) -> None:
    first = take_preset("silent")
    (offer,) = offers(only="silent")
    assert offer.taken == first
    assert take_preset("silent").name == "Silent 2"
    assert Segment.objects.count() == 2


def test_an_unknown_one_is_refused() -> None:
    with pytest.raises(LookupError):
        take_preset("nonsense")


def test_the_values_of_odd_texts_make_presets_that_can_be_told_apart(company: None) -> None:
    make: Callable[..., Account] = factories.account
    for industry in ("日本", "…", "Oil & Gas", "oil/gas"):
        make(industry=industry)
    keys = [preset.key for preset in presets()]
    assert len(keys) == len(set(keys))
