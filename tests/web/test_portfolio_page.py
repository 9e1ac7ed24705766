"""The portfolio, the course of health on the account page with what people said of it, and the company's overrides."""

from __future__ import annotations

import datetime as dt
import html
import re
from typing import Any

import pytest
from django.test import Client

from accounts.models import Account, Team, TeamMember
from alerts.work.doing import add_task
from core.clock import Moment, moment
from core.models import Workspace
from health.editing import end_override, override_health, save_config, take_pulse
from health.models import HealthConfig, HealthOverride
from health.refresh import refresh_health
from tests import factories
from tests.health.test_scores import by_number, only
from tests.web.conftest import Company, beginning
from tests.web.reading import names, text
from usage.models import AccountUsage

DAY = dt.timedelta(days=1)
USERS = only(by_number("users", "account.active_users_30d", 50, 0))


def users(numbers: dict[str, int]) -> None:
    """So many active users now."""
    for name, number in numbers.items():
        account = Account.objects.get(name=name)
        seen = moment().now - DAY * (40 if number == 0 else 1)
        AccountUsage.objects.update_or_create(
            account=account, defaults={"active_users_30d": number, "last_seen_at": seen}
        )


def ago(days: float) -> Moment:
    return Moment(moment().now - DAY * days, moment().zone)


@pytest.fixture
def moved(_moved: None, company: Company) -> Company:
    """Scores of forty days: Alder and Birch fell, Fir rose; a version and another config came on the way."""
    return company


def _forty_days(company: Company) -> None:
    users({"Alder": 45, "Birch": 45, "Cedar": 25, "Elän": 25, "Fir": 5, "Gum": 0})
    config = save_config(None, name="", definition=USERS)
    refresh_health(now=ago(40))
    save_config(config, name="", definition=USERS | {"bands": {"good": 60, "poor": 30}}, reason="Softer for everybody")
    refresh_health(now=ago(20))
    users({"Alder": 5, "Birch": 20, "Fir": 45})
    refresh_health(now=ago(2))
    today = moment().today
    Account.objects.filter(name__in=["Alder", "Birch"]).update(renews_on=today + DAY * 30)
    refresh_health()


_moved = beginning(_forty_days)


