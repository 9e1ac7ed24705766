"""Traits as fields: filter, sort, column, explanation; formulas and tenure; what editing refuses."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.fields import Category, vocabulary
from accounts.models import Account
from core.clock import Moment
from csbox.pipeline import refresh_everything
from segments.questions import Reader, read_rule
from tests import factories
from tests.traits.conftest import Tell
from usage.traits.computing import in_order, refresh_traits
from usage.traits.editing import TraitInUse, delete_trait, save_trait
from usage.traits.models import AccountTraits, Trait
from usage.traits.reading import TraitError
from web.columns import all_columns, sort_column

pytestmark = pytest.mark.django_db


def names(*conditions: dict[str, Any]) -> set[str]:
    """The names of the accounts that match all conditions."""
    return set(read_rule(factories.rule(*conditions)).accounts().values_list("name", flat=True))


class TestFields:
    def test_a_counter_filters_and_is_zero_for_accounts_without_events(self, present: Moment, tell: Tell) -> None:
        busy, idle = factories.account("Busy"), factories.account("Idle")
        for _ in range(3):
            tell(busy, "Export")
        trait = save_trait(None, name="Exports made", method="count", definition={"event": "Export"})
        assert trait.field_key == "account.trait.exports_made"
        field = vocabulary()[trait.field_key]
        assert (field.category, field.kind, field.label) == (Category.TRAITS, "number", "Exports made")
        assert names({"field": trait.field_key, "op": "at_least", "value": 3}) == {"Busy"}
        assert names({"field": trait.field_key, "op": "equals", "value": 0}) == {idle.name}

    def test_texts_lists_and_instants_compare_as_fields_of_their_kind(self, present: Moment, tell: Tell) -> None:
        norse, other = factories.account("Norse"), factories.account("Other")
        tell(norse, "Visit", days=40, country="Norge")
        tell(norse, "Visit", days=3, country="Åland")
        tell(other, "Visit", days=1)
        made = [
            save_trait(None, name=name, method=method, definition={"event": "Visit", **more})
            for name, method, more in (
                ("Last place", "last", {"property": "country"}),
                ("Places", "unique_list", {"property": "country"}),
                ("Last visit", "last", {}),
            )
        ]
        place, places, visit = (trait.field_key for trait in made)
        assert [trait.kind for trait in made] == ["text", "list", "datetime"]
        assert names({"field": place, "op": "is", "value": "åLAND"}) == {"Norse"}
        assert names({"field": place, "op": "is_not", "value": "åland"}) == {"Other"}
        assert names({"field": places, "op": "includes_all", "value": ["NORGE", "åland"]}) == {"Norse"}
        assert names({"field": visit, "op": "on", "value": "2026-11-19"}) == {"Other"}
        columns = all_columns(vocabulary())
        chosen = sort_column(columns, "-trait.last_visit")
        assert chosen is not None
        ordered = Account.objects.order_by(*filter(None, [chosen[0].order(chosen[1])]))
        assert [account.name for account in ordered] == ["Other", "Norse"]

    def test_a_users_trait_stands_in_a_group_about_users_of_that_account(self, present: Moment, tell: Tell) -> None:
        first, second, user = factories.account("First"), factories.account("Second"), factories.end_user()
        factories.relationship(first, user)
        factories.relationship(second, user)
        tell(first, "Export", user=user)
        trait = save_trait(None, subject="user", name="Exports", method="count", definition={"event": "Export"})
        where = factories.rule({"field": trait.field_key, "op": "at_least", "value": 1})
        assert names({"users": "any", "where": where}) == {"First"}
        nothing = factories.rule({"field": trait.field_key, "op": "equals", "value": 0})
        assert names({"users": "all", "where": nothing}) == {"Second"}

    def test_the_pipeline_computes_traits_before_segments(self, tell: Tell) -> None:
        account = factories.account()
        trait = save_trait(None, name="Exports", method="count", definition={"event": "Export"})
        segment = factories.segment("Exporters", {"field": trait.field_key, "op": "at_least", "value": 1})
        tell(account, "Export")
        refresh_everything()
        segment.refresh_from_db()
        assert segment.member_count == 1
        assert Reader.now().read(segment.rule).words == "Exports is at least 1"


class TestFormulas:
    @pytest.mark.parametrize(
        ("method", "expected"),
        [
            ("ratio", {"Half": 0.5, "Rising": 3}),
            ("difference", {"Half": -5, "Zero": 4, "Rising": 20}),
            ("percent_change", {"Half": -50, "Rising": 200}),
        ],
    )
    def test_two_numbers_where_both_are_known_and_none_divides_by_zero(
        self, method: str, expected: dict[str, float], present: Moment
    ) -> None:
        for name, new, old in (("Half", 5, 10), ("Zero", 4, 0), ("Rising", 30, 10), ("Unknown", None, 10)):
            factories.account(name, licences=old, mrr=new)
        definition = {"left": "account.mrr", "right": "account.licences"}
        trait = save_trait(None, name="F", method=method, definition=definition)
        rows = AccountTraits.objects.values_list("account__name", f"shown__{trait.key}")
        assert {name: float(value) for name, value in rows if value is not None} == expected

    def test_a_difference_of_money_is_money(self, present: Moment) -> None:
        definition = {"left": "account.mrr", "right": "account.mrr"}
        assert save_trait(None, name="D", method="difference", definition=definition).kind == "money"

    @pytest.mark.parametrize(
        ("since", "unit", "expected"),
        [
            ("2026-11-20", "day", 0), ("2026-11-13", "week", 1), ("2026-11-14", "week", 0), ("2026-10-20", "month", 1),
            ("2026-10-21", "month", 0), ("2024-02-29", "month", 32), ("2026-11-21", "day", None),
        ],
    )  # fmt: skip
    def test_tenure_counts_whole_units(self, since: str, unit: str, expected: int | None, present: Moment) -> None:
        factories.account("One", customer_since=since)
        definition = {"since": "account.customer_since", "unit": unit}
        trait = save_trait(None, name="T", method="tenure", definition=definition, compute_now=False)
        refresh_traits(present)
        row = AccountTraits.objects.first()
        assert (row.shown.get(trait.key) if row else None) == expected

    def test_a_formula_of_traits_is_computed_after_them(self, present: Moment, tell: Tell) -> None:
        account = factories.account(licences=4)
        tell(account, "Export")
        tell(account, "Export")
        count = save_trait(None, name="Z count", method="count", definition={"event": "Export"})
        definition = {"left": count.field_key, "right": "account.licences"}
        ratio = save_trait(None, name="A ratio", method="ratio", definition=definition, compute_now=False)
        assert [trait.name for trait in in_order(list(Trait.objects.all()))] == ["Z count", "A ratio"]
        refresh_traits(present)
        assert AccountTraits.objects.get().shown[ratio.key] == 0.5


class TestEditing:
    @pytest.mark.parametrize(
        ("method", "definition", "pointer"),
        [
            ("count", {}, "/event"),
            ("count", {"event": ["a"] * 21}, "/event"),
            ("count", {"event": "a\x00b"}, "/event"),
            ("count", {"event": "a", "colour": 1}, "/colour"),
            ("count", {"event": "a", "window": {"last": 0, "unit": "day"}}, "/window/last"),
            ("count", {"event": "a", "window": {"last": 1.5, "unit": "day"}}, "/window/last"),
            ("count", {"event": "a", "window": {"last": 5, "unit": "fortnight"}}, "/window/unit"),
            ("count", {"event": "a", "window": {"between": [30, 60], "unit": "day"}}, "/window/between"),
            ("count", {"event": "a", "window": "always"}, "/window"),
            ("count", {"event": "a", "where": [{"property": "p", "op": "like", "value": 1}]}, "/where/0/op"),
            ("count", {"event": "a", "where": [{"property": "p", "op": "at_least", "value": "3"}]}, "/where/0/value"),
            ("count", {"event": "a", "where": [{"property": "", "op": "is_set"}]}, "/where/0/property"),
            ("count", {"event": "a", "where": [{"property": "p", "op": "between", "value": [3, 1]}]}, "/where/0/value"),
            ("count", {"event": "a", "where": [{"property": "p", "op": "matches", "value": "("}]}, "/where/0/value"),
            (
                "count",
                {"event": "a", "where": [{"property": "p", "op": "matches", "value": "a\\1"}]},
                "/where/0/value",
            ),
            ("sum", {"event": "a"}, "/property"),
            ("first", {"event": "a", "property": "p", "as": "date"}, "/as"),
            ("ratio", {"left": "account.mrr", "right": "account.name"}, "/right"),
            ("ratio", {"left": "account.mrr", "right": "subscription.mrr"}, "/right"),
            ("tenure", {"since": "account.mrr"}, "/since"),
            ("guess", {}, "/method"),
            ("count", "x", ""),
        ],
    )
    def test_a_definition_that_cannot_be_is_refused_at_its_place(
        self, method: str, definition: Any, pointer: str
    ) -> None:
        with pytest.raises(TraitError) as refused:
            save_trait(None, name="Bad", method=method, definition=definition)
        assert pointer in [problem.pointer for problem in refused.value.problems]
        assert not Trait.objects.exists()

    def test_a_circle_is_refused_with_its_path(self) -> None:
        first = save_trait(None, name="First", method="difference",
                           definition={"left": "account.mrr", "right": "account.licences"})  # fmt: skip
        second = save_trait(None, name="Second", method="difference",
                            definition={"left": first.field_key, "right": "account.mrr"})  # fmt: skip
        with pytest.raises(TraitError, match="First → Second → First"):
            save_trait(first, name="First", method="ratio",
                       definition={"left": second.field_key, "right": "account.mrr"})  # fmt: skip

    def test_a_name_is_taken_whatever_its_case(self) -> None:
        save_trait(None, name="Logins", method="count", definition={"event": "Login"})
        with pytest.raises(TraitError, match="already a trait"):
            save_trait(None, name=" LOGINS", method="count", definition={"event": "Login"})

    def test_what_a_segment_or_trait_names_stays(self) -> None:
        trait = save_trait(None, name="Logins", method="count", definition={"event": "Login"})
        factories.segment("Users", {"field": trait.field_key, "op": "at_least", "value": 1})
        with pytest.raises(TraitInUse, match="segment “Users”"):
            delete_trait(trait)
        with pytest.raises(TraitInUse):
            save_trait(trait, name="Logins", method="count", definition={"event": "Login"}, active=False)
        with pytest.raises(TraitInUse):
            save_trait(trait, name="Logins", method="last", definition={"event": "Login"})

    def test_a_trait_that_goes_takes_its_values_along(self, present: Moment, tell: Tell) -> None:
        tell(factories.account(), "Login")
        trait = save_trait(None, name="Logins", method="count", definition={"event": "Login"})
        assert AccountTraits.objects.get().shown == {trait.key: 1}
        delete_trait(trait)
        assert AccountTraits.objects.get().shown == {}

    def test_a_trait_that_fails_keeps_its_values_and_says_why(self, present: Moment, tell: Tell) -> None:
        tell(factories.account(), "Login")
        good = save_trait(None, name="Logins", method="count", definition={"event": "Login"})
        bad = save_trait(
            None, name="Ratio", method="ratio", definition={"left": good.field_key, "right": good.field_key}
        )
        Trait.objects.filter(pk=bad.pk).update(definition={"left": "account.gone", "right": good.field_key})
        tell(factories.account(), "Login")
        refresh_traits(present)
        bad.refresh_from_db()
        assert "account.gone" in bad.error
        assert [row.shown.get(bad.key) for row in AccountTraits.objects.order_by("pk")] == [1, None]
        assert [row.shown.get(good.key) for row in AccountTraits.objects.order_by("pk")] == [1, 1]
