"""Pins: accounts put into a segment, or kept out of it, by hand; they decide instead of the rule while they last."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from accounts.models import Account
from core.clock import Moment, moment
from core.intake import BadValue
from core.models import Workspace
from segments.changing import Changed
from segments.editing import set_active
from segments.explaining import explain_segment
from segments.models import AccountMembership, Pin, Segment
from segments.pinning import pin_member, restore_pin, unpin_member
from segments.questions import preview, read_rule
from segments.refresh import refresh_due, refresh_segments
from tests import factories
from tests.segments.conftest import inside, mrr_from, names_in

DAY = dt.timedelta(days=1)
Make = Callable[..., Any]


@pytest.fixture
def big(account: Make, segment: Make) -> Segment:
    """A segment of everybody from 500, with one who matches and one who does not."""
    account("rich", mrr=900)
    account("poor", mrr=100)
    made: Segment = segment("Big", mrr_from(500))
    refresh_due()
    return made


def of(key: str) -> Account:
    """An account by its id."""
    return Account.objects.get(external_id=key)


def stay(key: str) -> AccountMembership:
    """The newest stay of an account in any segment."""
    return AccountMembership.objects.filter(account__external_id=key).latest("pk")


def test_a_pin_brings_an_account_in_and_another_keeps_one_out(big: Segment) -> None:
    brought = pin_member(big, of("poor"), kind="in", reason="Pilot")
    kept = pin_member(big, of("rich"), kind="out", reason="Partner of ours")
    refresh_due()
    big.refresh_from_db()
    assert names_in(big) == {"poor"}
    assert (big.member_count, big.contract_value) == (1, 1_200)
    assert (stay("poor").opened_pin, stay("rich").closed_pin) == (brought, kept)


def test_an_account_that_a_pin_leaves_to_the_rule_again_moves_by_hand(big: Segment) -> None:
    pins = [
        pin_member(big, of("poor"), kind="in", reason="Pilot"),
        pin_member(big, of("rich"), kind="out", reason="No"),
    ]
    refresh_due()
    assert unpin_member(big, of("poor")) and unpin_member(big, of("rich"))
    refresh_due()
    assert names_in(big) == {"rich"}
    assert (stay("poor").closed_pin, stay("rich").opened_pin) == (pins[0], pins[1])
    assert not unpin_member(big, of("poor"))


def test_a_move_that_the_data_caused_names_no_pin(big: Segment) -> None:
    pin_member(big, of("rich"), kind="in", reason="Anyway")
    account_two = Account.objects.create(external_id="new", name="new", mrr=700)
    refresh_segments()
    assert stay("new").opened_pin is None
    Account.objects.filter(pk=account_two.pk).update(mrr=1)
    refresh_segments()
    assert stay("new").closed_pin is None and stay("rich").opened_pin is None


@pytest.mark.parametrize("zone", ["Pacific/Apia", "Pacific/Pago_Pago"])
def test_a_pin_counts_through_its_last_local_day_and_no_longer(big: Segment, zone: str) -> None:
    Workspace.objects.update_or_create(pk=1, defaults={"time_zone": zone})
    now = moment()
    last = now.today + 2 * DAY
    pin = pin_member(big, of("poor"), kind="in", reason="Pilot", until=last)
    end = now.start_of(last + DAY)
    for at, there in ((now.now, True), (end - dt.timedelta(seconds=1), True), (end, False)):
        refresh_segments(now=Moment(at, now.zone))
        assert ("poor" in names_in(big)) is there, at
    assert stay("poor").closed_pin == pin


def test_an_expired_pin_makes_room_for_the_next(big: Segment) -> None:
    pin = pin_member(big, of("poor"), kind="in", reason="Pilot")
    Pin.objects.filter(pk=pin.pk).update(until=moment().today - DAY)
    second = pin_member(big, of("poor"), kind="out", reason="Over")
    pin.refresh_from_db()
    assert pin.ended_at is not None and list(Pin.objects.open()) == [second]


def test_a_pin_that_was_taken_out_can_be_put_back(big: Segment) -> None:
    pin = pin_member(big, of("poor"), kind="in", reason="Pilot")
    pin_member(big, of("poor"), kind="out", reason="Mistake")
    restore_pin(pin)
    refresh_due()
    assert names_in(big) == {"rich", "poor"} and list(Pin.objects.open()) == [pin]


def test_pins_count_neither_for_archived_accounts_nor_in_a_segment_that_is_off(big: Segment) -> None:
    pin_member(big, of("poor"), kind="in", reason="Pilot")
    refresh_due()
    Account.objects.filter(external_id="poor").update(archived_at=moment().now)
    refresh_segments()
    assert names_in(big) == {"rich"}
    Account.objects.update(archived_at=None)
    set_active(big, False)
    refresh_due()
    assert names_in(big) == set()


def test_a_segment_of_a_segment_follows_its_pins(big: Segment, segment: Make, drain: Make) -> None:
    within = segment("Within", inside(big.key))
    drain()
    pin_member(big, of("poor"), kind="in", reason="Pilot")
    drain()
    assert names_in(within) == {"rich", "poor"}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"reason": "  "}, "reason"),
        ({"kind": "up"}, "Say"),
        ({"until": dt.date(2020, 1, 1)}, "past"),
        ({"reason": "x" * 256}, "256"),
        ({"reason": "a\x00b"}, "NUL"),
    ],
)
def test_what_is_no_pin_is_refused_with_a_sentence(big: Segment, values: dict[str, Any], says: str) -> None:
    with pytest.raises(BadValue, match=says):
        pin_member(big, of("poor"), **{"kind": "in", "reason": "Pilot"} | values)
    assert not Pin.objects.exists()


def test_the_database_refuses_a_second_open_pin_and_one_without_a_reason(big: Segment) -> None:
    pin_member(big, of("poor"), kind="in", reason="Pilot")
    for values in ({"account": of("poor"), "reason": "Two"}, {"account": of("rich"), "reason": ""}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Pin.objects.create(segment=big, **values)


def test_the_preview_counts_the_rule_and_says_what_pins_change(big: Segment) -> None:
    pin_member(big, of("poor"), kind="in", reason="Pilot")
    pin_member(big, of("rich"), kind="out", reason="Partner")
    seen = preview(read_rule(big.rule), base=Account.objects.live(), segment=big)
    assert (seen.count, seen.pins.brought, seen.pins.kept) == (1, 1, 1)
    assert (seen.joins, seen.leaves) == (1, 1)
    run = refresh_due()
    assert run is not None and (run.joined, run.left) == (1, 1)


def test_the_preview_of_a_changed_rule_foretells_the_refresh_whatever_is_pinned(account: Make, segment: Make) -> None:
    draw = Random(7)
    accounts = [account(f"a{i}", mrr=i * 100) for i in range(12)]
    made = segment("Big", mrr_from(500))
    for _ in range(25):
        for one in draw.sample(accounts, 4):
            if draw.random() < 0.3:
                unpin_member(made, one)
            else:
                pin_member(made, one, kind=draw.choice(["in", "out"]), reason="Drawn")
        refresh_due()
        made.refresh_from_db()
        rule = mrr_from(draw.randrange(0, 1_300, 100))
        seen = preview(read_rule(rule), base=Account.objects.live(), segment=made)
        Segment.objects.filter(pk=made.pk).update(rule=rule)
        run = refresh_segments()
        made.refresh_from_db()
        assert (seen.joins, seen.leaves) == (run.joined, run.left)
        assert seen.count + seen.pins.brought - seen.pins.kept == made.member_count == len(names_in(made))


def test_refreshing_some_accounts_with_pins_is_the_same_as_refreshing_all(account: Make, segment: Make) -> None:
    draw = Random(11)
    accounts = [account(f"a{i}", mrr=i * 100) for i in range(12)]
    made = segment("Big", mrr_from(500))
    refresh_due()
    for step in range(20):
        some = draw.sample(accounts, 5)
        Account.objects.filter(pk__in=[one.pk for one in some[:3]]).update(mrr=draw.randrange(1_000))
        for one in some[3:]:
            Pin.objects.filter(account=one).delete()
            Pin.objects.create(segment=made, account=one, kind=draw.choice(["in", "out"]), reason="Drawn")
        now = moment(moment().now + step * dt.timedelta(seconds=1))
        refresh_segments(now=now, changed=Changed.of([one.pk for one in some]))
        some_names, count = names_in(made), Segment.objects.get(pk=made.pk).member_count
        full = refresh_segments(now=now)
        assert (full.joined, full.left) == (0, 0)
        assert names_in(made) == some_names and count == len(some_names)


def test_the_explanation_names_the_pin_and_still_tells_what_the_rule_says(big: Segment) -> None:
    ada = factories.member("manager")
    pin_member(big, of("poor"), kind="in", reason="Pilot", until=dt.date(2200, 12, 1), author=ada.user)
    refresh_due()
    found = explain_segment(big, Account.objects.filter(external_id="poor"))
    assert found is not None
    assert found.pinned == f"Pinned in by {ada.name} until 1 Dec 2200: Pilot"
    assert found.headline.startswith(found.pinned) and "not a match" in found.headline
    assert (found.member, found.outcome.met, found.member_since is not None) == (True, False, True)


def test_the_command_line_says_so_too(big: Segment, capsys: Any) -> None:
    from django.core.management import call_command

    pin_member(big, of("rich"), kind="out", reason="Partner")
    call_command("explain_account", "rich", big.key)
    assert "Kept out by somebody: Partner. By the rule: a match." in capsys.readouterr().out
