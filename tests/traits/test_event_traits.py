"""Traits made of events: each method against a count by hand, its window's edges, its conditions, its context."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

import pytest

from accounts.models import Account, Relationship
from core.clock import Moment, moment
from core.models import Workspace
from tests import factories
from tests.traits.conftest import NOW, Tell
from usage.traits.computing import refresh_traits
from usage.traits.editing import save_trait
from usage.traits.models import AccountTraits, UserTraits

pytestmark = pytest.mark.django_db
_number = itertools.count(1)
LAST_30 = {"last": 30, "unit": "day"}


def computed(account: Account, present: Moment, method: str, subject: str = "account", **definition: Any) -> Any:
    """The value of a trait of an account, computed at the fixed moment."""
    trait = save_trait(None, subject=subject, name=f"Trait {next(_number)}", method=method, definition=definition)
    refresh_traits(present)
    trait.refresh_from_db()
    assert not trait.error
    found = AccountTraits.objects.filter(account=account).first()
    return found.shown.get(trait.key) if found else None


class TestMethods:
    def test_a_counter_counts_the_events_of_its_names(self, present: Moment, tell: Tell) -> None:
        account, other = factories.account(), factories.account()
        for name in ("Export", "Export", "Login", "Share"):
            tell(account, name, days=2)
        tell(other, "Export")
        assert computed(account, present, "count", event="Export", window=LAST_30) == 2
        assert computed(account, present, "count", event=["Export", "Share"], window="ever") == 3

    @pytest.mark.parametrize(("method", "expected"), [("sum", 60.5), ("avg", 20.166667), ("min", -2), ("max", 40)])
    def test_aggregates_take_numbers_only(self, method: str, expected: float, present: Moment, tell: Tell) -> None:
        account = factories.account()
        for pages in (22.5, 40, -2, "12", None, True, 1e300):
            tell(account, "Export", pages=pages)
        found = computed(account, present, method, event="Export", property="pages", window=LAST_30)
        assert found == pytest.approx(expected)

    def test_the_most_frequent_value_is_met_twice_and_ties_go_by_the_alphabet(
        self, present: Moment, tell: Tell
    ) -> None:
        tied, once, clear = factories.account(), factories.account(), factories.account()
        for form in ("pdf", "csv", "csv", "pdf", "xls"):
            tell(tied, "Export", format=form)
        tell(once, "Export", format="pdf")
        for form in ("zip", "zip", "csv", "csv", "zip"):
            tell(clear, "Export", format=form)
        values = [computed(a, present, "most_frequent", event="Export", property="format") for a in (tied, once, clear)]
        assert values == ["csv", None, "zip"]

    def test_first_and_last_by_the_time_of_the_event_not_of_its_arrival(self, present: Moment, tell: Tell) -> None:
        account = factories.account()
        tell(account, "Login", days=5, device="phone")
        tell(account, "Login", days=9, device="laptop")
        tell(account, "Login", days=7, device="tablet")
        tell(account, "Login", days=1)
        assert computed(account, present, "first", event="Login", property="device") == "laptop"
        assert computed(account, present, "last", event="Login", property="device") == "phone"
        assert computed(account, present, "last", event="Login").startswith("2026-11-19T15:00:00")

    def test_a_unique_list_is_sorted_and_counted(self, present: Moment, tell: Tell) -> None:
        account = factories.account()
        for code in ("no", "de", "no", "", "  ", "at", 7):
            tell(account, "Visit", country=code)
        assert computed(account, present, "unique_list", event="Visit", property="country") == ["7", "at", "de", "no"]
        assert computed(account, present, "unique_count", event="Visit", property="country") == 4

    def test_a_long_list_is_cut_at_a_hundred(self, present: Moment, tell: Tell) -> None:
        account = factories.account()
        for number in range(105):
            tell(account, "Visit", page=f"p{number:03}")
        assert len(computed(account, present, "unique_list", event="Visit", property="page")) == 100
        assert computed(account, present, "unique_count", event="Visit", property="page") == 105


class TestWindows:
    @pytest.mark.parametrize("zone", ["UTC", "Pacific/Tongatapu", "Pacific/Pago_Pago"])
    @pytest.mark.parametrize("where", [[], [{"property": "ok", "op": "is_true"}]])
    def test_the_last_30_days_begin_at_local_midnight_29_days_ago(
        self, zone: str, where: list[Any], tell: Tell
    ) -> None:
        Workspace.objects.update_or_create(pk=1, defaults={"time_zone": zone})
        present, account = moment(NOW), factories.account()
        midnight = present.start_of(present.today - dt.timedelta(days=29))
        tell(account, "Login", at=midnight, ok=True)
        tell(account, "Login", at=midnight - dt.timedelta(microseconds=1), ok=True)
        assert computed(account, present, "count", event="Login", window=LAST_30, where=where) == 1

    def test_a_year_is_a_unit_as_in_rules_and_nothing_looks_past_today(self, present: Moment, tell: Tell) -> None:
        account = factories.account()
        for at in (NOW - dt.timedelta(days=300), NOW, NOW + dt.timedelta(days=2)):
            tell(account, "Login", at=at)
        assert computed(account, present, "count", event="Login", window={"last": 1, "unit": "year"}) == 2
        assert computed(account, present, "count", event="Login", window="ever") == 2

    def test_between_two_ages_includes_both_days(self, present: Moment, tell: Tell) -> None:
        account = factories.account()
        for days in (61, 60, 45, 30, 29):
            tell(account, "Login", days=days)
        window = {"between": [60, 30], "unit": "day"}
        assert computed(account, present, "count", event="Login", window=window) == 3

    def test_hours_are_exact(self, present: Moment, tell: Tell) -> None:
        account = factories.account()
        tell(account, "Login", at=NOW - dt.timedelta(hours=2))
        tell(account, "Login", at=NOW - dt.timedelta(hours=2, microseconds=1))
        assert computed(account, present, "count", event="Login", window={"last": 2, "unit": "hour"}) == 1

    def test_a_month_before_31_march_is_the_last_of_february(self, tell: Tell) -> None:
        present, account = moment(dt.datetime(2028, 3, 31, 12, tzinfo=dt.UTC)), factories.account()
        tell(account, "Login", at=dt.datetime(2026, 2, 28, 23, tzinfo=dt.UTC))
        tell(account, "Login", at=dt.datetime(2026, 3, 1, 0, tzinfo=dt.UTC))
        present = moment(dt.datetime(2026, 3, 31, 12, tzinfo=dt.UTC))
        assert computed(account, present, "count", event="Login", window={"last": 1, "unit": "month"}) == 1


class TestConditions:
    @pytest.mark.parametrize(
        ("op", "value", "expected"),
        [
            ("is", " PRO ", 1), ("is_not", "pro", 3), ("any_of", ["pro", "Éco"], 2), ("none_of", ["pro", "éco"], 2),
            ("contains", "R", 1), ("not_contains", "r", 3), ("is_set", None, 2), ("is_not_set", None, 2),
        ],
    )  # fmt: skip
    def test_texts_compare_without_case_and_negatives_are_complements(
        self, op: str, value: Any, expected: int, present: Moment, tell: Tell
    ) -> None:
        account = factories.account()
        tell(account, "Login", plan="Pro")
        tell(account, "Login", plan="éco")
        tell(account, "Login", plan="")
        tell(account, "Login")
        where = [{"property": "plan", "op": op} | ({} if value is None else {"value": value})]
        assert computed(account, present, "count", event="Login", where=where) == expected

    @pytest.mark.parametrize(
        ("op", "value", "expected"),
        [
            ("equals", 5, 1), ("not_equals", 5, 3), ("at_least", 5, 2), ("more_than", 5, 1), ("at_most", 5, 1),
            ("less_than", 5, 0),
        ],
    )  # fmt: skip
    def test_numbers_compare_as_numbers_and_a_text_is_none(
        self, op: str, value: int, expected: int, present: Moment, tell: Tell
    ) -> None:
        account = factories.account()
        for pages in (5, 6.5, "5", None):
            tell(account, "Export", pages=pages)
        where = [{"property": "pages", "op": op, "value": value}]
        found = computed(account, present, "count", event="Export", where=where)
        assert (found or 0) == expected


class TestContext:
    def test_what_a_user_does_in_one_account_counts_there_only(self, present: Moment, tell: Tell) -> None:
        first, second, user = factories.account(), factories.account(), factories.end_user()
        factories.relationship(first, user)
        factories.relationship(second, user)
        tell(first, "Export", user=user)
        tell(first, "Export", user=user)
        trait = save_trait(None, subject="user", name="Exports", method="count", definition={"event": "Export"})
        assert computed(second, present, "count", event="Export") is None
        rows = {row.account_id: row.shown[trait.key] for row in UserTraits.objects.filter(user=user)}
        assert rows == {first.pk: 2}

    def test_values_go_when_the_events_leave_the_window_and_unchanged_ones_stay(
        self, present: Moment, tell: Tell
    ) -> None:
        account = factories.account()
        tell(account, "Login", days=3, place="Home")
        definition = {"event": "Login", "property": "place", "window": {"last": 7, "unit": "day"}}
        save_trait(None, name="Places", method="unique_list", definition=definition)
        refresh_traits(present)
        first = AccountTraits.objects.values("shown", "folded").get(account=account)
        assert first == {"shown": {"places": ["Home"]}, "folded": {"places": ["home"]}}
        refresh_traits(present)
        assert AccountTraits.objects.values("shown", "folded").get(account=account) == first
        refresh_traits(moment(NOW + dt.timedelta(days=5)))
        assert AccountTraits.objects.values("shown", "folded").get(account=account) == {"shown": {}, "folded": {}}

    def test_some_accounts_can_be_computed_alone(self, present: Moment, tell: Tell) -> None:
        first, second = factories.account(), factories.account()
        tell(first, "Login")
        tell(second, "Login")
        save_trait(None, name="Logins", method="count", definition={"event": "Login"}, compute_now=False)
        refresh_traits(present, [first.pk])
        assert list(AccountTraits.objects.values_list("account", flat=True)) == [first.pk]
        assert not Relationship.objects.exists()
