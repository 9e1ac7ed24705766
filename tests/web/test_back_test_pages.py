"""Back-tests on screen and over the API: starting one, watching it, its report, and what is refused."""

from __future__ import annotations

import datetime as dt
import html
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.facts import define_attribute
from accounts.models import Account, Subject, TeamMember
from core.api.tokens import make_token
from core.clock import moment
from core.models import Workspace
from health.backtest.models import BackTest
from health.backtest.report import LISTS
from health.backtest.running import start_back_test, work
from health.editing import save_config
from health.models import HealthConfig
from tests import factories
from tests.health.past_world import DEFINITION, EASY, draw
from tests.query_counts import QueryCount
from tests.web.conftest import Company
from tests.web.reading import fields, text

HARD = DEFINITION | {"bands": {"good": 95, "poor": 90}}


@pytest.fixture
def config(company: Company) -> HealthConfig:
    """A default config."""
    define_attribute(Subject.ACCOUNT, "nps", kind="number")
    return save_config(None, name="", definition=DEFINITION, author=company.manager.user)


@pytest.fixture
def finished(config: HealthConfig, company: Company) -> BackTest:
    """A draft that was tested beside the saved definition, over four months."""
    draw(16, 120)
    last = moment().today - dt.timedelta(days=1)
    test = start_back_test(
        config, first_day=last - dt.timedelta(days=100), last_day=last, silent_days=20, draft=HARD,
        author=company.manager.user,
    )  # fmt: skip
    work(test.pk)
    test.refresh_from_db()
    assert test.state == "done", test.error
    return test


def form(**more: Any) -> dict[str, Any]:
    last = moment().today - dt.timedelta(days=1)
    first = last - dt.timedelta(days=30)
    given = {"start": "1", "first_day": first.isoformat(), "last_day": last.isoformat(), "cancelled": "1"}
    return {name: value for name, value in (given | more).items() if value is not None}


def test_a_draft_is_carried_from_the_editor_through_the_form_into_a_run(manager: Client, config: HealthConfig) -> None:
    editor = manager.get(f"/health/configs/{config.pk}/").content.decode()
    assert f'formaction="/health/configs/{config.pk}/back-test/"' in editor
    typed = fields(editor)
    typed["band.poor"] = "33"
    asked = manager.post(f"/health/configs/{config.pk}/back-test/", typed.dict())
    page = asked.content.decode()
    assert asked.status_code == 200 and "draft is replayed beside version 1" in text(page)
    hidden = fields(page)["definition"]
    assert json.loads(hidden)["bands"]["poor"] == 33
    started = manager.post(
        f"/health/configs/{config.pk}/back-test/", form(definition=hidden, silent="1", silent_days="25")
    )
    test = BackTest.objects.get()
    assert started.headers["Location"] == f"/health/back-tests/{test.pk}/"
    assert (test.definition["bands"]["poor"], test.against, test.version, test.silent_days) == (
        33,
        DEFINITION,
        None,
        25,
    )
    unchanged = manager.post(f"/health/configs/{config.pk}/back-test/", fields(editor).dict())
    assert "Version 1 is replayed" in text(unchanged.content.decode())


