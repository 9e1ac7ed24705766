"""Health on lists: the main reason, the drawer that says why, the mix that leads to its accounts, health over time."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Account, TeamMember
from alerts.editing import save_alert_rule
from core.clock import Moment, moment
from core.models import Workspace
from csbox.pipeline import refresh_everything
from health.editing import override_health, save_config
from health.models import AccountHealth, HealthConfig
from health.refresh import refresh_health
from segments.models import AccountMembership
from segments.refresh import refresh_due
from tests import factories
from tests.health.test_scores import BOTH
from tests.query_counts import QueryCount
from tests.web.conftest import Company, beginning
from tests.web.reading import names, text
from usage.models import AccountUsage
from web import listing


@pytest.fixture
def scored(_scored: None, company: Company) -> Company:
    """Everybody scored a month ago with much usage, and today with little."""
    return company


def _score(company: Company) -> None:
    Account.objects.update(licences=100)
    config = save_config(None, name="", definition=BOTH, reason="To begin with")
    config.versions.update(created_at=moment().now - dt.timedelta(days=20))
    for used, back in ((61, 31), (34, 0)):
        for account in Account.objects.live():
            seen = moment().now - dt.timedelta(days=1)
            figures = {"active_users_30d": used if account.name != "Birch" else 90, "last_seen_at": seen}
            AccountUsage.objects.update_or_create(account=account, defaults=figures)
        refresh_health(now=Moment(moment().now - dt.timedelta(days=back), moment().zone))


_scored = beginning(_score)


def test_the_list_says_why_in_one_line(manager: Client, scored: Company) -> None:
    page = manager.get("/accounts/").content.decode()
    assert "Main reason" in text(page) and "Used 34 %, was 61 %" in text(page)
    assert '<span class="reason ok">All dimensions Good</span>' in page
    assert 'class="dims-head" aria-hidden="true"><i title="Adoption">A</i><i title="Financial">F</i>' in page
    assert 'title="Financial: Good"' in page
    fir = scored.accounts["Fir"]
    assert f'href="/accounts/?peek={fir.pk}" data-why hx-get="/accounts/{fir.pk}/health/why/"' in page
    worst = names(manager.get("/accounts/?sort=health.band").content.decode())
    assert worst[-2:] == ["Birch", "Gum"] or worst[-1] == "Birch"
    plain = manager.get("/accounts/?cols=mrr").content.decode()
    assert "Main reason" not in plain.split("<tbody")[0].split('id="columns"')[0].split("<thead")[1]


def test_open_alerts_are_a_bell_that_leads_to_them(manager: Client, scored: Company) -> None:
    fir = scored.accounts["Fir"]
    condition = {"match": "all", "rules": [{"field": "account.name", "op": "is", "value": "Fir"}]}
    save_alert_rule(None, name="About Fir", condition=condition, include_existing=True)
    refresh_due()
    refresh_everything()
    assert fir.alerts.count() == 1
    page = manager.get("/accounts/").content.decode()
    assert page.count('class="bell"') == 1
    assert f'<a class="bell" href="/alerts/?account={fir.pk}">' in page
    assert '<span class="vh">Open alerts</span><svg class="icon" aria-hidden="true"><use href="#i-bell"/>' in page


def test_the_export_says_what_the_list_shows(manager: Client, scored: Company, query_count: QueryCount) -> None:
    def export(query: str = "") -> list[dict[str, str]]:
        answer = b"".join(manager.get(f"/accounts/export/{query}").streaming_content).decode("utf-8-sig")
        return list(csv.DictReader(io.StringIO(answer)))

    rows = {row["Account"]: row for row in export()}
    assert list(rows["Fir"])[:8] == [
        "Account id", "Account", "Health", "Health score", "Health: Adoption", "Health: Adoption, in a word",
        "Health: Financial", "Health: Financial, in a word",
    ]  # fmt: skip
    assert rows["Fir"]["Main reason"] == "Used 34 %, was 61 %" and rows["Birch"]["Main reason"] == "All dimensions Good"
    fir = AccountHealth.objects.get(account=scored.accounts["Fir"])
    assert rows["Fir"]["Health"] == fir.get_band_display()
    assert float(rows["Fir"]["Health score"]) == float(fir.score or 0)
    assert float(rows["Fir"]["Health: Adoption"]) == float(fir.dimensions["adoption"])
    assert rows["Fir"]["Health: Financial, in a word"] == "Average" and rows["Fir"]["Active users, 30 days"] == "34"
    assert {row["Main reason"] for row in export("?cols=health_reason&q=fir")} == {"Used 34 %, was 61 %"}
    for i in range(30):
        factories.account(f"More {i}")
    with query_count("accounts export, with health"):
        assert len(export()) > 30


def test_the_order_of_the_score_walks_its_index(manager: Client, scored: Company, monkeypatch: Any) -> None:
    """As many scored as a page has, the rest behind them; the order is that of the whole list."""
    whole = [names(manager.get(f"/accounts/?sort={sign}health.score").content.decode()) for sign in ("", "-")]
    never = factories.account("Never scored").name
    monkeypatch.setattr(listing, "PAGE_SIZE", 3)
    for sign, expected in zip(("", "-"), whole, strict=True):
        found: list[str] = []
        for at in range(1, 4):
            found += names(manager.get(f"/accounts/?sort={sign}health.score&page={at}").content.decode())
        assert found == [*expected, never]
    AccountHealth.objects.bulk_create(
        AccountHealth(account=factories.account(f"Many {i}"), score=i % 1000 / 10, band="good", band_since=moment().now)
        for i in range(300)
    )
    with CaptureQueriesContext(connection) as queries, connection.cursor() as cursor:
        manager.get("/accounts/?sort=-health.score")
        asked = next(one["sql"] for one in queries if "health_accounthealth" in one["sql"] and "DESC" in one["sql"])
        cursor.execute("ANALYZE health_accounthealth, accounts_account")
        cursor.execute("SET LOCAL enable_seqscan = off")  # for as few rows as these it would be right
        cursor.execute(f"EXPLAIN {asked}")
        assert "health_by_score" in "\n".join(row[0] for row in cursor.fetchall())


def test_the_pill_opens_all_the_reasons(
    manager: Client, browse: Callable[[TeamMember], Client], scored: Company
) -> None:
    fir = scored.accounts["Fir"]
    here = "http://testserver/accounts/?segment=growth-plan&sort=mrr"
    asked = {"HX-Request": "true", "HX-Target": "why", "HX-Current-URL": here}
    drawer = manager.get(f"/accounts/{fir.pk}/health/why/", headers=asked)
    said = text(drawer.content.decode())
    assert "Why this health? Fir" in said and "34 of 100, 34 %" in said and "was 61 %" in said
    assert "Good: 70 % of Licences" in said and "60% of score" in said and "<html" not in drawer.content.decode()
    assert drawer["HX-Push-Url"] == f"/accounts/?segment=growth-plan&sort=mrr&peek={fir.pk}"
    asked["HX-Current-URL"] = f"{here}&peek=1"
    assert "HX-Replace-Url" in manager.get(f"/accounts/{fir.pk}/health/why/", headers=asked)
    asked["HX-Current-URL"] = "https://elsewhere.example/x"
    assert "HX-Push-Url" not in manager.get(f"/accounts/{fir.pk}/health/why/", headers=asked)
    whole = text(manager.get(f"/accounts/{fir.pk}/health/why/").content.decode())
    assert "Why Fir is Average" in whole and "34 of 100, 34 %" in whole
    opened = manager.get(f"/accounts/?peek={fir.pk}").content.decode()
    assert 'id="why-drawer" aria-labelledby="why-h" open' in opened and "34 of 100" in text(opened)
    for odd in ("x", "0", "99999999999999999999"):
        assert manager.get(f"/accounts/?peek={odd}").status_code == 200
    Workspace.objects.update(csm_reach=Workspace.Reach.OWN)
    stranger, birch = browse(scored.csm), scored.accounts["Birch"]
    assert stranger.get(f"/accounts/{birch.pk}/health/why/").status_code == 404
    assert "Why this health?" not in stranger.get(f"/accounts/?peek={birch.pk}").content.decode()
    assert stranger.get("/health/trend/?days=30").status_code == stranger.get("/segments/").status_code == 200


def test_a_mix_leads_to_the_accounts_of_each_band(manager: Client, scored: Company) -> None:
    override_health(scored.accounts["Fir"], band="poor", reason="They said so.")
    refresh_health()  # the worker's part
    page = manager.get("/accounts/?segment=growth-plan").content.decode()
    strip = page.split('id="strip"')[1].split("</section>")[0]
    assert 'aria-label="Health: ' in strip and "1 Poor" in text(strip)
    poor = '{"field":"health.band","op":"is","value":"poor"}'
    assert names(manager.get("/accounts/", {"segment": "growth-plan", "f": poor}).content.decode()) == ["Fir"]
    shown = manager.get("/accounts/", {"segment": "growth-plan", "f": poor}).content.decode()
    assert 'aria-current="true"' in shown.split('id="strip"')[1].split("</section>")[0]
    part = {"HX-Request": "true", "HX-Target": "list"}
    rows = manager.get("/accounts/", {"q": "fir", "sort": "name"}, headers=part).content.decode()
    assert "q=fir&amp;sort=name" in rows.split('id="strip-bands"')[1].split("</ul>")[0]  # the links keep what was typed
    listed = manager.get("/segments/").content.decode()
    cell = listed.split('<td class="c-mix">')[1].split("</td>")[0]
    assert "Poor in Growth plan" in text(cell) and "segment=growth-plan" in cell
    subscriptions = manager.get("/subscriptions/?segment=growth-plan").content.decode()
    assert "/accounts/?segment=growth-plan&amp;f=" in subscriptions


def test_health_over_time_of_a_segment(manager: Client, scored: Company) -> None:
    alone = text(manager.get("/health/trend/?segment=growth-plan&days=90").content.decode())
    assert "Health is known since today" in alone
    AccountMembership.objects.update(entered_at=moment().now - dt.timedelta(days=40))
    page = manager.get("/health/trend/?segment=growth-plan&days=90").content.decode()
    assert "Show as table" in page and 'class="chart trend wide"' in page and "The mean score fell from" in text(page)
    assert "Each day counts the members of that day" in text(page)
    default = HealthConfig.objects.get()
    of_config = text(manager.get(f"/health/trend/?config={default.pk}&days=90").content.decode())
    assert "Default, version 1 (To begin with)" in of_config and "Accounts scored by Default" in of_config
    part = manager.get("/health/trend/?days=30", headers={"HX-Request": "true", "HX-Target": "health-trend"})
    assert "<html" not in part.content.decode() and "HX-Target" in part["Vary"]
    gone = text(manager.get("/health/trend/?segment=nothing&days=x").content.decode())
    assert "segment nothing" in gone and "All accounts" in gone
    HealthConfig.objects.all().delete()
    for path in (f"/segments/{scored.segments['growth'].pk}/members/", "/health/"):
        assert manager.get(path).status_code == 200


def test_health_in_lists_takes_the_same_number_of_statements(
    manager: Client, query_count: QueryCount, scored: Company
) -> None:
    for path in ("/accounts/", "/segments/"):
        manager.get(path)
    with query_count("accounts list, with health"):
        manager.get("/accounts/")
    for i in range(60):
        factories.assign(factories.account(f"More {i}", stage_id="live", licences=10), scored.csm)
    for i in range(3):
        factories.segment(f"Segment {i}", {"field": "account.mrr", "op": "at_least", "value": i})
    refresh_health()
    with query_count("accounts list, with health"):
        assert len(names(manager.get("/accounts/?page=1").content.decode())) == 50
    with query_count("health over time"):
        manager.get("/health/trend/?segment=growth-plan&days=365")
    with query_count("health drawer"):
        manager.get(f"/accounts/{scored.accounts['Fir'].pk}/health/why/")
    with query_count("segment list, with health"):
        manager.get("/segments/")


def test_the_filters_of_health_are_offered(manager: Client, scored: Company) -> None:
    for field, op, value in (
        ("health.band", "any_of", ["good", "poor"]),
        ("health.score", "at_least", 40),
        ("health.dimension.adoption", "less_than", 70),
        ("health.dimension_band.adoption", "any_of", ["average", "poor"]),
        ("health.change_30d", "less_than", 0),
    ):
        node = json.dumps({"field": field, "op": op, "value": value})
        assert names(manager.get("/accounts/", {"f": node}).content.decode()), field
    page = manager.get("/accounts/?cols=health.change_30d,health.dimension.adoption&sort=health.change_30d")
    assert "▼" in page.content.decode() and "Health: Adoption" in text(page.content.decode())
