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
from segments.explaining import explain_segment
from segments.models import AccountMembership, Segment
from segments.presets import offers, presets, take_preset
from segments.refresh import refresh_due
from tests import factories
from usage.models import AccountUsage

pytestmark = pytest.mark.django_db


def customer(name: str, active: tuple[int, int, int] = (0, 0, 0), seen: int = 0, **values: Any) -> Account:
    """A live account of ten licences, with active users of 7, 30 and 90 days, last seen so many days ago."""
    made = factories.account(name, **{"stage_id": "live", "licences": 10, "mrr": Decimal(100)} | values)
    week, month, quarter = active
    AccountUsage.objects.create(
        account=made,
        active_users_7d=week,
        active_users_30d=month,
        active_users_90d=quarter,
        last_seen_at=timezone.now() - dt.timedelta(days=seen),
    )
    return made


@pytest.fixture
def company() -> None:
    """One account for each suggestion, and some that fit none."""
    today = moment().today
    customer("Busy", (8, 9, 9), industry="Retail", country="Norway", level_id="strategic")
    customer("Few", (1, 2, 3), industry="retail", country="Norway")
    customer("Fading", (1, 4, 9), seen=3, industry="Energy", renews_on=today + dt.timedelta(days=90))
    customer("Quiet", (0, 0, 4), seen=40, renews_on=today + dt.timedelta(days=91))
    customer("Alone", (1, 1, 1), customer_since=today - dt.timedelta(days=90))
    factories.account("Trying", stage_id="trial")
    factories.account("Gone", archived_at=timezone.now())


def names(key: str) -> set[str]:
    """Who is in the segment made of a preset."""
    made = take_preset(key)
    refresh_due()
    found = AccountMembership.objects.filter(segment=made, left_at=None)
    return set(found.values_list("account__name", flat=True))


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("all-accounts", {"Busy", "Few", "Fading", "Quiet", "Alone", "Trying"}),
        ("active-accounts", {"Busy", "Few", "Fading", "Quiet", "Alone"}),
        ("new-customers", {"Alone"}),
        ("in-trial", {"Trying"}),
        ("renewal-soon", {"Fading"}),
        ("high-engagement", {"Busy"}),
        ("low-engagement", {"Few", "Alone"}),
        ("usage-rising", {"Busy"}),
        ("usage-falling", {"Fading"}),
        ("silent", {"Quiet"}),
        ("sole-user-risk", {"Alone"}),
        ("tier-strategic", {"Busy"}),
        ("tier-none", {"Few", "Fading", "Quiet", "Alone"}),
        ("verticals-retail", {"Busy", "Few"}),
        ("geography-norway", {"Busy", "Few"}),
    ],
)
def test_a_preset_finds_whom_its_name_promises(company: None, key: str, expected: set[str]) -> None:
    assert names(key) == expected


def test_every_count_on_offer_is_that_of_the_segment_it_makes(company: None) -> None:
    found = offers(Account.objects.live())
    assert len({offer.preset.key for offer in found}) == len(found) == len(presets())
    for offer in found:
        made = take_preset(offer.preset.key)
        refresh_due()
        made.refresh_from_db()
        assert (made.error, made.member_count) == ("", offer.count), offer.preset.key
        for account in Account.objects.live():
            told = explain_segment(made, Account.objects.filter(pk=account.pk))
            stored = AccountMembership.objects.filter(segment=made, account=account, left_at=None).exists()
            assert told is not None and told.outcome.met is stored, (offer.preset.key, account.name)


def test_one_that_is_taken_is_named_and_a_second_gets_a_name_of_its_own(company: None) -> None:
    first = take_preset("silent")
    (offer,) = offers(Account.objects.live(), only="silent")
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
