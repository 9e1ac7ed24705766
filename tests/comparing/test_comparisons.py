"""Comparisons of a playbook and a segment over a drawn past, beside plain calculations from what was drawn."""

from __future__ import annotations

from statistics import fmean, stdev
from typing import Any

import pytest

from accounts.models import Account
from alerts.comparing import running
from alerts.comparing.running import work
from alerts.comparing.starting import newest_entry, start_comparison
from alerts.models import AccountMilestone, ComparedAccount, Comparison, Enrolment, Milestone
from core.intake import BadValue
from core.reports import cancel_report, take_report, wake_reports
from core.working import NotNow
from health.models import HealthDay
from segments.models import AccountMembership, SegmentRefresh
from segments.refresh import refresh_due
from tests import factories
from tests.comparing.conftest import CAME, PAIRS, TODAY, World, at, days

pytestmark = pytest.mark.django_db


def done(comparison: Comparison) -> dict[str, Any]:
    work(comparison.pk)
    comparison.refresh_from_db()
    assert comparison.state == "done", comparison.error
    report: dict[str, Any] = comparison.report
    return report


def outcome(report: dict[str, Any], key: str, number: int) -> dict[str, Any]:
    return next(one for one in report["outcomes"] if (one["key"], one["days"]) == (key, number))


def test_figures_are_those_of_the_pairs_that_were_drawn(world: World) -> None:
    report = done(start_comparison(world.playbook, first_day=CAME))
    names = dict(Account.objects.values_list("pk", "external_id"))
    sets: dict[int, list[str]] = {}
    for account, number, _, came in report["sets"]:
        sets.setdefault(number, []).append(names[account])
        assert names[account].startswith("in-" if came else "by-")
    assert len(sets) == report["matched"] == PAIRS and report["entered"] == PAIRS
    assert sum(len(row) for row in sets.values()) == 2 * PAIRS  # each of the others once
    pairs = [(first, other) for first, other in sets.values()]
    between = [world.change[a][30] - world.change[b][30] for a, b in pairs]
    health = outcome(report, "health", 30)
    # The scores of those beside lie half a point higher before and after, which the change leaves out.
    assert health["came"] - health["beside"] == pytest.approx(fmean(between), abs=0.01)
    half = 2.0687 * stdev(between) / PAIRS**0.5  # the table's t for 23 degrees of freedom
    assert (health["low"], health["high"]) == pytest.approx((fmean(between) - half, fmean(between) + half), abs=0.02)
    assert health["verdict"] == ("more" if fmean(between) > half else "open")
    stayed = outcome(report, "stayed", 30)
    assert stayed["came"] == pytest.approx(fmean(a not in world.left for a, _ in pairs))
    assert stayed["beside"] == pytest.approx(fmean(b not in world.left for _, b in pairs))
    early = [pair for pair in pairs if world.came[pair[0]] == CAME]
    renewed = outcome(report, "renewed", 30)
    assert renewed["sets"] == PAIRS and renewed["came"] == stayed["came"]
    assert outcome(report, "renewed", 90)["over"] == PAIRS and early
    money = outcome(report, "mrr", 30)
    for side, place in (("came", 0), ("beside", 1)):
        idents = [pair[place] for pair in pairs]
        kept = sum(world.later[one] for one in idents if one not in world.left)
        assert money[side] == pytest.approx(kept / sum(world.mrr[one] for one in idents))
    by = {one["key"]: one for one in report["balance"]}
    spread = stdev(world.score[one] for one in world.came)
    assert by["health"]["after"] == pytest.approx(-0.5 / spread, abs=0.2) and report["alike"]
    assert by["renews"]["came"] == by["renews"]["pool"] == 1
    assert not ComparedAccount.objects.exists()


def test_what_comes_later_does_not_choose_who_is_compared(world: World) -> None:
    before = done(start_comparison(world.playbook, first_day=CAME))["sets"]
    HealthDay.objects.filter(day__gte=CAME).delete()
    Account.objects.update(churned_on=None, stage="live")
    late = world.account("by-00")
    version = world.playbook.versions.get()
    for ident in ("by-00", "by-01"):
        Enrolment.objects.create(
            playbook=world.playbook, version=version, account=world.account(ident), state="finished",
            started_at=at(CAME + days(40)), ended_at=at(CAME + days(41)),
        )  # fmt: skip
    report = done(start_comparison(world.playbook, first_day=CAME))
    kept = [row for row in report["sets"] if row[0] not in (late.pk, world.account("by-01").pk) or not row[3]]
    assert [row for row in kept if row[1] <= PAIRS] == before
    assert outcome(report, "stayed", 30)["later"] == 0 and outcome(report, "stayed", 60)["later"] == 2
    assert outcome(report, "health", 30)["came"] == 0  # nothing is known of scores after the entry


