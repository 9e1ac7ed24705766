"""What a book was worth by health over 26 weeks, and the accounts behind it: against plain Python over drawn days."""

from __future__ import annotations

import datetime as dt
import html
import random
import re
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from accounts.models import Account, MrrDay, TeamMember
from core.clock import moment
from core.models import Workspace
from health import trends
from health.book_days import accounts_on, course_of
from health.mixes import keep_mixes
from health.models import AccountHealth, Band, HealthDay, HealthMix
from health.portfolio import Whose
from tests import factories
from tests.query_counts import QueryCount, query_count
from tests.web.reading import text

__all__ = ["query_count"]
pytestmark = pytest.mark.django_db
DAY = dt.timedelta(days=1)
BANDS = [str(band) for band in Band.values]
Told = dict[int, list[tuple[dt.date, Any]]]


class World:
    """Accounts with a drawn course of bands and MRR, some of which are in the book of one colleague."""

    def __init__(self) -> None:
        dice, today = random.Random(5), moment().today
        self.csm, self.manager = factories.member(), factories.member(TeamMember.Access.MANAGER)
        self.bands: Told = defaultdict(list)
        self.worth: Told = defaultdict(list)
        self.mine: list[int] = []
        for number in range(14):
            account = factories.account(f"Account {number:02}")
            for back in sorted(dice.sample(range(200), 5), reverse=True):
                band, amount = dice.choice(BANDS), dice.choice([None, Decimal(0), Decimal(dice.randint(1, 9000))])
                self.bands[account.pk].append((today - DAY * back, band))
                HealthDay.objects.create(account=account, day=today - DAY * back, band=band)
                self.worth[account.pk].append((today - DAY * (back + 3), amount))
                MrrDay.objects.create(account=account, day=today - DAY * (back + 3), mrr=amount)
            AccountHealth.objects.create(account=account, band=band, computed_band=band, band_since=moment().now)
            Account.objects.filter(pk=account.pk).update(mrr=amount)
            if number % 2:
                self.mine.append(account.pk)
                factories.assign(account, self.csm)

    def on(self, day: dt.date, band: str, of: list[int]) -> tuple[int, Decimal]:
        """How many of these had a band on a day, and their MRR."""

        def then(told: list[tuple[dt.date, Any]]) -> Any:
            return ([None] + [value for since, value in told if since <= day])[-1]

        held = [pk for pk in of if then(self.bands[pk]) == band]
        return len(held), sum((then(self.worth[pk]) or Decimal(0) for pk in held), Decimal(0))


@pytest.fixture
def world() -> World:
    return World()


def compared(world: World, found: list[trends.TrendDay], of: list[int]) -> None:
    assert len(found) > 20 and found[-1].day == moment().today and (found[1].day - found[0].day).days == 7
    for one in found:
        for band in BANDS:
            assert (one.bands[band], one.mrr[band]) == world.on(one.day, band, of), (one.day, band)


def test_each_week_is_what_the_accounts_were_then(
    world: World, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Any
) -> None:
    now, every, seen = moment(), list(world.bands), Account.objects.live()
    with django_assert_max_num_queries(6):  # two, and four that keep the time
        mine = course_of(Whose(world.csm), seen, False, now)
    compared(world, mine, world.mine)
    whole = course_of(Whose(), seen, False, now)
    compared(world, whole, every)
    assert course_of(Whose(), seen.filter(pk__in=world.mine), True, now) == mine, "the rest is not counted"
    while keep_mixes(now):
        pass
    monkeypatch.setattr(trends, "MOST_LOOKS", 14)  # one day of these accounts
    assert course_of(Whose(), seen, False, now) == whole, "of very many accounts the days that were kept say the same"
    HealthMix.objects.update(good_mrr=None)
    thin = course_of(Whose(), seen, False, now)
    assert len(thin) <= trends.FEWEST_POINTS and thin[-1] == whole[-1], "days without a kept value are looked up"


def test_the_accounts_of_a_day_are_those_that_it_counts(world: World) -> None:
    today, every = moment().today, Account.objects.live()
    for day in (today, today - DAY * 60, today - DAY * 180):
        for band in BANDS:
            listed = list(accounts_on(every, day, [band]))
            worth = [one.mrr_then for one in listed if one.mrr_then is not None]  # type: ignore[attr-defined]
            assert (len(listed), sum(worth, Decimal(0))) == world.on(day, band, list(world.bands))
            assert worth == sorted(worth, reverse=True)


def test_the_page_draws_it_and_every_number_leads_to_its_accounts(world: World, query_count: QueryCount) -> None:
    client = Client()
    client.force_login(world.csm.user)
    first = client.get("/portfolio/").content.decode()
    assert 'hx-trigger="revealed"' in first and "?who=me&amp;course=1#course" in first and "of 7</a>" not in first
    whole = client.get("/portfolio/?course=1").content.decode()
    with query_count("portfolio over 26 weeks"):
        part = client.get("/portfolio/", headers={"HX-Request": "true", "HX-Target": "course"}).content.decode()
    assert "<html" not in part and 'class="chart columns wide"' in part and "MRR at Poor was" in text(part)
    assert re.findall(r"<rect class=[^>]+>", part)[0] in whole
    cells = re.findall(r'<a class="link" href="([^"]+)" aria-label="(\d+) ([A-Za-z ]+) on', part)
    assert len(cells) > 40
    for link, number, label in cells[:3] + cells[-3:]:
        page = client.get(html.unescape(link)).content.decode()
        assert f"{number} account" in text(page) and f"at {label}" in text(page)
        assert page.count('<th scope="row">') == int(number)
    with query_count("portfolio of a day"):
        client.get("/portfolio/day/")
    for odd in ("day=soon", "day=9999-01-01&band=x", "page=x&day=2026-13-01", "who=everybody"):
        assert client.get(f"/portfolio/day/?{odd}").status_code == 200


def test_the_api_tells_the_same_and_a_restricted_csm_no_more(world: World) -> None:
    client = Client()
    client.force_login(world.csm.user)
    found = client.get("/api/v1/portfolio/course/").json()
    last = found[-1]
    assert last["day"] == moment().today.isoformat() and len(found) > 20
    for band in BANDS:
        number, mrr = world.on(moment().today, band, world.mine)
        assert last["bands"][band] == {"accounts": number, "mrr": f"{mrr:.2f}"}
    refused = client.get("/api/v1/portfolio/course/?who=everybody")
    assert refused.status_code == 400 and refused.json()["errors"][0]["parameter"] == "who"
    client.force_login(world.manager.user)
    assert (
        sum(
            one["accounts"]
            for one in client.get("/api/v1/portfolio/course/?who=everybody").json()[-1]["bands"].values()
        )
        == 14
    )
    Workspace.objects.update_or_create(pk=1, defaults={"csm_reach": Workspace.Reach.OWN})
    client.force_login(world.csm.user)
    assert client.get("/api/v1/portfolio/course/").json() == found
