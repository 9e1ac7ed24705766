"""Scores of accounts: by number and by rules, with missing data, by the first config that fits, over days, by hand."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Account, AccountLevel
from core.clock import Moment, moment
from core.intake import BadValue
from csbox.pipeline import refresh_everything
from health import refresh as refreshing
from health.definition import DefinitionError
from health.editing import delete_config, end_override, override_health, reorder_configs, save_config, take_pulse
from health.models import AccountHealth, BandChange, HealthConfig, HealthDay
from health.refresh import refresh_health
from segments.editing import delete_segment
from segments.levels.deciding import save_level_rule
from segments.models import RefreshRun
from segments.questions import Reader
from segments.rules.tree import RuleError
from segments.uses import SegmentInUse
from tests import factories
from tests.health import calculator
from usage.models import AccountUsage
from usage.traits.editing import save_trait
from usage.traits.reading import TraitError

pytestmark = pytest.mark.django_db
Rule = dict[str, Any]


def by_number(key: str, field: str, good: Any, poor: Any, weight: int = 1) -> Rule:
    return {"key": key, "name": key.title(), "weight": weight, "field": field, "good": good, "poor": poor}


def by_rules(key: str, good: Rule, poor: Rule) -> Rule:
    return {"key": key, "name": key.title(), "good": factories.rule(good), "poor": factories.rule(poor)}


def definition(*dimensions: tuple[str, int, list[Rule]], **more: Any) -> Rule:
    rows = [{"key": key, "name": key.title(), "weight": weight, "measures": rows} for key, weight, rows in dimensions]
    return {"dimensions": rows, **more}


def share(percent: int) -> Rule:
    return {"percent": percent, "of": "account.licences"}


USED = by_number("used", "account.active_users_30d", share(70), share(10), weight=3)
SEEN = by_number("seen", "account.last_seen_at", 2, 30)
PLAN = by_rules(
    "plan",
    {"field": "account.plan", "op": "is", "value": "Enterprise"},
    {"field": "account.plan", "op": "is", "value": "Starter"},
)
BOTH = definition(("adoption", 60, [USED, SEEN]), ("financial", 40, [PLAN]))


def an_account(
    active: int, licences: int | None, seen: int | None = None, plan: str = "Growth", **more: Any
) -> Account:
    found = factories.account(licences=licences, plan=plan, **more)
    last = None if seen is None else moment().now - dt.timedelta(days=seen)
    AccountUsage.objects.create(account=found, active_users_30d=active, last_seen_at=last)
    return found


def of(account: Account) -> AccountHealth:
    return AccountHealth.objects.get(account=account)


def test_a_score_is_what_the_calculator_says() -> None:
    rows = [
        (active, licences, seen, plan)
        for active in (0, 3, 10, 33, 70, 100)
        for licences in (None, 0, 7, 50, 100)
        for seen in (None, 0, 2, 16, 30, 90)
        for plan in ("", "Starter", "Growth", "Enterprise")
    ]
    accounts = {an_account(*row).pk: row for row in rows}
    save_config(None, name="", definition=BOTH)
    refresh_health()
    today = moment().today
    bands = set()
    for found in AccountHealth.objects.all():
        active, licences, seen, plan = accounts[found.account_id]
        values = {
            "account.active_users_30d": active,
            "account.licences": licences,
            "account.last_seen_at": None if seen is None else today - dt.timedelta(days=seen),
        }
        known = {**BOTH, "dimensions": BOTH["dimensions"] if plan else [BOTH["dimensions"][0] | {"weight": 60}]}
        score, band, dimensions, coverage = calculator.score(
            known, values, today, lambda rule, plan=plan: rule["rules"][0]["value"] == plan
        )
        said = (found.score, found.band, found.coverage)
        assert said == (score, band, coverage), (accounts[found.account_id], said, (score, band, coverage))
        stored = {key: None if value is None else Decimal(str(value)) for key, value in found.dimensions.items()}
        assert {key: value for key, value in stored.items() if value is not None or key in dimensions} == dimensions
        bands.add(band)
    assert bands == {"good", "average", "poor", "none"}


def test_the_first_config_that_fits_scores_and_the_order_can_change() -> None:
    one = an_account(60, 100, plan="Enterprise", mrr=9_000)
    large = factories.segment("Large", {"field": "account.mrr", "op": "at_least", "value": 5_000})
    rich = factories.segment("Enterprise", {"field": "account.plan", "op": "is", "value": "Enterprise"})
    easy = save_config(
        None,
        name="Easy",
        segment=large,
        definition=definition(("a", 100, [by_number("u", "account.active_users_30d", 10, 0)])),
    )
    hard = save_config(
        None,
        name="Hard",
        segment=rich,
        definition=definition(("a", 100, [by_number("u", "account.active_users_30d", 200, 0)])),
    )
    default = save_config(None, name="", definition=BOTH)
    assert default.name == "Default" and [c.pk for c in HealthConfig.objects.all()] == [easy.pk, hard.pk, default.pk]
    refresh_health()
    assert (of(one).config_id, of(one).score) == (easy.pk, 100)
    reorder_configs([hard.pk, easy.pk])
    refresh_health()
    assert (of(one).config_id, of(one).score, of(one).band) == (hard.pk, 30, "poor")
    assert BandChange.objects.filter(account=one).first().cause == "config"
    delete_config(hard)
    refresh_health()
    assert of(one).config_id == easy.pk
    with pytest.raises(SegmentInUse, match="health config “Easy”"):
        delete_segment(large)


def test_without_a_config_nobody_is_scored_and_without_enough_data_neither() -> None:
    one = an_account(50, None, plan="Growth")
    assert refresh_health().scored == 0 and not AccountHealth.objects.exists()
    config = save_config(None, name="", definition=definition(("a", 60, [USED]), ("b", 40, [PLAN])))
    refresh_health()
    assert (of(one).band, of(one).score, of(one).coverage) == ("none", None, 40)
    save_config(config, name="", definition=definition(("a", 60, [USED]), ("b", 40, [PLAN]), least_coverage=40))
    refresh_health()
    assert (of(one).band, of(one).score) == ("average", 50)
    delete_config(config)
    refresh_health()
    assert (of(one).band, of(one).score, of(one).config_id) == ("none", None, None)


def test_days_trends_and_causes_are_kept() -> None:
    one, zone = an_account(70, 100, seen=0), moment().zone
    config = save_config(None, name="", definition=definition(("a", 100, [USED])))
    start = moment().now - dt.timedelta(days=95)
    for day, active in ((0, 70), (5, 70), (60, 40), (65, 25), (90, 15)):
        AccountUsage.objects.filter(account=one).update(active_users_30d=active)
        refresh_health(now=Moment(start + dt.timedelta(days=day), zone))
    days = list(HealthDay.objects.filter(account=one).order_by("day").values_list("score", "band"))
    assert days == [(100, "good"), (50, "average"), (25, "poor"), (Decimal("8.3"), "poor")]
    refresh_health()
    found = of(one)
    assert (found.score_7d, found.score_30d, found.score_90d) == (25, 25, 100)
    assert found.band_since == start + dt.timedelta(days=65)
    save_config(
        config, name="", definition=definition(("a", 100, [by_number("used", "account.active_users_30d", 15, 0)]))
    )
    refresh_health()
    causes = list(BandChange.objects.filter(account=one).order_by("id").values_list("before", "after", "cause"))
    assert causes == [
        ("none", "good", "first"), ("good", "average", "time"), ("average", "poor", "time"), ("poor", "good", "version")
    ]  # fmt: skip
    AccountUsage.objects.filter(account=one).update(active_users_30d=1)
    refresh_health(RefreshRun.Trigger.DATA, accounts=[one.pk])
    assert BandChange.objects.filter(account=one).first().cause == "data"


def test_a_second_run_changes_nothing() -> None:
    for i in range(5):
        an_account(i * 20, 100, seen=i)
    save_config(None, name="", definition=BOTH)
    first = refresh_health()
    again = refresh_health()
    assert first.changed == 5 and (again.scored, again.changed, again.band_changes) == (5, 0, 0)


def test_some_accounts_are_scored_as_all_of_them_would_be() -> None:
    one, two = an_account(70, 100, seen=1), an_account(5, 100, seen=80)
    save_config(None, name="", definition=BOTH)
    refresh_health()
    AccountUsage.objects.filter(account=two).update(active_users_30d=65, last_seen_at=moment().now)
    assert refresh_health(RefreshRun.Trigger.DATA, accounts=[two.pk]).scored == 1
    narrow = list(AccountHealth.objects.order_by("pk").values())
    assert refresh_health().changed == 0 and list(AccountHealth.objects.order_by("pk").values()) == narrow
    assert {narrow[0]["account_id"], narrow[1]["account_id"]} == {one.pk, two.pk}


def test_an_override_decides_until_its_last_day() -> None:
    one = an_account(70, 100, seen=1)
    save_config(None, name="", definition=BOTH)
    refresh_health()
    assert of(one).band == "good" or of(one).band == "average"
    before = of(one).band
    until = moment().today + dt.timedelta(days=3)
    made = override_health(one, band="poor", reason="Their sponsor left.", until=until)
    refresh_health()
    found = of(one)
    assert (found.band, found.computed_band, found.overridden, made.computed_band) == ("poor", before, True, before)
    assert BandChange.objects.filter(account=one).first().cause == "override"
    after = Moment(moment().now + dt.timedelta(days=4), moment().zone)
    refresh_health(now=after)
    assert (of(one).band, of(one).overridden) == (before, False)
    refresh_health()
    assert of(one).band == "poor"
    assert end_override(one) and not end_override(one)
    refresh_health()
    assert of(one).band == before
    for wrong in (
        {"band": "none", "reason": "x"},
        {"band": "poor", "reason": " "},
        {"band": "good", "reason": "x", "until": dt.date(2020, 1, 1)},
    ):
        with pytest.raises(BadValue):
            override_health(one, **wrong)  # type: ignore[arg-type]


def test_a_pulse_is_a_measure() -> None:
    one, two = an_account(1, 1), an_account(1, 1)
    save_config(None, name="", definition=definition(("r", 100, [by_number("pulse", "account.pulse", 5, 1)])))
    take_pulse(one, 2, note="Quiet on the last call.")
    take_pulse(one, 4)
    refresh_health()
    assert (of(one).score, of(one).band, of(two).band) == (75, "good", "none")
    with pytest.raises(BadValue):
        take_pulse(one, 6)


def test_a_measure_that_fails_is_flagged_and_the_rest_is_scored() -> None:
    one = an_account(35, 100, seen=2)
    bad = by_number("gone", "account.custom.gone", 10, 0)
    config = save_config(None, name="", definition=definition(("a", 100, [USED, SEEN])))
    stored = definition(("a", 100, [USED, SEEN, bad]))
    HealthConfig.objects.filter(pk=config.pk).update(definition=stored)
    run = refresh_health()
    config.refresh_from_db()
    assert list(config.problems) == ["gone"] and "no field" in config.problems["gone"]
    assert run.problems == {"Default": config.problems}
    assert of(one).measures[2] is None and of(one).score is not None and of(one).coverage == 80


def test_a_config_that_takes_too_long_keeps_its_scores_and_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    one, config = an_account(35, 100, seen=2), save_config(None, name="", definition=BOTH)
    refresh_health()
    score = of(one).score
    AccountUsage.objects.update(active_users_30d=70)
    made = refreshing.judged

    def slow(*given: Any, **more: Any) -> str:
        return str(made(*given, **more)).replace("SELECT *", "SELECT pg_sleep(5), *", 1)

    with monkeypatch.context() as patched:
        patched.setattr(refreshing, "judged", slow)
        patched.setattr(refreshing, "LIMIT_MS", 150)
        run = refresh_health()
    config.refresh_from_db()
    assert run.problems == {"Default": config.problems} and "took longer" in config.problems[""]
    assert of(one).score == score
    refresh_health()
    config.refresh_from_db()
    assert of(one).score != score and config.problems == {}


M = "/dimensions/0/measures/0"
HEALTHY = {"field": "health.band", "op": "is", "value": "good"}
SMALL = {"field": "account.mrr", "op": "at_most", "value": 1}


def only(*measures: Rule) -> Rule:
    return definition(("a", 100, list(measures)))


@pytest.mark.parametrize(
    ("wrong", "pointer", "code"),
    [
        (definition(), "/dimensions", "required"),
        (definition(("a", 90, [USED])), "/dimensions", "weights"),
        (definition(("a", 0, [USED]), ("b", 100, [SEEN])), "/dimensions/0/weight", "weight-zero"),
        (only(USED | {"weight": 0}), M + "/weight", "weight-zero"),
        (definition(("a", 100, [USED]), bands={"good": 40, "poor": 70}), "/bands/good", "bands-overlap"),
        (only(by_number("x", "account.mrr", 5, 5)), M + "/good", "bands-overlap"),
        (only(by_number("x", "health.score", 5, 1)), M + "/field", "later-stage"),
        (only(by_number("x", "account.custom.none", 5, 1)), M + "/field", "unknown-field"),
        (only(by_number("x", "account.plan", 5, 1)), M + "/field", "wrong-field"),
        (only(USED, USED), "/dimensions/0/measures/1/key", "key-taken"),
        (only(USED | {"colour": "red"}), M + "/colour", "unknown-key"),
        (only(PLAN | {"good": PLAN["poor"]}), M + "/good", "bands-overlap"),
        (only(PLAN | {"good": {"match": "all", "rules": []}}), M + "/good", "empty-group"),
        (
            only(by_rules("x", HEALTHY, SMALL)),
            M + "/good/rules/0", "later-stage",
        ),
        ("nothing", "", "invalid-type"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_its_place(wrong: Any, pointer: str, code: str) -> None:
    an_account(1, 1, plan="Starter")
    with pytest.raises(DefinitionError) as told:
        save_config(None, name="", definition=wrong)
    assert (pointer, code) in {(problem.pointer, problem.code) for problem in told.value.problems}, told.value.problems
    assert not HealthConfig.objects.exists()


def test_a_segment_that_reads_health_follows_it_and_cannot_steer_it() -> None:
    good, bad = an_account(0, None, seen=1), an_account(0, None, seen=60)
    save_config(None, name="", definition=only(SEEN))
    poor = factories.segment("Poor", {"field": "health.band", "op": "is", "value": "poor"})
    around = factories.segment("Around", {"segment": poor.key, "op": "in"})
    refresh_everything()
    poor.refresh_from_db()
    around.refresh_from_db()
    assert (poor.member_count, around.member_count) == (1, 1) and of(bad).band == "poor" and of(good).band == "good"
    for segment in (poor, around):
        with pytest.raises(DefinitionError, match="reads health"):
            save_config(None, name="", segment=segment, definition=BOTH)


def test_what_is_computed_before_health_cannot_read_it() -> None:
    """Traits, activation and levels come first, so none of them may ask for a score that is not there yet."""
    ratio = {"left": "health.score", "right": "account.mrr"}
    for method, given in (("ratio", ratio), ("activation", {"rule": factories.rule(HEALTHY)})):
        with pytest.raises(TraitError) as told:
            save_trait(None, name=f"By {method}", method=method, definition=given)
        assert "later-stage" in {problem.code for problem in told.value.problems}
    with pytest.raises(RuleError, match="only known after levels"):
        save_level_rule(AccountLevel.objects.get(key="at-risk"), rule=factories.rule(HEALTHY))


def test_the_band_of_a_dimension_is_that_of_the_config_that_scores() -> None:
    low, middle, high = (an_account(users, 100) for users in (5, 40, 90))
    save_config(None, name="", definition=definition(("a", 100, [USED]), bands={"good": 80, "poor": 30}))
    refresh_health()
    for word, account in (("poor", low), ("average", middle), ("good", high)):
        field = {"field": "health.dimension_band.a", "op": "is", "value": word}
        assert list(Reader.now().read(factories.rule(field)).accounts()) == [account]
    assert not AccountHealth.objects.filter(account=factories.account()).exists()
    nothing = {"field": "health.dimension_band.a", "op": "is", "value": "none"}
    assert Reader.now().read(factories.rule(nothing)).accounts().count() == 1
