"""Why an account has its health: the reason in one line, every measure with its number, limits and what it was."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from accounts.models import AttributeChange
from core.clock import Moment, moment
from health.editing import override_health, save_config
from health.explaining import REASON_LENGTH, Teller, explain_health
from health.models import BandChange
from health.refresh import refresh_health
from segments.questions import Reader
from tests.health.test_scores import BOTH, SEEN, USED, an_account, definition, only
from usage.models import AccountUsage

pytestmark = pytest.mark.django_db


def a_month_ago() -> Moment:
    return Moment(moment().now - dt.timedelta(days=31), moment().zone)


def test_the_reason_names_the_measure_that_costs_most_with_what_it_was() -> None:
    one = an_account(61, 100, seen=1, plan="Enterprise")
    save_config(None, name="", definition=BOTH)
    refresh_health(now=a_month_ago())
    AccountUsage.objects.filter(account=one).update(active_users_30d=14)
    refresh_health()
    told = explain_health(one)
    assert told.reason == "Used 14 %, was 61 %"
    used = told.dimensions[0].measures[0]
    assert (used.value, used.was, used.good, used.poor) == (
        "14 of 100, 14 %",
        "61 %",
        "70 % of Licences",
        "10 % of Licences",
    )
    assert [dimension.name for dimension in told.dimensions] == ["Adoption", "Financial"]
    assert told.dimensions[1].measures[0].good == "Plan is “Enterprise”"
    assert sum(measure.weight for dimension in told.dimensions for measure in dimension.measures) == 100
    lost = sum(measure.share for dimension in told.dimensions for measure in dimension.measures)
    assert told.score is not None and abs(100 - lost - told.score) < 1


@pytest.mark.parametrize(
    ("active", "licences", "seen", "plan", "reason"),
    [
        (100, 100, 0, "Enterprise", "All dimensions Good"),
        (0, 100, 45, "Starter", "Used 0 %"),
        (100, 100, 0, "Starter", "Plan is Poor"),
        (10, 100, 45, "Enterprise", "Used 10 %"),
        (0, None, None, "", "No data for Used, Seen, Plan"),
    ],
)
def test_reasons_are_facts_with_their_number(
    active: int, licences: int | None, seen: int | None, plan: str, reason: str
) -> None:
    one = an_account(active, licences, seen=seen, plan=plan)
    save_config(None, name="", definition=BOTH)
    refresh_health()
    assert explain_health(one).reason == reason


def test_a_persons_word_comes_first_and_no_reason_is_long() -> None:
    one = an_account(5, 100, seen=40)
    assert explain_health(one).reason == "Health was not computed yet"
    long = USED | {"name": "The number of users of the licences that were bought in the spring"}
    save_config(None, name="", definition=only(long, SEEN | {"weight": 1}))
    refresh_health()
    assert len(explain_health(one).reason) < REASON_LENGTH and explain_health(one).reason.endswith("…")
    override_health(one, band="good", reason="They told us so.")
    assert explain_health(one).reason == "Set to Good by hand"


def test_a_page_of_accounts_is_told_with_the_same_number_of_questions(django_assert_max_num_queries: Any) -> None:
    accounts = [an_account(i, 100, seen=i) for i in range(12)]
    save_config(None, name="", definition=BOTH)
    refresh_health()
    reader = Reader.now()
    with django_assert_max_num_queries(5):
        teller = Teller(accounts, reader)
        assert len({teller.told(account).reason for account in accounts}) > 6


def test_a_band_that_the_clock_changed_is_told_apart_from_new_data() -> None:
    still, moved = an_account(0, None, seen=0), an_account(0, None, seen=0)
    save_config(None, name="", definition=definition(("a", 100, [SEEN])))
    refresh_health()
    AttributeChange.objects.create(
        subject="account", object_id=moved.pk, key="plan", old="", new="Growth", at=moment().now, source="crm"
    )
    refresh_health(now=Moment(moment().now + dt.timedelta(days=25), moment().zone))
    causes = dict(BandChange.objects.exclude(cause="first").values_list("account_id", "cause"))
    assert causes == {still.pk: "time", moved.pk: "data"}