def test_a_new_config_is_carried_from_the_editor_into_a_run(manager: Client, config: HealthConfig) -> None:
    segment = factories.segment("Trials", {"field": "account.mrr", "op": "at_least", "value": 0})
    editor = manager.get("/health/configs/new/?from=empty").content.decode()
    assert 'formaction="/health/configs/new/back-test/"' in editor
    typed = fields(manager.get("/health/configs/new/").content.decode())
    typed["segment"] = segment.key
    asked = manager.post("/health/configs/new/back-test/", typed).content.decode()
    assert "beside Default, version 1" in text(asked) and "accounts of Trials" in text(asked)
    definition = re.search(r'name="definition" value="([^"]+)"', asked)
    assert definition
    posted = form(definition=html.unescape(definition[1]), segment=segment.key, name="")
    made = manager.post("/health/configs/new/back-test/", posted)
    test = BackTest.objects.get()
    assert made.status_code == 302 and made["Location"] == f"/health/back-tests/{test.pk}/"
    assert (test.what, test.name, test.segment, test.config) == ("new config", "Trials", segment, None)
    shown = text(manager.get(f"/health/back-tests/{test.pk}/").content.decode())
    assert "New config beside Default, version 1, accounts of Trials" in shown
    assert manager.get("/health/configs/new/back-test/")["Location"] == "/health/configs/new/"
    gone = manager.post("/health/configs/new/back-test/", posted | {"segment": "gone"})
    assert gone.status_code == 422 and "That segment was deleted" in gone.content.decode()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"first_day": ""}, "Not started"),
        ({"first_day": "1999-01-01"}, "The span has"),
        ({"last_day": "2099-01-01"}, "must be over"),
        ({"cancelled": None}, "Say what leaving means"),
        ({"silent": "1", "silent_days": "x"}, "7 to 365 days"),
        ({"definition": "{"}, "cannot be read"),
        ({"definition": '{"dimensions": []}'}, "at least one dimension"),
    ],
)
def test_a_mistake_in_the_form_is_said_and_what_was_typed_stays(
    manager: Client, config: HealthConfig, change: dict[str, Any], words: str
) -> None:
    answer = manager.post(f"/health/configs/{config.pk}/back-test/", form(**change))
    page = answer.content.decode()
    assert answer.status_code == 422 and words in text(page) and not BackTest.objects.exists()
    if "last_day" not in change:
        assert fields(page)["last_day"] == form()["last_day"]


def test_a_run_is_watched_and_cancelled(manager: Client, csm: Client, config: HealthConfig) -> None:
    manager.post(f"/health/configs/{config.pk}/back-test/", form())
    test = BackTest.objects.get()
    page = manager.get(f"/health/back-tests/{test.pk}/").content.decode()
    assert "Waiting for the background worker" in page and "Cancel the back-test" in page
    work(test.pk, seconds=0)
    watched = manager.get(f"/health/back-tests/{test.pk}/progress/", headers={"HX-Request": "true"})
    assert watched.status_code == 200 and "1 of 31 days done" in text(watched.content.decode())
    assert csm.post(f"/health/back-tests/{test.pk}/cancel/").status_code == 403
    manager.post(f"/health/back-tests/{test.pk}/cancel/")
    over = manager.get(f"/health/back-tests/{test.pk}/progress/", headers={"HX-Request": "true"})
    assert over.status_code == 286 and over.headers["HX-Refresh"] == "true"
    assert "Nothing was kept" in manager.get(f"/health/back-tests/{test.pk}/").content.decode()
    assert "This back-test is not running" in text(
        manager.post(f"/health/back-tests/{test.pk}/cancel/", follow=True).content.decode()
    )