def page_of(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return text(answer.content.decode())


class TestPortfolio:
    def test_mine_is_what_i_play_a_part_in(self, csm: Client, manager: Client, moved: Company) -> None:
        mine = page_of(csm, "/portfolio/")
        assert "Accounts in which you play a part: 1 account" in mine and "Alder" in mine and "Birch" not in mine
        assert "Whose portfolio" not in mine
        assert "Birch" in page_of(manager, "/portfolio/") and "Alder" not in page_of(manager, "/portfolio/")

    def test_managers_choose_and_others_are_told_that_they_may_not(
        self, manager: Client, csm: Client, moved: Company
    ) -> None:
        team = Team.objects.create(name="North")
        TeamMember.objects.filter(pk=moved.csm.pk).update(team=team)
        theirs = page_of(manager, f"/portfolio/?who=member:{moved.csm.key}")
        assert f"{moved.csm.name} plays a part: 1 account" in theirs and "Alder" in theirs
        assert "North plays a part: 1 account" in page_of(manager, f"/portfolio/?who=team:{team.pk}")
        assert "Every account that you may see: 6 accounts" in page_of(manager, "/portfolio/?who=everybody")
        told = page_of(csm, "/portfolio/?who=everybody")
        assert "Only managers and administrators" in told and "you play a part: 1 account" in told
        assert "no colleague or team “team:77”" in page_of(manager, "/portfolio/?who=team:77")

    def test_figures_movers_renewals_and_silence(self, manager: Client, moved: Company) -> None:
        found = page_of(manager, "/portfolio/?who=everybody")
        assert "Value at risk $500 1 Poor renewal in 90 days" in found
        assert "Renewals in 90 days 2 $9,500 MRR" in found and "Silent for 30 days 0" in found
        assert found.index("Fell most") < found.index("Alder Users 5, was 45") < found.index("Rose most")
        assert "Fir Users 45, was 5" in found
        assert "No score moved by a point or more in 90 days" in page_of(manager, "/portfolio/?who=everybody&days=90")

    def test_every_number_leads_to_the_accounts_that_make_it(self, manager: Client, moved: Company) -> None:
        for who in ("everybody", f"member:{moved.csm.key}"):
            raw = manager.get(f"/portfolio/?who={who}").content.decode()
            kpis = re.findall(r'<dd class="v"><a href="([^"]+)">([^<]+)</a></dd><dd class="d">([^<]+)', raw)
            assert len(kpis) == 6
            for link, value, fact in kpis:
                number = value if "$" not in value else fact.split()[0]
                listed = manager.get(html.unescape(link)).content.decode()
                assert len(names(listed)) == int(number), (who, link, listed)
                assert "no longer exists" not in listed
            bands = re.findall(r'class="band-link" href="([^"]+)".*?<td class="num">(\d+)</td>', raw, re.S)
            assert len(bands) == 4
            for link, number in bands if who == "everybody" else []:
                assert len(names(manager.get(html.unescape(link)).content.decode())) == int(number)

    def test_weeks_of_renewals_and_crossings_lead_to_their_accounts(self, manager: Client, moved: Company) -> None:
        for who in ("everybody", f"member:{moved.csm.key}"):
            raw = manager.get(f"/portfolio/?who={who}").content.decode()
            page, part = text(raw), raw[raw.index('id="renewal-weeks"') :]
            assert "of MRR renews, most of it (" in page and 'class="chart columns narrow"' in raw
            cells = re.findall(r'<td class="num"><a class="link" href="([^"]+)" aria-label="[^"]+">(\d+)</a>', part)
            weeks = re.findall(r'<th scope="row"><a href="([^"]+)"><span.*?<td class="num">(\d+)</td>', part, re.S)
            crossed = re.findall(r'<a href="([^"]+)">(?:Joined|Left) Poor: (\d+)</a>', raw)
            assert weeks and cells and len(crossed) == 2, who
            for link, number in [*cells, *weeks, *crossed]:
                listed = manager.get(html.unescape(link)).content.decode()
                assert len(names(listed)) == int(number), (who, link)
                assert "no longer exists" not in listed
        every = page_of(manager, "/portfolio/?who=everybody")
        assert "Joined Poor: 1 $500 MRR Alder Time: Users 5, was 45" in every, every
        assert "Left Poor: 1 $2,000 MRR Fir Time: Users 45, was 5" in every

    def test_tasks_that_are_due_are_those_of_whose_book_it_is(
        self, manager: Client, csm: Client, moved: Company
    ) -> None:
        team = Team.objects.create(name="North")
        TeamMember.objects.filter(pk=moved.csm.pk).update(team=team)
        today = moment().today
        for title, days, who in (
            ("Call them", -2, moved.csm), ("Send the offer", 0, moved.csm), ("Plan a review", 7, moved.csm),
            ("Too far ahead", 8, moved.csm), ("Of the manager", 0, moved.manager), ("Of nobody", 1, None),
        ):  # fmt: skip
            add_task(moved.accounts["Alder"], title, assignee=who, due_on=today + DAY * days)
        mine = page_of(csm, "/portfolio/")
        assert "Tasks due Overdue 1 Today 1 In 7 days 1" in mine and "Call them Alder" in mine
        assert mine.index("Call them") < mine.index("Send the offer") < mine.index("Plan a review")
        assert "Too far ahead" not in mine and "Of the manager" not in mine and "Of nobody" not in mine
        for who, counts in (
            ("everybody", (1, 2, 2)),
            (f"team:{team.pk}", (1, 1, 1)),
            (f"member:{moved.csm.key}", (1, 1, 1)),
        ):
            raw = manager.get(f"/portfolio/?who={who}").content.decode()
            rows = re.findall(r'<a class="link" href="(/tasks/[^"]+)">[A-Za-z0-9 ]+ <b>(\d+)</b>', raw)
            assert [int(number) for _, number in rows] == list(counts)
            for link, number in rows[:2]:  # the list of later days goes on beyond the week
                listed = text(manager.get(html.unescape(link)).content.decode())
                assert listed.count("Alder") >= int(number)
        told = csm.get("/api/v1/portfolio/").json()["tasks"]
        assert {key: told[key] for key in ("overdue", "today", "soon")} == {"overdue": 1, "today": 1, "soon": 1}
        assert [one["title"] for one in told["shown"]] == ["Call them", "Send the offer", "Plan a review"]
        assert told["shown"][0]["assignee"] == moved.csm.key and told["shown"][0]["account"]

    def test_a_restricted_csm_sees_no_more_in_a_portfolio(self, csm: Client, moved: Company) -> None:
        factories.assign(Account.objects.get(name="Fir"), moved.csm, "account-manager")
        assert "2 accounts" in page_of(csm, "/portfolio/")
        Workspace.objects.update_or_create(pk=1, defaults={"csm_reach": Workspace.Reach.OWN})
        assert "2 accounts" in page_of(csm, "/portfolio/")
        Account.objects.filter(name="Fir").update(archived_at=moment().now)
        assert "1 account" in page_of(csm, "/portfolio/")

    def test_changes_are_those_since_the_last_look(
        self, manager: Client, moved: Company, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = page_of(manager, "/portfolio/?who=everybody")
        assert "Last look" not in first and "fell from Good 90 to Poor 10" in first and "Time: Users 5, was 45" in first
        member = moved.manager
        assert "Last look" not in page_of(manager, "/portfolio/?who=everybody"), "this look is not over"
        member.refresh_from_db()
        earlier = {"at": (moment().now - DAY).isoformat()}
        TeamMember.objects.filter(pk=member.pk).update(preferences={"portfolio": earlier, "theme": "dark"})
        second = page_of(manager, "/portfolio/?who=everybody")
        assert "Last look" in second and "fell from Good 90" not in second and "Renews in 30 days" in second
        member.refresh_from_db()
        assert member.preferences["portfolio"]["before"] == earlier["at"] and member.preferences["theme"] == "dark"
        override_health(Account.objects.get(name="Fir"), band="poor", reason="They said so.")
        refresh_health()
        third = page_of(manager, "/portfolio/?who=everybody")
        assert "Fir Health fell from Good to Poor By hand: They said so." in third
        assert "fell from Good 90 to Poor 10" in page_of(manager, "/portfolio/?who=everybody&since=7")
        TeamMember.objects.filter(pk=member.pk).update(preferences={"portfolio": {"at": "yesterday"}})
        assert "Last look" not in page_of(manager, "/portfolio/")

    def test_parts_and_statements(self, manager: Client, moved: Company, query_count: Any) -> None:
        with query_count("portfolio"):
            whole = manager.get("/portfolio/?who=everybody").content.decode()
        assert '<html lang="en"' in whole
        headers = {"HX-Request": "true"}
        part = manager.get("/portfolio/?who=everybody&days=7", headers=headers | {"HX-Target": "movers"})
        found = part.content.decode()
        assert "<html" not in found and 'aria-current="true">7 d' in found and "HX-Request" in part["Vary"]
        part = manager.get("/portfolio/?who=everybody&since=30", headers=headers | {"HX-Target": "changes"})
        assert "Fir" in part.content.decode() and "Movers" not in part.content.decode()
        many = [factories.account(f"More {n}", renews_on=moment().today, mrr=1) for n in range(12)]
        users({one.name: 1 for one in many})
        refresh_health(now=ago(1))
        users({one.name: 40 for one in many})
        refresh_health()
        with query_count("portfolio"):
            manager.get("/portfolio/?who=everybody")


class TestAccountPage:
    def test_the_score_over_time_has_marks_for_what_was_not_the_customer(self, manager: Client, moved: Company) -> None:
        alder = moved.accounts["Alder"]
        other = save_config(None, name="Large ones", segment=moved.segments["large"], definition=USERS)
        override_health(alder, band="average", reason="They promised to stay.", author=moved.csm.user)
        refresh_health()
        raw = manager.get(f"/accounts/{alder.pk}/").content.decode()
        page = text(raw)
        assert "Version 2 of the config" in page and "Softer for everybody" in page
        assert f"Average by hand, by {moved.csm.name}" in page and raw.count('class="badge hand"') == 2
        assert "30 days ▼ down 80" in page and "7 days ▼ down 80" in page and "90 days – no value" in page
        assert "Time: Users 5, was 45" in page and "Good from 60" in raw
        assert "The score fell from 90 to 10" in raw and "2 marks of configs and overrides" in raw
        birch = manager.get(f"/accounts/{moved.accounts['Birch'].pk}/?span=90d").content.decode()
        assert "Scored with Large ones" in birch and other.name == "Large ones"
        marks = text(birch.split('class="course-marks"')[1].split("</ol>")[0])
        assert "Version 2 of the config. Softer for everybody" in marks and "Scored with Large ones" in marks
        assert birch.count('class="badge version"') == birch.count('class="badge config"') == 2
        part = manager.get(
            f"/accounts/{alder.pk}/?span=12m", headers={"HX-Request": "true", "HX-Target": "health-course"}
        )
        assert "<html" not in part.content.decode() and 'aria-current="true">12 mo' in part.content.decode()

    def test_what_people_said_is_kept_beside_what_happened(self, manager: Client, moved: Company) -> None:
        alder = moved.accounts["Alder"]
        made = override_health(alder, band="good", reason="Signed again.", author=moved.csm.user)
        HealthOverride.objects.filter(pk=made.pk).update(created_at=moment().now - DAY * 100)
        Account.objects.filter(pk=alder.pk).update(churned_on=moment().today - DAY * 50)
        end_override(alder)
        take_pulse(alder, 2, note="Quiet on the last call.", author=moved.csm.user)
        page = page_of(manager, f"/accounts/{alder.pk}/")
        assert "Signed again. Poor, Poor Cancelled The score was nearer" in page
        assert f"Quiet on the last call. {moved.csm.name}" in page
        listed = page_of(manager, "/health/overrides/")
        assert "The score was nearer" in listed and f"{moved.csm.name} 1 0 0 of 1 1 of 1 0 0" in listed

    def test_the_timeline_has_health_with_a_filter(self, manager: Client, moved: Company) -> None:
        alder = moved.accounts["Alder"]
        override_health(alder, band="good", reason="Signed again.", until=moment().today, author=moved.csm.user)
        take_pulse(alder, 5, note="Glad.", author=moved.csm.user)
        refresh_health()
        end_override(alder)
        found = page_of(manager, f"/accounts/{alder.pk}/?show=health")
        timeline = found[found.rindex("All activity Notes Calls") :]
        for entry in (
            "Health first scored: Good 90", "Health fell from Good 90 to Poor 10 Time: Users 5, was 45",
            "Health rose from Poor to Good By hand: Signed again.", "Health set to Good by hand Signed again.",
            "Health by hand (Good) ended", "Pulse 5 of 5 Glad.",
        ):  # fmt: skip
            assert entry in timeline, (entry, timeline)
        assert "Joined segment" not in timeline
        notes = page_of(manager, f"/accounts/{alder.pk}/?show=notes")
        assert "Pulse 5 of 5" not in notes[notes.rindex("All activity Notes Calls") :]


class TestOverrides:
    def test_one_sees_those_of_accounts_that_one_may_see(
        self, csm: Client, manager: Client, moved: Company, query_count: Any
    ) -> None:
        for name in ("Alder", "Birch"):
            override_health(moved.accounts[name], band="good", reason=f"Of {name}.", author=moved.manager.user)
        Workspace.objects.update_or_create(pk=1, defaults={"csm_reach": Workspace.Reach.OWN})
        mine = page_of(csm, "/health/overrides/")
        assert "Of Alder." in mine and "Of Birch." not in mine
        end_override(moved.accounts["Alder"])
        now = page_of(manager, "/health/overrides/?show=now&page=nonsense")
        assert "Of Birch." in now and "Of Alder." not in now
        with query_count("overrides"):
            manager.get("/health/overrides/")


class TestApi:
    def test_the_book_over_the_api(self, manager: Client, csm: Client, moved: Company, query_count: Any) -> None:
        with query_count("api portfolio"):
            found = manager.get("/api/v1/portfolio/?who=everybody").json()
        assert found["whole"] == {"accounts": 6, "mrr": "13500.00"} and found["at_risk"] == {
            "accounts": 1,
            "mrr": "500.00",
        }
        assert [one["name"] for one in found["renewals"]] == ["Birch", "Alder"]
        assert [(one["name"], one["moved"], one["why"]) for one in found["falls"]] == [
            ("Alder", "-80.00", "Users 5, was 45"), ("Birch", "-50.00", "Users 20, was 45"),
        ]  # fmt: skip
        assert found["changes_total"] == len(found["changes"]) == 3
        assert found["joined_poor"] == {"accounts": 1, "mrr": "500.00"} and found["left_poor"]["mrr"] == "2000.00"
        assert [(one["account"], one["why"]) for one in found["joined_poor_changes"]] == [
            (moved.accounts["Alder"].external_id, "Users 5, was 45")
        ]
        weeks = [one for one in found["renewal_weeks"] if one["whole"]["accounts"]]
        assert [(one["whole"], one["bands"]["poor"]["accounts"]) for one in weeks] == [
            ({"accounts": 2, "mrr": "9500.00"}, 1)
        ]
        assert found["tasks"] == {"overdue": 0, "today": 0, "soon": 0, "shown": []}
        assert {one["cause"] for one in found["changes"]} == {"time"}
        none = manager.get(
            "/api/v1/portfolio/", {"who": "everybody", "since": moment().now.isoformat(), "days": "90"}
        ).json()
        assert none["changes"] == none["falls"] == []
        mine = csm.get("/api/v1/portfolio/").json()
        assert mine["name"] == moved.csm.name and mine["whole"]["accounts"] == 1
        for client, query in (
            (csm, "who=everybody"), (manager, "who=member:x"), (manager, "days=8"), (manager, "since=yesterday"),
            (manager, "since=2026-01-01T00:00:00"), (manager, "since=2026-13-01T00:00:00Z"), (manager, "whose=me"),
        ):  # fmt: skip
            answer = client.get(f"/api/v1/portfolio/?{query}")
            assert answer.status_code == 400 and answer.json()["errors"][0]["parameter"] == query.partition("=")[0]
        assert HealthConfig.objects.count() == 1
