"""What a draft would do: the same as saving it does, with nothing written; what each of several configs would say."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Account
from core.clock import moment
from core.deadline import TooSlow
from core.versions import UnknownVersion
from health import effect as looking
from health.conflicts import Comparison, other_configs_of
from health.definition import DefinitionError, read_definition
from health.editing import ConfigInUse, delete_config, override_health, reorder_configs, save_config
from health.effect import Effect, effect_of
from health.models import AccountHealth, BandChange, HealthConfig, HealthDay
from health.refresh import refresh_health
from health.versions import differences, restore_version, versions_of
from segments.questions import Reader
from tests import factories
from tests.health import calculator
from tests.health.test_scores import BOTH, PLAN, SEEN, USED, an_account, by_number, definition, only, share

pytestmark = pytest.mark.django_db
STRICT = definition(
    ("adoption", 80, [by_number("used", "account.active_users_30d", share(90), share(40), weight=3), SEEN]),
    ("financial", 20, [PLAN]),
    bands={"good": 60, "poor": 30},
)


def the_company() -> None:
    for i in range(24):
        an_account(
            i * 4, None if i % 7 == 6 else 60, seen=i * 2 if i % 5 else None,
            plan=("Growth", "Starter", "Enterprise", "")[i % 4], mrr=Decimal(100 * i),
        )  # fmt: skip


def look(data: Any, **more: Any) -> Effect:
    reader = Reader.now()
    return effect_of(read_definition(data, reader), reader, seen=Account.objects.live(), **more)


def stored() -> dict[int, str]:
    return dict(AccountHealth.objects.values_list("account", "band"))


def test_the_effect_is_what_saving_gives_and_nothing_is_written() -> None:
    the_company()
    by_hand = Account.objects.order_by("pk")[20]
    config = save_config(None, name="", definition=BOTH)
    refresh_health()
    override_health(by_hand, band="poor", reason="Their sponsor left.")
    before, rows = stored(), (BandChange.objects.count(), HealthDay.objects.count())
    found = look(STRICT, config=config)
    assert (stored(), rows) == (before, (BandChange.objects.count(), HealthDay.objects.count()))

    save_config(config, name="", definition=STRICT)
    refresh_health()
    after = stored()
    moved = {pk for pk in after if after[pk] != before[pk]}
    assert found.scored == 24 and found.changed == len(moved) > 3
    flows = Counter((before[pk], after[pk]) for pk in after)
    assert {(flow.before, flow.after): flow.number for flow in found.flows} == flows
    assert {mover.pk for mover in found.movers} <= moved and len(found.movers) == sum(
        min(5, number) for (was, now), number in flows.items() if was != now
    )
    worth = dict(Account.objects.values_list("pk", "mrr"))
    for bands, then in ((before, False), (after, True)):
        assert found.mrr("poor", after=then) == sum(worth[pk] for pk, band in bands.items() if band == "poor")
        assert found.number("good", after=then) == sum(band == "good" for band in bands.values())
    scores = dict(AccountHealth.objects.values_list("account", "score"))
    assert all(mover.score_after == scores[mover.pk] for mover in found.movers)
    for place, spread in enumerate(found.spreads):
        said = [row[place] for row in AccountHealth.objects.values_list("measures", flat=True)]
        names = ("none" if one is None else "good" if one >= 60 else "poor" if one < 30 else "average" for one in said)
        assert dict(spread.bands) == {"good": 0, "average": 0, "poor": 0, "none": 0} | Counter(names)


def test_whoever_changes_is_told_with_the_measure_that_decides() -> None:
    one = an_account(65, 100, seen=0)
    save_config(None, name="", definition=only(USED, SEEN))
    refresh_health()
    new, unscored = an_account(70, 100, seen=0), an_account(0, None)
    more = only(by_number("used", "account.active_users_30d", share(200), share(10), weight=3), SEEN)
    told = {mover.pk: (mover.before, mover.after, mover.why) for mover in look(more).movers}
    # 55 of 60 points of the way before, 55 of 190 now.
    assert told[one.pk] == ("good", "average", "Used gives 29 of 100, was 92")
    assert told[new.pk] == ("none", "average", "No config scores it at present") and unscored.pk not in told
    bands = look(only(USED, SEEN) | {"bands": {"good": 95, "poor": 94}})
    assert {mover.why for mover in bands.movers if mover.pk == one.pk} == {
        "Good begins at 95 (was 70), Poor below 94 (was 40)"
    }
    gone = look(only(by_number("new", "account.mrr", 5, 1)))
    assert {mover.why for mover in gone.movers if mover.pk == one.pk} == {"Too few of its measures have data"}


def test_a_spread_shows_values_on_the_scale_of_its_limits() -> None:
    the_company()
    used, seen, plan = look(BOTH).spreads
    shares = [
        Decimal(100 * active) / licences
        for active, licences in Account.objects.values_list("usage__active_users_30d", "licences")
        if licences
    ]
    assert (used.scale, used.good, used.poor) == ("percent", 70, 10)
    assert sum(used.bins) == len(shares) and sum(used.bands.values()) == 24 and used.bands["none"] == 3
    at_or_below = sum(one < used.start + used.step * 5 for one in shares)
    assert sum(used.bins[:5]) == at_or_below
    assert (seen.scale, seen.good, seen.poor) == ("number", 2, 30) and seen.start <= 2
    assert sum(seen.bins) == 19 and seen.step == seen.step.to_integral_value()
    assert (plan.scale, plan.bins) == ("", ())
    mixed = by_number("mixed", "account.active_users_30d", share(50), 1)
    assert look(only(mixed)).spreads[0].scale == "score"


def test_whom_a_draft_scores_follows_its_segment_and_place() -> None:
    the_company()
    starter = factories.segment("Starter", {"field": "account.plan", "op": "is", "value": "Starter"})
    large = factories.segment("Large", {"field": "account.mrr", "op": "at_least", "value": 1000})
    first = save_config(None, name="", definition=BOTH, segment=starter)
    default = save_config(None, name="", definition=BOTH)
    refresh_health()
    assert look(BOTH, config=default).scored == 18
    beside = Account.objects.filter(mrr__gte=1000).exclude(plan="Starter").count()
    assert look(BOTH, segment=large).scored == beside
    moved = look(BOTH, config=first, segment=large)
    assert (moved.scored, moved.leaving) == (14, Account.objects.filter(plan="Starter", mrr__lt=1000).count())
    assert look(BOTH, config=default, segment=large).scored == beside


def test_the_largest_numbers_are_computed_and_an_effect_that_takes_too_long_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    the_company()
    huge = by_number("huge", "account.mrr", 10**11, -(10**11))
    Account.objects.update(mrr=Decimal("99999999999.99"))
    found = look(definition(("all", 100, [SEEN, huge])))
    assert found.scored == 24 and found.problems == {}
    monkeypatch.setattr(looking, "LIMIT_MS", 1)
    with pytest.raises(TooSlow):
        look(STRICT)


def test_every_config_that_fits_is_told_as_it_would_score_alone() -> None:
    the_company()
    starter = factories.segment("Starter", {"field": "account.plan", "op": "is", "value": "Starter"})
    large = factories.segment("Large", {"field": "account.mrr", "op": "at_least", "value": 1000})
    idle = factories.segment("Idle", {"field": "account.active_users_30d", "op": "at_most", "value": 50})
    configs = {
        save_config(None, name="", definition=data, segment=segment).pk: data
        for segment, data in ((starter, BOTH), (large, STRICT), (idle, only(SEEN)))
    }
    save_config(None, name="", definition=only(USED))
    refresh_health()
    comparison = Comparison(Reader.now())
    with CaptureQueriesContext(connection) as queries:
        found = comparison.accounts(Account.objects.live())
        told = comparison.told(list(found.order_by("pk")))
    assert len(queries) <= 8, [query["sql"][:90] for query in queries.captured_queries]
    fits = {
        pk: [
            name
            for name, yes in (("Starter", plan == "Starter"), ("Large", mrr >= 1000), ("Idle", active <= 50))
            if yes
        ]
        for pk, plan, mrr, active in Account.objects.values_list("pk", "plan", "mrr", "usage__active_users_30d")
    }
    assert [row.account.pk for row in told] == sorted(pk for pk, names in fits.items() if len(names) > 1)
    today, differing = moment().today, set()
    for row in told:
        assert [verdict.config.name for verdict in row.verdicts] == fits[row.account.pk]
        assert [verdict.wins for verdict in row.verdicts] == [True] + [False] * (len(row.verdicts) - 1)
        assert row.stored is not None and row.stored.config_id == row.verdicts[0].config.pk
        assert (row.stored.score, row.stored.band) == (row.verdicts[0].score, row.verdicts[0].band)
        assert other_configs_of(row.account) == len(row.verdicts) - 1
        for verdict in row.verdicts:
            said = judged_by_hand(row.account, configs[verdict.config.pk], today)
            assert (verdict.score, verdict.band) == said, (row.account, verdict)
        if row.differs:
            differing.add(row.account.pk)
    assert 0 < len(differing) < len(told)
    asked = comparison.accounts(Account.objects.live(), differing=True)
    assert set(asked.values_list("pk", flat=True)) == differing
    mine = comparison.accounts(Account.objects.live(), config=HealthConfig.objects.get(segment=starter))
    assert {one.plan for one in mine} == {"Starter"}


def judged_by_hand(account: Account, data: Any, today: dt.date) -> tuple[Decimal | None, str]:
    seen = account.usage.last_seen_at
    values = {
        "account.active_users_30d": account.usage.active_users_30d,
        "account.licences": account.licences,
        "account.last_seen_at": seen and seen.date(),
    }
    if not account.plan:  # what the rules ask for is missing
        data = data | {"dimensions": [one | {"measures": [m for m in one["measures"] if m["key"] != "plan"]}
                                      for one in data["dimensions"] if one["measures"] != [PLAN]]}  # fmt: skip
    score, band, _, _ = calculator.score(data, values, today, lambda rule: rule["rules"][0]["value"] == account.plan)
    return score, band


def test_versions_tell_what_changed_and_come_back() -> None:
    config = save_config(None, name="", definition=BOTH, reason="First.")
    save_config(config, name="", definition=STRICT)
    config.refresh_from_db()
    reader = Reader.now()
    newest, oldest = versions_of(config, reader)
    assert (newest.version.number, oldest.version.reason, oldest.changes) == (2, "First.", [])
    words = [f"{change.kind} {change.words}" for change in newest.changes]
    assert "changed Adoption 60 % → 80 % of the score" in words and "changed Good from 70 → 60" in words
    used = "Good 70 % of Licences, Poor 10 % of Licences → Active users, 30 days, Good 90 % of Licences"
    assert any(used in line for line in words), words
    restored = restore_version(config, 1)
    assert (restored.version, restored.definition) == (3, BOTH)
    with pytest.raises(UnknownVersion, match="no version 9"):
        restore_version(restored, 9)
    moved = definition(("adoption", 60, [SEEN]), ("financial", 40, [PLAN, USED]))
    assert {change.kind for change in differences(BOTH, moved, reader)} == {"moved"}
    gone = definition(("adoption", 100, [SEEN, by_number("new", "account.mrr", 5, 1)]))
    kinds = Counter(change.kind for change in differences(BOTH, gone, reader))
    assert kinds == {"removed": 3, "changed": 1, "added": 1}
    assert differences("nonsense", BOTH, reader) and differences(BOTH, None, reader)


def test_a_config_whose_dimension_is_read_stays_and_the_reader_is_named() -> None:
    config = save_config(None, name="", definition=BOTH)
    reader = factories.segment("Low", {"field": "health.dimension.adoption", "op": "at_most", "value": 20})
    with pytest.raises(ConfigInUse, match="segment “Low”"):
        delete_config(config)
    with pytest.raises(DefinitionError, match="segment “Low”"):
        save_config(config, name="", definition=only(SEEN))
    save_config(config, name="", definition=STRICT)
    other = save_config(None, name="", definition=BOTH, segment=factories.segment("Others"))
    reorder_configs([other.pk])
    delete_config(config)
    assert not HealthConfig.objects.filter(is_default=True).exists() and reader.pk