def test_the_report_shows_both_sides_the_moves_the_alerts_and_the_gaps(
    manager: Client, finished: BackTest, query_count: QueryCount
) -> None:
    with query_count("back-test report"):
        page = manager.get(f"/health/back-tests/{finished.pk}/").content.decode()
    words = text(page)
    assert "Version 1 (in use)" in words and "Draft" in words and "90 days" in words
    first = finished.report["sides"]["against"]["horizons"][0]
    assert (
        f"{first['caught']} of {first['churns']}" in words.replace(" ;", ";")
        and f"{first['true']} of {first['alerts']}" in words
    )
    assert page.count('class="band-area') >= 8 and "Who would have another band" in words
    table = page.split('class="table fits back-test-grid"')[1].split("</table>")[0]
    cells = [[int(number) for number in re.findall(r">(\d+)<", row)] for row in table.split("<tr>")[2:]]
    bands = ["good", "average", "poor", *(["none"] if len(cells) == 4 else [])]
    moves, stays = finished.report["moves"], finished.report["stays"]
    assert cells == [
        [stays.get(old, 0) if old == new else moves.get(f"{old} {new}", 0) for new in bands] for old in bands
    ]  # fmt: skip
    assert "Rows: Version 1. Columns: Draft." in text(table) and sum(map(sum, cells)) > len(finished.report["moved"])
    account = finished.report["moved"][0][0]
    assert f'href="/accounts/{account}/"' in page
    assert "What could not be known" in words and finished.report["gaps"]
    for gap in finished.report["gaps"]:
        assert gap["what"] in words and gap["note"] in words
    # Beside a share stands of how many it is, and that twenty are needed to rely on it.
    assert 0 < first["churns"] < 20 and f"{first['caught']} of {first['churns']} ; too few to rely on" in words
    assert f"{first['already']} of {first['churns']} ; too few to rely on" in words
    many = json.loads(json.dumps(finished.report))
    for side in many["sides"].values():
        side["horizons"] = [one | {"churns": 20, "alerts": 20} for one in side["horizons"]]
    BackTest.objects.filter(pk=finished.pk).update(report=many)
    enough = text(manager.get(f"/health/back-tests/{finished.pk}/").content.decode())
    assert f"{first['caught']} of 20" in enough and "too few" not in enough
    BackTest.objects.filter(pk=finished.pk).update(report=finished.report)
    with query_count("back-test list"):
        listed = text(manager.get("/health/back-tests/").content.decode())
    assert "Draft beside version 1" in listed and "Done" in listed


def test_every_number_of_the_report_leads_to_its_accounts(
    manager: Client, finished: BackTest, query_count: QueryCount
) -> None:
    page = manager.get(f"/health/back-tests/{finished.pk}/").content.decode()
    behind = rf'href="(/health/back-tests/{finished.pk}/accounts/[^"]+)"(?: aria-label="[^"]+")?>(?:<b>)?(\d+)<'
    links = re.findall(behind, page)
    kinds = {kind for link, _ in links for kind in ("of=moved", "of=alerts", "of=left") if kind in link}
    assert len(links) >= 30 and len(kinds) == 3 and {"side=tested" in link for link, _ in links} == {True, False}
    for link, number in {link: number for link, number in links}.items():
        shown = manager.get(html.unescape(link)).content.decode()
        assert shown.count('<th scope="row">') == int(number), link
    with query_count("back-test accounts"):
        manager.get(html.unescape(links[0][0]))
    for odd in ("", "?of=alerts", "?of=left&side=x&days=30", "?of=left&side=tested&days=31"):
        gone = manager.get(f"/health/back-tests/{finished.pk}/accounts/{odd}")
        assert gone.status_code == 302 and gone["Location"] == f"/health/back-tests/{finished.pk}/"
    assert "Nobody" in text(
        manager.get(f"/health/back-tests/{finished.pk}/accounts/?of=moved&before=x").content.decode()
    )
    BackTest.objects.filter(pk=finished.pk).update(report=old_report(finished.report))
    assert manager.get(f"/health/back-tests/{finished.pk}/").status_code == 200, "a report from before has no reasons"


def old_report(report: dict[str, Any]) -> dict[str, Any]:
    """As reports were stored without reasons and lists."""
    kept = {key: value for key, value in report.items() if key not in ("raised_against", "left", "stays", "stayed")}
    sides = json.loads(json.dumps(report["sides"]))
    for horizon in [one for side in sides.values() for one in side["horizons"]]:
        del horizon["already"], horizon["already_share"]
    return kept | {"moved": [row[:3] for row in report["moved"]], "sides": sides}


