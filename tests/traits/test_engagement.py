"""The engagement score: weights, windows, the benchmark, and bands that leave nobody out."""

from __future__ import annotations

import statistics
from typing import Any

import pytest

from accounts.fields import vocabulary
from core.clock import Moment
from segments.questions import read_rule
from tests import factories
from tests.traits.conftest import Tell
from usage.traits.computing import refresh_traits
from usage.traits.editing import TraitInUse, save_trait
from usage.traits.models import AccountTraits, Trait, UserTraits
from usage.traits.reading import TraitError

pytestmark = pytest.mark.django_db
WEIGHTS = [{"event": "Export", "weight": 5}, {"event": "Login", "weight": 1}]


def score(**definition: Any) -> Trait:
    return save_trait(None, name="Engagement", method="engagement", definition={"weights": WEIGHTS, **definition})


def scores(present: Moment) -> dict[str, int]:
    refresh_traits(present)
    return {row.account.name: row.shown["engagement"] for row in AccountTraits.objects.select_related("account")}


def by_hand(points: dict[str, int]) -> dict[str, int]:
    """The inclusive 90th percentile of those with points, worked out by the statistics module."""
    some = [value for value in points.values() if value > 0]
    p90 = statistics.quantiles(some, n=10, method="inclusive")[-1] if len(some) > 1 else some[0]
    return {name: max(1, min(100, int(100 * value / p90 + 0.5))) for name, value in points.items()}


def test_scores_are_shares_of_the_90th_percentile_and_begin_at_1(present: Moment, tell: Tell) -> None:
    points: dict[str, int] = {}
    for number, (exports, logins) in enumerate([(0, 0), (0, 1), (1, 0), (2, 3), (4, 4), (9, 0), (0, 7)]):
        account = factories.account(f"A{number}")
        for name, times in (("Export", exports), ("Login", logins)):
            for _ in range(times):
                tell(account, name, days=2)
        tell(account, "Unweighted")
        points[account.name] = 5 * exports + logins
    factories.account("Archived", archived_at=present.now)
    score(days=7)
    assert scores(present) == by_hand(points)


@pytest.mark.parametrize(("days", "age", "counts"), [(1, 0, True), (1, 1, False), (7, 6, True), (7, 7, False),
                                                     (30, 29, True), (30, 30, False)])  # fmt: skip
def test_the_window_is_so_many_local_days_with_today(
    days: int, age: int, counts: bool, present: Moment, tell: Tell
) -> None:
    one, two = factories.account("One"), factories.account("Two")
    tell(one, "Login", days=age)
    score(days=days)
    assert scores(present) == {"One": 100 if counts else 1, "Two": 1}
    assert two.pk


def test_without_any_event_everybody_has_1(present: Moment) -> None:
    factories.account("One")
    score()
    assert scores(present) == {"One": 1}


def test_a_user_is_scored_in_each_account(present: Moment, tell: Tell) -> None:
    first, second, user = factories.account(), factories.account(), factories.end_user()
    factories.relationship(first, user)
    factories.relationship(second, user)
    tell(first, "Export", user=user)
    save_trait(None, subject="user", name="Engagement", method="engagement", definition={"weights": WEIGHTS})
    refresh_traits(present)
    assert {row.account_id: row.shown["engagement"] for row in UserTraits.objects.all()} == {
        first.pk: 100,
        second.pk: 1,
    }


def test_every_score_from_1_to_100_is_in_exactly_one_band() -> None:
    bands = [{"name": "Cold", "from": 1}, {"name": "Warm", "from": 50}, {"name": "Hot", "from": 75}]
    trait = score(bands=bands)
    for value in range(1, 101):
        account = factories.account(f"S{value}")
        AccountTraits.objects.update_or_create(account=account, defaults={"shown": {trait.key: value}})
    field = vocabulary()[trait.band_key]
    assert [choice.label for choice in field.choices()] == ["Cold", "Warm", "Hot"]
    found = {}
    for band in ("Cold", "Warm", "Hot"):
        rule = factories.rule({"field": trait.band_key, "op": "is", "value": band})
        found[band] = sorted(int(account.name[1:]) for account in read_rule(rule).accounts())
    assert found == {"Cold": list(range(1, 50)), "Warm": list(range(50, 75)), "Hot": list(range(75, 101))}


@pytest.mark.parametrize(
    ("definition", "pointer"),
    [
        ({"weights": []}, "/weights"),
        ({"weights": [{"event": "Login", "weight": 0}]}, "/weights/0/weight"),
        ({"weights": [{"event": "Login", "weight": 11}]}, "/weights/0/weight"),
        ({"weights": [{"event": "Login", "weight": 2.5}]}, "/weights/0/weight"),
        ({"weights": WEIGHTS + WEIGHTS[:1]}, "/weights/2/event"),
        ({"days": 14}, "/days"),
        ({"bands": [{"name": "A", "from": 2}]}, "/bands/0/from"),
        ({"bands": [{"name": "A", "from": 1}, {"name": "B", "from": 1}]}, "/bands/1/from"),
        ({"bands": [{"name": "A", "from": 1}, {"name": "a", "from": 9}]}, "/bands/1/name"),
        ({"bands": [{"name": "A", "from": 1}, {"name": "B", "from": 101}]}, "/bands/1/from"),
        ({"bands": []}, "/bands"),
    ],
)
def test_weights_and_bands_that_cannot_be_are_refused(definition: dict[str, Any], pointer: str) -> None:
    with pytest.raises(TraitError) as refused:
        score(**definition)
    assert pointer in [problem.pointer for problem in refused.value.problems]


def test_a_band_that_a_segment_names_stays() -> None:
    trait = score()
    factories.segment("Busy", {"field": trait.band_key, "op": "is", "value": "High"})
    with pytest.raises(TraitInUse, match="Busy"):
        save_trait(trait, name="Engagement", method="engagement",
                   definition={"weights": WEIGHTS, "bands": [{"name": "All", "from": 1}]})  # fmt: skip
    more = {"weights": WEIGHTS, "bands": [{"name": name, "from": at} for name, at in
                                          (("Low", 1), ("Medium", 20), ("High", 40), ("Top", 90))]}  # fmt: skip
    assert save_trait(trait, name="Engagement", method="engagement", definition=more).error == ""