def test_segments_are_compared_from_a_day_on_and_definitions_are_nobodys_doing(world: World, time_machine: Any) -> None:
    segment = factories.segment("Coached", {"field": "account.mrr", "op": "at_least", "value": 10**9})
    AccountMembership.objects.filter(segment=segment).delete()
    for ident, day in world.came.items():
        AccountMembership.objects.create(segment=segment, account=world.account(ident), entered_at=at(day))
    saved = SegmentRefresh.objects.filter(segment=segment).first()
    assert saved
    SegmentRefresh.objects.filter(pk=saved.pk).update(new_definition=True)
    defined = world.account("by-03")
    AccountMembership.objects.create(segment=segment, account=defined, entered_at=at(CAME), opened_by=saved)
    report = done(start_comparison(segment, first_day=CAME + days(1), among=None))
    early = sum(day == CAME for day in world.came.values())
    assert report["entered"] == PAIRS - early
    inside = {row[0] for row in report["sets"]}
    assert defined.pk not in inside and not inside & {world.account(i).pk for i, d in world.came.items() if d == CAME}


def test_both_sides_are_members_of_the_segment_among_which_they_are_compared(world: World) -> None:
    among = factories.segment("Some", {"field": "account.mrr", "op": "at_least", "value": 10**9})
    for ident in ("in-00", "by-00", "in-05", "by-05", "by-06"):
        AccountMembership.objects.create(segment=among, account=world.account(ident), entered_at=at(CAME - days(90)))
    AccountMembership.objects.create(segment=among, account=world.account("in-07"), entered_at=at(CAME + days(30)))
    made = start_comparison(world.playbook, first_day=CAME, among=among)
    report = done(made)
    assert (report["entered"], report["matched"], report["unknown"]) == (PAIRS, 2, PAIRS - 2)
    assert {one["verdict"] for one in report["outcomes"]} == {"few"}
    again = start_comparison(world.playbook, first_day=CAME, among=among)
    Comparison.objects.filter(pk=again.pk).update(among=None)
    work(again.pk)
    again.refresh_from_db()
    assert again.state == "failed" and "deleted meanwhile" in again.error


def test_a_milestone_counts_for_those_that_had_not_reached_it(world: World) -> None:
    watch = factories.segment("Watch", {"field": "account.mrr", "op": "at_least", "value": 10**9})
    milestone = Milestone.objects.create(key="live", name="Weekly use", watch=watch)
    reached = {"in-00": -3, "in-01": 10, "in-02": 50, "by-01": 80, "by-02": None, "in-03": 5}
    for n in range(PAIRS):
        for side in ("in", "by"):
            ident = f"{side}-{n:02}"
            after = reached.get(ident)
            entry = world.came[f"in-{n:02}"]
            won = at(entry + days(after)) if after is not None else None
            AccountMilestone.objects.create(
                milestone=milestone, account=world.account(ident), state="reached" if won else "pending",
                since=won or at(CAME), seen_from=at(CAME - days(100)), reached_at=won, won_at=won,
            )  # fmt: skip
    report = done(start_comparison(world.playbook, first_day=CAME, milestone=milestone))
    month, two = outcome(report, "milestone", 30), outcome(report, "milestone", 60)
    assert month["sets"] == two["sets"] == PAIRS - 1  # in-00 had reached it
    assert month["came"] == pytest.approx(2 / (PAIRS - 1)) and two["came"] == pytest.approx(3 / (PAIRS - 1))
    assert two["beside"] == 0 and two["verdict"] == "few"  # three of them did, which is too few


def test_a_worker_that_dies_leaves_the_days_that_are_done(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = done(start_comparison(world.playbook, first_day=CAME))
    cut = start_comparison(world.playbook, first_day=CAME)
    assert cut.steps == 8
    work(cut.pk, seconds=0)  # one day for a wake-up
    cut.refresh_from_db()
    assert (cut.state, cut.done, cut.percent) == ("running", 1, 12)
    dead = take_report(Comparison, cut.pk)
    assert dead is not None
    work(cut.pk)  # somebody has it
    assert Comparison.objects.get(pk=cut.pk).done == 1
    Comparison.objects.filter(pk=cut.pk).update(beat_at=at(TODAY - days(1)))
    wake_reports(Comparison)
    assert done(cut) == whole
    other = start_comparison(world.playbook, first_day=CAME)
    cancel_report(other)
    with pytest.raises(NotNow):
        cancel_report(other)
    monkeypatch.setattr(running, "knowing", lambda: 1 / 0)
    failing = start_comparison(world.playbook, first_day=CAME)
    for _ in range(6):
        Comparison.objects.filter(pk=failing.pk).update(next_attempt_at=at(TODAY), claim="")
        work(failing.pk)
    failing.refresh_from_db()
    assert failing.state == "failed" and "Something failed" in failing.error


def test_what_cannot_be_asked_says_why(world: World) -> None:
    users = factories.segment("People", {"field": "user.name", "op": "is", "value": "x"}, subject="user")
    refresh_due()

    def refused(**more: Any) -> str:
        with pytest.raises(BadValue) as error:
            start_comparison(more.pop("what", world.playbook), **{"first_day": CAME} | more)
        return str(error.value)

    assert "known after 30 days" in refused(first_day=TODAY - days(30))
    assert "At most 366 days" in refused(first_day=TODAY - days(500))
    assert "not a segment of accounts" in refused(among=users) and "not a segment of accounts" in refused(what=users)
    assert "1 to 10" in refused(uses=11)
    empty = done(start_comparison(world.playbook, first_day=newest_entry()))
    assert (empty["entered"], empty["matched"], empty["outcomes"][0]["came"]) == (0, 0, None)