def test_accounts_that_one_may_not_see_are_not_named(
    browse: Callable[[TeamMember], Client], finished: BackTest
) -> None:
    workspace = Workspace.get()
    workspace.csm_reach = Workspace.Reach.OWN
    workspace.save()
    stranger = factories.member()
    other = factories.member()
    for account in {row[0] for name in LISTS for row in finished.report[name]}:
        factories.assign(Account.objects.get(pk=account), other)
    page = browse(stranger).get(f"/health/back-tests/{finished.pk}/").content.decode()
    assert 'href="/accounts/' not in page.split("Who would have another band")[1]
    listed = re.findall(r'href="(/health/back-tests/[^"]+/accounts/[^"]+)"', page)
    listed = {html.unescape(link) for link in listed}
    named = {account.name for account in Account.objects.filter(pk__in=[row[0] for row in finished.report["moved"]])}
    for link in sorted(listed):
        shown = browse(stranger).get(link).content.decode()
        assert not [name for name in named if f">{name}</a>" in shown], link
    assert listed and named


def test_only_administrators_and_managers_start_one(csm: Client, config: HealthConfig) -> None:
    assert csm.get("/health/back-tests/").status_code == 200
    assert csm.get(f"/health/configs/{config.pk}/back-test/").status_code == 403
    assert csm.post(f"/health/configs/{config.pk}/back-test/", form()).status_code == 403


def test_over_the_api(manager: Client, csm: Client, config: HealthConfig, company: Company) -> None:
    def ask(who: TeamMember, method: str, address: str, data: Any = None) -> Any:
        token = make_token(who.user)[1]
        body = "" if data is None else json.dumps(data)
        return Client().generic(
            method, f"/api/v1/health-back-tests/{address}", body, content_type="application/json",
            headers={"Authorization": f"Token {token}"},
        )  # fmt: skip

    draw(6, 70)
    last = moment().today - dt.timedelta(days=1)
    sent = {
        "config": config.pk, "first_day": (last - dt.timedelta(days=14)).isoformat(), "last_day": last.isoformat(),
        "silent_days": 20, "definition": EASY,
    }  # fmt: skip
    assert ask(company.csm, "POST", "", sent).status_code == 403
    made = ask(company.manager, "POST", "", sent)
    assert made.status_code == 201, made.content
    pk = made.json()["id"]
    assert (made.json()["state"], made.json()["version"], made.json()["compare_with"]) == ("running", None, 1)
    work(pk)
    found = ask(company.csm, "GET", f"{pk}/").json()
    assert found["state"] == "done" and found["report"]["format"] == 1
    ids = {row[0] for row in found["report"]["moved"]}
    assert all(isinstance(one, str) for one in ids)
    assert ask(company.manager, "POST", f"{pk}/cancel/").status_code == 409
    wrong = ask(company.manager, "POST", "", sent | {"first_day": "2001-01-01", "definition": {"dimensions": []}})
    pointers = {error["pointer"] for error in wrong.json()["errors"]}
    assert wrong.status_code == 422 and pointers == {"/first_day", "/definition/dimensions"}
    assert ask(company.manager, "POST", "", sent | {"config": 99}).status_code == 422
    assert ask(company.manager, "POST", "", sent | {"config": "x"}).status_code == 400
    factories.segment("Trials", {"field": "account.mrr", "op": "at_least", "value": 0})
    new = ask(company.manager, "POST", "", sent | {"config": None, "segment": "trials", "name": "Tried"})
    assert new.status_code == 201, new.content
    assert [new.json()[key] for key in ("config", "segment", "name", "compare_with")] == [None, "trials", "Tried", 1]
    assert ask(company.manager, "POST", f"{new.json()['id']}/cancel/").status_code == 200
    unknown = ask(company.manager, "POST", "", sent | {"config": None, "segment": "nosuch"})
    assert unknown.json()["errors"][0]["pointer"] == "/segment"
    assert "report" not in ask(company.csm, "GET", "?state=done").json()["results"][0]
    second = ask(company.manager, "POST", "", sent).json()["id"]
    assert ask(company.manager, "POST", f"{second}/cancel/").json()["state"] == "cancelled"
