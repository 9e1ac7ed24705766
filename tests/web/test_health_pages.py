"""Health 360, the health card of an account, and what colleagues say of it by hand."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable
from decimal import Decimal

import pytest
from django.test import Client

from accounts.models import Account, TeamMember
from core.clock import moment
from health.editing import override_health, save_config, take_pulse
from health.models import AccountHealth, Band, HealthConfig, HealthOverride, Pulse
from health.overlap import both_hold
from health.refresh import refresh_health
from health.requesting import score_requested
from health.stock import DEFAULT, ONBOARDING
from segments.refresh import refresh_segments
from tests import factories
from tests.health.test_scores import SEEN, only
from tests.query_counts import QueryCount
from tests.web.conftest import Company, beginning
from tests.web.reading import text
from usage.models import AccountUsage


@pytest.fixture
def scored(_scored: None, company: Company) -> Company:
    """The default config, and one for a segment that comes first."""
    return company


def _score(company: Company) -> None:
    for account in Account.objects.all():
        AccountUsage.objects.update_or_create(
            account=account,
            defaults={
                "active_users_30d": 3,
                "active_days_30d": 8,
                "last_seen_at": moment().now - dt.timedelta(days=20),
            },
        )
    save_config(None, name="", definition=DEFAULT)
    save_config(None, name="Big ones", segment=company.segments["large"], definition=ONBOARDING)
    refresh_health()


_scored = beginning(_score)


def test_configs_stand_in_their_order_with_what_they_look_at(manager: Client, scored: Company) -> None:
    page = text(manager.get("/health/").content.decode())
    assert page.index("Big ones") < page.index("Default, last")
    assert "Licences in use" in page and "50 % of Licences" in page and "3 days ago" in page
    default = HealthConfig.objects.get(is_default=True)
    chosen = text(manager.get(f"/health/?config={default.pk}").content.decode())
    assert "Accounts that no other config scores" in chosen and "in 120 days" in chosen


def test_what_is_wrong_with_a_measure_stands_beside_it(manager: Client, scored: Company) -> None:
    config = HealthConfig.objects.get(is_default=True)
    first, second = (one["key"] for one in config.definition["dimensions"][0]["measures"][:2])
    said = {first: "division by zero", second: both_hold(3), "": "Scoring took longer than 60 s."}
    HealthConfig.objects.filter(pk=config.pk).update(problems=said)
    shown = text(manager.get(f"/health/?config={config.pk}").content.decode())
    assert "Not scored division by zero" in shown and "Overlap Good and Poor both hold for 3 accounts" in shown
    assert "Scoring took longer" in shown and "3 problems" in shown


def test_who_scores_the_accounts_of_a_segment_instead_is_said_and_why(manager: Client, scored: Company) -> None:
    first = HealthConfig.objects.get(name="Big ones")
    every = factories.segment("Everybody", {"field": "account.name", "op": "is_set"})
    second = save_config(None, name="All", segment=every, definition=DEFAULT)
    refresh_health()
    members = scored.segments["large"].member_count

    def said(config: HealthConfig) -> str:
        return text(manager.get(f"/health/?config={config.pk}").content.decode())

    assert f"{members} of its accounts" in said(second) and "scored by Big ones , which comes first." in said(second)
    assert "of its accounts" not in said(first)
    HealthConfig.objects.filter(pk=first.pk).update(active=False)
    refresh_health()
    assert "scored by All , because Big ones is off." in said(first) and "comes first" not in said(first)


def test_more_configs_accounts_and_history_need_no_more_statements(
    manager: Client, scored: Company, query_count: QueryCount
) -> None:
    """Of Health 360, and of the account page with all that health has to say."""
    account = scored.accounts["Birch"]

    def looked_at() -> list[int]:
        found = []
        config = HealthConfig.objects.exclude(segment=None).latest("pk")
        for name, path in (
            ("health 360", f"/health/?config={config.pk}"),
            ("account page, with health", f"/accounts/{account.pk}/"),
        ):
            manager.get(path)
            with query_count(name) as queries:
                assert manager.get(path).status_code == 200
            found.append(len(queries))
        return found

    def grow(number: int) -> None:
        segment = factories.segment(f"Over {number}", {"field": "account.mrr", "op": "at_least", "value": number})
        save_config(None, name=f"Config {number}", segment=segment, definition=only(SEEN))
        for more in range(6):
            factories.account(f"More {number} {more}", mrr=Decimal(100), licences=5)
        override_health(account, band=("good", "average", "poor")[number % 3], reason=f"Reason {number}.")
        take_pulse(account, number % 5 + 1)
        refresh_segments()
        refresh_health()

    for number in range(3):
        grow(number)
    few = looked_at()
    grow(3)
    assert all(more <= one for one, more in zip(few, looked_at(), strict=True))


def test_the_order_moves_and_moves_back(manager: Client, scored: Company) -> None:
    save_config(None, name="Renewals", segment=scored.segments["growth"], definition=DEFAULT)
    names = lambda: list(HealthConfig.objects.values_list("name", flat=True))  # noqa: E731
    assert names() == ["Big ones", "Renewals", "Default"]
    second = HealthConfig.objects.get(name="Renewals")
    manager.post(f"/health/{second.pk}/move/", {"dir": "-1"})
    assert names() == ["Renewals", "Big ones", "Default"]
    manager.post(f"/health/{second.pk}/move/", {"dir": "-1"})
    assert names() == ["Renewals", "Big ones", "Default"]
    default = HealthConfig.objects.get(is_default=True)
    assert manager.post(f"/health/{default.pk}/move/", {"dir": "-1"}).status_code == 404


def test_an_account_shows_every_measure_and_takes_a_persons_word(manager: Client, scored: Company) -> None:
    account = Account.objects.live().order_by("pk").first()
    assert account is not None
    page = manager.get(f"/accounts/{account.pk}/").content.decode()
    last = moment().today + dt.timedelta(days=30)
    assert f'name="until" value="{last.isoformat()}" required' in page
    assert 'id="health"' in page and "Last seen" in text(page) and "20 days ago" in text(page)
    manager.post(f"/accounts/{account.pk}/health/override/", {"band": "poor", "reason": "Their sponsor left."})
    assert HealthOverride.objects.get().until == last
    assert "Set to Poor by hand" in text(manager.get(f"/accounts/{account.pk}/").content.decode())
    manager.post(f"/accounts/{account.pk}/health/override/", {"end": "1"})
    assert not HealthOverride.objects.filter(ended_at=None).exists()
    said = manager.post(f"/accounts/{account.pk}/health/override/", {"band": "poor", "reason": ""}, follow=True)
    assert "Give a reason" in text(said.content.decode())
    manager.post(f"/accounts/{account.pk}/health/pulse/", {"value": "4", "note": "Content."})
    assert Pulse.objects.get().value == 4
    wrong = manager.post(f"/accounts/{account.pk}/health/pulse/", {"value": "9"}, follow=True)
    assert "whole number from 1" in text(wrong.content.decode()) and Pulse.objects.count() == 1


def test_viewers_read_and_do_not_write(browse: Callable[[TeamMember], Client], scored: Company) -> None:
    viewer = browse(scored.viewer)
    account = Account.objects.live().first()
    assert account is not None
    assert viewer.get("/health/").status_code == 200
    config = HealthConfig.objects.get(name="Big ones")
    for path, data in (
        ("/health/start/", {}), (f"/health/{config.pk}/move/", {"dir": "1"}),
        (f"/accounts/{account.pk}/health/override/", {"band": "poor", "reason": "x"}),
        (f"/accounts/{account.pk}/health/pulse/", {"value": "1"}),
    ):  # fmt: skip
        assert viewer.post(path, data).status_code == 403


def test_health_is_a_column_a_sort_and_a_filter(manager: Client, scored: Company) -> None:
    page = manager.get("/accounts/?cols=health.band,health.score&sort=-health.score").content.decode()
    assert 'class="pill ' in page and "Health score" in page
    rule = '{"field": "health.band", "op": "is", "value": "good"}'
    assert "Health is Good" in text(manager.get("/accounts/", {"f": rule}).content.decode())


def test_a_preview_shows_the_mix_of_health(manager: Client, scored: Company) -> None:
    large = scored.segments["large"]
    override_health(scored.accounts["Birch"], band="poor", reason="They said so.")
    refresh_health()
    page = manager.get(f"/segments/{large.pk}/edit/").content.decode()
    assert 'aria-label="Health: ' in page and "1 Poor" in page
    told = manager.post(
        "/api/v1/segments/preview/", {"rule": large.rule}, content_type="application/json", headers={"X-CSRFToken": "x"}
    ).json()
    assert sum(told["health"].values()) == told["count"] > 0 and told["health"]["poor"] == 1
    inside = {one["account"] for one in told["sample"]}
    assert len(inside) == told["count"], "the sample has all of them"
    bands = Counter(Account.objects.filter(external_id__in=inside).values_list("health__band", flat=True))
    assert {band: number for band, number in told["health"].items() if number} == bands
    for band, number in bands.items():
        assert f"{number} {Band(band).label}" in text(page)
    yearly = 12 * sum(one.mrr for one in Account.objects.filter(external_id__in=inside))
    assert Decimal(told["contract_value"]) == yearly > 0
    assert f"Contract value ${yearly:,.0f} a year" in text(page)
    AccountHealth.objects.all().delete()
    assert 'aria-label="Health: ' not in manager.get(f"/segments/{large.pk}/edit/").content.decode()


def test_the_page_says_that_scoring_runs_and_takes_the_new_numbers(manager: Client, scored: Company) -> None:
    score_requested()
    quiet = manager.get("/health/").content.decode()
    assert "is being scored" not in quiet and 'hx-trigger="health-scored from:body"' in quiet
    default = HealthConfig.objects.get(is_default=True)
    save_config(default, name="Rest", definition=DEFAULT | {"bands": {"good": 1, "poor": 0}})
    here = f"/health/?config={default.pk}"
    page = manager.get(here).content.decode()
    assert "Every account is being scored; the numbers are those from before." in text(page)
    ask = {"HX-Request": "true", "HX-Target": "scoring"}
    waiting = manager.get("/health/scoring/", headers=ask)
    assert (waiting.status_code, waiting.headers.get("HX-Trigger")) == (200, None)
    score_requested()  # the worker's part
    done = manager.get("/health/scoring/", headers=ask)
    assert (done.status_code, done["HX-Trigger"]) == (286, "health-scored") and b"is scored" in done.content
    part = manager.get(here, headers={"HX-Request": "true", "HX-Target": "health-order"}).content.decode()
    assert "<html" not in part and 'id="health-elsewhere"' in part and 'aria-current="true"' in part
    good = AccountHealth.objects.filter(config=default, band="good").count()
    assert good and f"{good} Good" in text(part)
    assert manager.get("/health/scoring/")["Location"] == "/health/"
