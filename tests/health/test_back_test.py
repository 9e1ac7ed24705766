"""Back-tests: bands of past days, what was known then, figures against churn, and runs that are cut off."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.facts import Fact, define_attribute, record_accounts
from accounts.models import Account, AttributeChange, Subject
from core.clock import moment
from core.reports import cancel_report, due_reports, take_report, wake_reports
from core.working import NotNow, Superseded
from health.backtest import running
from health.backtest.figures import BANDS, History, figures
from health.backtest.models import BackTest, BackTestDay
from health.backtest.replay import replay_of
from health.backtest.running import start_back_test, work
from health.definition import DefinitionError
from health.editing import save_config
from health.models import AccountHealth, HealthConfig
from segments.models import Segment
from tests import factories
from tests.health.past_world import DEFINITION, EASY, Customer, at, draw, outcome

pytestmark = pytest.mark.django_db
SILENT = 30
HORIZONS = (30, 60, 90)


def a_config(definition: Any = DEFINITION, **more: Any) -> HealthConfig:
    define_attribute(Subject.ACCOUNT, "nps", kind="number")
    return save_config(None, name="", definition=definition, **more)


def a_test(config: HealthConfig | None, days: int = 210, **more: Any) -> BackTest:
    last = moment().today - dt.timedelta(days=1)
    return start_back_test(config, first_day=last - dt.timedelta(days=days - 1), last_day=last, **more)


def bands_of(test: BackTest, days: Sequence[dt.date] = ()) -> list[dict[int, str]]:
    """The bands of the tested definition, day by day."""
    found = []
    with replay_of(test) as replay:
        for day in days or test.days:
            scored = replay.day(day)
            found.append({pk: BANDS[letter] for pk, letter in zip(scored.accounts, scored.letters, strict=True)})
    return found


@pytest.fixture
def customers() -> list[Customer]:
    return draw(30, 240)


def test_bands_of_the_past_and_the_figures_are_those_of_plain_python(customers: list[Customer]) -> None:
    config = a_config()
    test = a_test(config, silent_days=SILENT, draft=EASY)
    days = test.days[::3]
    expected = [{one.pk: one.band(EASY, day) for one in customers if one.came <= day} for day in days]
    found = bands_of(test, days)
    for day, mine, theirs in zip(days, found, expected, strict=True):
        assert mine == theirs, day
    assert {band for day in found for band in day.values()} == {"good", "average", "poor", "none"}
    before = AccountHealth.objects.count(), Account.objects.get(pk=customers[0].pk).industry
    work(test.pk)
    test.refresh_from_db()
    assert (test.state, test.error, test.done) == ("done", "", test.steps) and not BackTestDay.objects.exists()
    for side, definition in (("tested", EASY), ("against", DEFINITION)):
        told = test.report["sides"][side]["horizons"]
        for row in told:
            wanted = outcome(customers, definition, test.days, SILENT, row["days"])
            assert {key: row[key] for key in wanted} == wanted, (side, row)
        assert sum(test.report["sides"][side]["falls"].values()) == told[0]["alerts"] + told[0]["too_late"]
    rows = [row for side in test.report["sides"].values() for row in side["horizons"]]
    for shown in ("alerts", "true", "too_late", "churns", "caught", "lead_days"):
        assert any(row[shown] for row in rows), f"the drawn world shows no {shown}"
    assert any(row["already"] < row["caught"] < row["churns"] for row in rows) and any(
        row["true"] < row["alerts"] for row in rows
    )
    assert (AccountHealth.objects.count(), Account.objects.get(pk=customers[0].pk).industry) == before
    assert_who_moved(test, customers)


def assert_who_moved(test: BackTest, customers: list[Customer]) -> None:
    """Those whose band differs on the last day, without those that are gone."""
    there = [
        one for one in customers if one.came <= test.last_day and not one.is_gone(test.last_day, SILENT, moment().today)
    ]
    pairs = {one.pk: (one.band(DEFINITION, test.last_day), one.band(EASY, test.last_day)) for one in there}
    wanted = {pk: pair for pk, pair in pairs.items() if pair[0] != pair[1]}
    assert {pk: (old, new) for pk, old, new, _ in test.report["moved"]} == wanted
    # The two definitions differ in their bands alone, so no measure can be the reason.
    assert {row[3] for row in test.report["moved"]} == {"Good begins at 50 (was 65), Poor below 40 (was 50)"}
    assert sum(test.report["moves"].values()) == len(wanted) == test.report["moved_total"]
    same = {pk: old for pk, (old, new) in pairs.items() if old == new}
    assert dict(test.report["stayed"]) == same and test.report["stays"] == Counter(same.values())
    assert len(test.report["stayed"]) == len(same) > 0


def test_cancelled_alone_is_churn_too(customers: list[Customer]) -> None:
    test = a_test(a_config(), days=120)
    work(test.pk)
    test.refresh_from_db()
    assert test.report["sides"]["against"] is None and test.report["moved"] == []
    shown = []
    for row in test.report["sides"]["tested"]["horizons"]:
        wanted = outcome(customers, DEFINITION, test.days, None, row["days"])
        assert {key: row[key] for key in wanted} == wanted
        shown.append(row["already"])
    assert any(shown)


def test_what_came_later_does_not_change_what_was_known_then(customers: list[Customer]) -> None:
    AttributeChange.objects.update(recorded_at=timezone.now() - dt.timedelta(days=300))
    test = a_test(a_config(), days=15)
    before = bands_of(test)
    back = at(test.first_day - dt.timedelta(days=5))
    facts = [Fact(f"c{n:03}", {"industry": "Mining", "custom.nps": 0}, back) for n in range(len(customers))]
    record_accounts(facts, source="correction")
    AttributeChange.objects.filter(source="correction").update(recorded_at=timezone.now() - dt.timedelta(days=8))
    changed = {pk for pk in AttributeChange.objects.filter(source="correction").values_list("object_id", flat=True)}
    assert changed
    after = bands_of(test)
    known = [day < moment().today - dt.timedelta(days=8) for day in test.days]
    same = [one == other for one, other in zip(before, after, strict=True)]
    assert [one for one, early in zip(same, known, strict=True) if early] == [True] * sum(known)
    assert not all(same), "a correction counts from the day on which it was recorded"


def test_values_nobody_had_told_are_missing_and_the_report_says_so(customers: list[Customer]) -> None:
    told = moment().today - dt.timedelta(days=10)
    late = Account.objects.get(pk=customers[4].pk)
    AttributeChange.objects.filter(object_id=late.pk, subject="account").exclude(key="industry").update(
        recorded_at=timezone.now() - dt.timedelta(days=300)
    )
    AttributeChange.objects.filter(object_id=late.pk, key="industry").update(recorded_at=at(told))
    test = a_test(a_config(), days=15)
    work(test.pk)
    test.refresh_from_db()
    gaps = {gap["what"]: gap for gap in test.report["gaps"]}
    assert gaps["Industry"]["accounts"] == 1 and gaps["Industry"]["until"] == (told - dt.timedelta(days=1)).isoformat()


def test_a_run_that_is_cut_off_goes_on_and_ends_the_same(customers: list[Customer]) -> None:
    config = a_config()
    whole, cut = a_test(config, days=14), a_test(config, days=14)
    work(whole.pk)
    work(cut.pk, seconds=0)  # its time is over after one day
    cut.refresh_from_db()
    assert (cut.done, cut.state, cut.claim) == (1, "running", "")
    dead = take_report(BackTest, cut.pk)
    assert dead is not None and not due_reports(BackTest).exists()
    work(cut.pk)
    cut.refresh_from_db()
    assert cut.done == 1, "somebody has it"
    BackTest.objects.filter(pk=cut.pk).update(beat_at=timezone.now() - dt.timedelta(minutes=3))
    wake_reports(BackTest)
    work(cut.pk)
    for test in (whole, cut):
        test.refresh_from_db()
    assert cut.state == "done" and cut.report == whole.report
    with replay_of(dead) as replay, pytest.raises(Superseded):
        running._walk(dead, replay, 0)


def test_a_run_that_kills_its_worker_is_given_up_with_a_reason() -> None:
    factories.account()
    test = a_test(a_config(), days=14)
    for _ in range(5):
        assert take_report(BackTest, test.pk) is not None
        BackTest.objects.filter(pk=test.pk).update(beat_at=timezone.now() - dt.timedelta(minutes=3))
    work(test.pk)
    test.refresh_from_db()
    assert test.state == "failed" and "five times" in test.error


def test_a_run_can_be_cancelled_half_way_and_leaves_nothing(customers: list[Customer]) -> None:
    test = a_test(a_config(), days=14)
    work(test.pk, seconds=0)
    assert BackTestDay.objects.filter(test=test).count() == 1
    cancel_report(test)
    work(test.pk)
    test.refresh_from_db()
    assert (test.state, test.done, test.report) == ("cancelled", 1, {}) and not BackTestDay.objects.exists()
    with pytest.raises(NotNow):
        cancel_report(test)


def test_a_deleted_config_ends_its_run_with_a_reason() -> None:
    config = a_config()
    test = a_test(config, days=14)
    config.delete()
    work(test.pk)
    test.refresh_from_db()
    assert test.state == "failed" and "deleted" in test.error


def test_members_are_those_of_then_and_before_the_first_refresh_those_of_the_rule(customers: list[Customer]) -> None:
    retail = factories.segment("Retail", {"field": "account.industry", "op": "is", "value": "Retail"})
    test = a_test(a_config(segment=retail), days=14)
    for day, found in zip(test.days, bands_of(test), strict=True):
        assert set(found) == {
            one.pk for one in customers if one.came <= day and one.values(day)["account.industry"] == "Retail"
        }
    work(test.pk)
    test.refresh_from_db()
    assert "Members of Retail" in {gap["what"] for gap in test.report["gaps"]}


def test_a_new_config_is_tested_before_it_is_saved_beside_what_scores_its_accounts_now(
    customers: list[Customer],
) -> None:
    default = a_config()
    retail = factories.segment("Retail", {"field": "account.industry", "op": "is", "value": "Retail"})
    everybody = factories.segment("Everybody", {"field": "account.industry", "op": "is_set"})
    save_config(None, name="", definition=DEFINITION, segment=retail)
    test = a_test(None, 30, draft=EASY, segment=everybody, name="Tried")
    assert (test.what, test.beside, test.of_segment) == ("new config", "Default, version 1", "Everybody")
    day = test.last_day
    left = {one.pk for one in customers if one.came <= day and one.values(day)["account.industry"] != "Retail"}
    assert set(bands_of(test, [day])[0]) == left and left
    assert test.against == default.definition
    work(test.pk)
    test.refresh_from_db()
    assert (test.state, test.error) == ("done", "") and set(test.report["sides"]) == {"tested", "against"}
    assert HealthConfig.objects.count() == 2

    lost = a_test(None, 30, draft=EASY, segment=everybody)
    Segment.everything.filter(pk=everybody.pk).delete()
    work(lost.pk)
    lost.refresh_from_db()
    assert (lost.state, lost.error) == ("failed", running.GONE)
    with pytest.raises(DefinitionError) as refused:
        a_test(None, 30, segment=retail)
    assert [one.pointer for one in refused.value.problems] == ["/definition"]


def test_a_draft_for_another_segment_is_tested_over_its_accounts(customers: list[Customer]) -> None:
    retail = factories.segment("Retail", {"field": "account.industry", "op": "is", "value": "Retail"})
    test = a_test(a_config(), 30, draft=EASY, segment=retail)
    day = test.last_day
    assert set(bands_of(test, [day])[0]) == {
        one.pk for one in customers if one.came <= day and one.values(day)["account.industry"] == "Retail"
    }
    assert (test.what, test.beside) == ("draft", "version 1")


def test_no_table_of_a_replay_is_left(customers: list[Customer]) -> None:
    test = a_test(a_config(), days=14)
    work(test.pk)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relkind IN ('r', 'v')"
        )
        assert {name for (name,) in cursor.fetchall()} <= {"usage_taken"}


def test_a_measure_that_cannot_be_told_of_the_past_is_left_out_and_named(customers: list[Customer]) -> None:
    from usage.models import Trait

    trait = Trait.objects.create(
        key="sqlmade", name="Made in SQL", name_folded="made in sql", method="sql", kind="number",
        definition={"sql": "SELECT 1, 2", "kind": "number"},
    )  # fmt: skip
    rows = [*DEFINITION["dimensions"][0]["measures"],
            {"key": "made", "name": "Made", "field": trait.field_key, "good": 3, "poor": 1}]  # fmt: skip
    dimensions = [{**DEFINITION["dimensions"][0], "measures": rows}, DEFINITION["dimensions"][1]]
    test = a_test(a_config({**DEFINITION, "dimensions": dimensions}), days=14)
    work(test.pk)
    test.refresh_from_db()
    assert test.state == "done" and "SQL" in test.problems["made"]
    assert "Made" in {gap["what"] for gap in test.report["gaps"]}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"first_day": dt.date(2020, 1, 1)}, "/first_day"),
        ({"last_day": dt.date(2100, 1, 1)}, "/last_day"),
        ({"cancelled": False}, "/cancelled"),
        ({"silent_days": 2}, "/silent_days"),
        ({"draft": {"dimensions": []}}, "/definition/dimensions"),
        ({"draft": [1]}, "/definition"),
        ({"compare_with": 9}, "/compare_with"),
    ],
)
def test_what_cannot_be_tested_is_refused_with_its_place(change: dict[str, Any], pointer: str) -> None:
    last = moment().today - dt.timedelta(days=1)
    given: dict[str, Any] = {"first_day": last - dt.timedelta(days=60), "last_day": last}
    with pytest.raises(DefinitionError) as caught:
        start_back_test(a_config(), **given | change)
    assert pointer in {problem.pointer for problem in caught.value.problems}


def test_a_person_runs_at_most_three_at_once() -> None:
    author = factories.member().user
    config = a_config()
    for _ in range(3):
        a_test(config, days=20, author=author)
    with pytest.raises(NotNow, match="3 of your back-tests"):
        a_test(config, days=20, author=author)


def test_the_figures_of_a_history_by_hand() -> None:
    days = [dt.date(2026, 1, 1) + dt.timedelta(days=10 * n) for n in range(13)]  # to 1 May
    letters = {
        1: "ggapppppp    ",  # falls on day 30, leaves on day 95
        2: "gggggpggggggg",  # a false alarm on day 50
        3: "pppp         ",  # Poor from the start, leaves on day 40
        4: "ggggggggggggp",  # too recent to say
        5: "         nppg",  # comes late, an alert on day 100, stays
    }
    churns = {1: [dt.date(2026, 1, 1) + dt.timedelta(days=95)], 3: [dt.date(2026, 1, 1) + dt.timedelta(days=40)]}
    found = figures(History(days, letters, churns, dt.date(2026, 5, 11)))
    by_days = {row["days"]: row for row in found["horizons"]}
    assert found["alerts"] == 4 and found["falls"]["2026-04"] == 1 and found["falls"]["2026-05"] == 1
    assert [by_days[h]["alerts"] for h in HORIZONS] == [3, 2, 1]  # those whose time is over by 11 May
    assert [by_days[h]["true"] for h in HORIZONS] == [0, 0, 1]
    assert (by_days[30]["churns"], by_days[30]["caught"], by_days[30]["lead_days"]) == (2, 2, 65)
    assert by_days[30]["poor_from_the_start"] == 1
    assert (by_days[60]["churns"], by_days[60]["caught"]) == (1, 1)  # day 40 has no 60 days before it
    # 30 days before leaving both were Poor; 90 days before, on day 5, the first was Good.
    assert [by_days[h]["already"] for h in HORIZONS] == [2, 1, 0] and by_days[90]["already_share"] == 0
    assert found["mix"][0][1:] == [3, 0, 1, 0]
