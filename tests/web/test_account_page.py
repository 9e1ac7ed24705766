"""The account page: everything about one customer, and the way to its neighbours."""

from __future__ import annotations

import datetime as dt
from html import unescape
from urllib.parse import quote

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Account, AttributeChange, AttributeDefinition, Note
from core.models import Workspace
from tests import factories
from tests.query_counts import QueryCount
from tests.web.conftest import Company
from tests.web.reading import names, text
from usage.models import DailyUsage, EventName, UserActivity
from web.account_page import finding, periods

pytestmark = pytest.mark.django_db


def page(client: Client, account: Account, query: str = "") -> str:
    """The page's words."""
    return text(client.get(f"/accounts/{account.pk}/{query}").content.decode())


def test_the_head_and_figures_say_what_is_known(manager: Client, company: Company) -> None:
    birch = company.accounts["Birch"]
    Account.objects.filter(pk=birch.pk).update(renews_on=timezone.now().date() + dt.timedelta(days=38), licences=20)
    words = page(manager, birch)
    assert "MRR $9,000 $108,000 a year" in words
    assert "Renewal in 38 days" in words
    assert "Licences in use 0% 0 of 20" in words
    assert f"CSM {company.manager.name}" in words
    assert "No call, meeting or e-mail noted" in words


def test_missing_values_are_said_and_never_zero(manager: Client, company: Company) -> None:
    words = page(manager, company.accounts["Cedar"])
    assert "MRR – no value No subscription counts today" in words


def test_custom_attributes_show_with_their_origin(manager: Client, company: Company) -> None:
    birch = company.accounts["Birch"]
    birch.stamps = {"custom.region": ["2026-03-01T10:00:00+00:00", "crm"]}
    birch.save()
    words = page(manager, birch)
    assert "Region EMEA , from crm, 1 Mar 2026, 10:00 UTC" in words
    Account.objects.filter(pk=birch.pk).update(stamps={"region": birch.stamps["custom.region"]})
    assert "from crm" not in page(manager, birch), "a column of the same name has another origin"


def test_users_with_a_role_come_first_and_pages_go_on(manager: Client, company: Company) -> None:
    alder = company.accounts["Alder"]
    for i in range(18):
        factories.relationship(alder, factories.end_user(f"Person {i:02}"))
    champion = factories.relationship(alder, factories.end_user("Zoe"), role="champion")
    UserActivity.objects.create(
        account=alder, user=champion.user, first_seen_at=timezone.now(), last_seen_at=timezone.now()
    )
    words = page(manager, alder)
    assert words.index("Zoe") < words.index("Person 00")
    assert "15 of 19, people with a role first" in words
    assert "Person 17" not in words and "Person 17" in page(manager, alder, "?users=2")


def test_ended_relationships_are_not_users(manager: Client, company: Company) -> None:
    factories.relationship(
        company.accounts["Alder"], factories.end_user("Gone"), ended_at=timezone.now() + dt.timedelta(hours=1)
    )
    assert "Gone" not in page(manager, company.accounts["Alder"])


def test_a_user_leads_to_their_own_page(manager: Client, company: Company) -> None:
    person = factories.relationship(company.accounts["Alder"], factories.end_user("Zoe")).user
    html = manager.get(f"/accounts/{company.accounts['Alder'].pk}/").content.decode()
    assert f'<a href="/users/{person.pk}/">Zoe</a>' in html
    assert "Zoe" in text(manager.get(f"/users/{person.pk}/").content.decode())


def test_all_subscriptions_are_counted_and_can_be_reached(manager: Client, company: Company) -> None:
    fir = company.accounts["Fir"]
    for i in range(61):
        status = "cancelled" if i < 8 else "active"
        factories.subscription(fir, plan=f"Plan {i:02}", status_id=status, mrr=100 + i, mrr_base=100 + i)
    words = page(manager, fir)
    assert "Subscriptions 61 " in words and "50 of 61, active ones first; 53 active" in words
    assert "Plan 60" in words and "Plan 00" not in words
    rest = page(manager, fir, "?subscriptions=2")
    assert "Plan 00" in rest and "Plan 60" not in rest and "11 of 61, active ones first; 53 active" in rest
    part = manager.get(
        f"/accounts/{fir.pk}/?subscriptions=2", headers={"HX-Request": "true", "HX-Target": "subscriptions"}
    ).content.decode()
    assert "<html" not in part and "Plan 00" in part and "More subscriptions" not in part


def test_subscriptions_show_the_custom_attributes_that_have_a_value(manager: Client, company: Company) -> None:
    for key, name in (("channel", "Sales channel"), ("term", "Notice term")):
        AttributeDefinition.objects.create(subject="subscription", key=key, name=name, kind="text")
    fir = company.accounts["Fir"]
    factories.subscription(fir, plan="Growth", mrr=1, mrr_base=1, attributes={"channel": "Reseller North"})
    words = page(manager, fir).split("Open Subscription 360")[1].split("Attributes")[0]
    assert "Sales channel" in words and "Reseller North" in words and "Notice term" not in words


def test_the_parent_and_the_children_are_in_the_head(manager: Client, company: Company) -> None:
    birch = company.accounts["Birch"]
    below = [factories.account(f"Twig {i}", parent=birch) for i in range(7)]
    assert "Part of Birch" in page(manager, below[0])
    words = page(manager, birch)
    assert "Above Twig 0 , Twig 1 , Twig 2 , Twig 3 , Twig 4 , and 2 more" in words and "Part of" not in words
    html = manager.get(f"/accounts/{birch.pk}/").content.decode()
    more = unescape(html.split('">and 2 more</a>')[0].rsplit('"', 1)[1])
    assert sorted(names(manager.get(more).content.decode())) == [one.name for one in below]


def test_a_parent_whom_one_may_not_see_is_not_named(csm: Client, company: Company) -> None:
    Workspace.get()
    Workspace.objects.update(csm_reach=Workspace.Reach.OWN)
    hidden = factories.account("Hidden Holding", mrr=1)
    factories.assign(hidden, company.manager)
    mine = factories.account("Mine", parent=hidden)
    factories.account("Their other", parent=mine)
    factories.assign(mine, company.csm)
    words = page(csm, mine)
    assert "Hidden Holding" not in words and "Above Their other" in words


def test_segments_and_since_when(manager: Client, company: Company) -> None:
    words = page(manager, company.accounts["Elän"])
    today = timezone.now().date()
    assert f"Growth plan since {today.day} {today:%b %Y}" in words
    assert "in 2 of 3" in words


def test_the_timeline_mixes_its_sources_newest_first(manager: Client, company: Company) -> None:
    fir, now = company.accounts["Fir"], timezone.now()
    Note.objects.create(
        account=fir, kind="call", text="Spoke about renewal", at=now - dt.timedelta(days=2), author=company.csm
    )
    AttributeChange.objects.create(
        subject="account",
        object_id=fir.pk,
        key="plan",
        old="Starter",
        new="Growth",
        at=now - dt.timedelta(days=3),
        source="crm",
    )
    words = page(manager, fir)
    order = [words.index(part) for part in ("Joined segment Growth plan", "Spoke about renewal", "Starter → Growth")]
    assert order == sorted(order)
    only = page(manager, fir, "?show=touchpoints")
    assert "Spoke about renewal" in only and "Joined segment" not in only


def test_neighbours_are_those_of_the_list_one_came_from(manager: Client, company: Company) -> None:
    query = f"segment={company.segments['growth'].key}&sort=name"
    html = manager.get(f"/accounts/{company.accounts['Fir'].pk}/?from={quote(query)}").content.decode()
    assert f"/accounts/{company.accounts['Elän'].pk}/?from=" in html.split("data-previous")[0].rsplit("<a", 1)[1]
    assert f"/accounts/{company.accounts['Gum'].pk}/?from=" in html.split("data-next")[0].rsplit("<a", 1)[1]
    assert "Place 2" in text(html)


@pytest.mark.parametrize(
    "query", ["?from=page%3D9999", "?from=%00", "?users=0&before=-1&range=x&show=x", "?users=99999999"]
)
def test_odd_addresses_are_no_error(manager: Client, company: Company, query: str) -> None:
    assert manager.get(f"/accounts/{company.accounts['Fir'].pk}/{query}").status_code in (200, 400)


def test_usage_is_drawn_told_and_tabled(manager: Client, company: Company) -> None:
    alder, name = company.accounts["Alder"], EventName.objects.create(name="Opened")
    users = [factories.end_user() for _ in range(3)]
    today = timezone.now().date()
    for back in range(0, 70):
        for user in users[: 1 + back // 30]:
            DailyUsage.objects.create(account=alder, user=user, name=name, day=today - dt.timedelta(days=back), count=2)
    html = manager.get(f"/accounts/{alder.pk}/").content.decode()
    assert "Weekly active users" in html and "Show as table" in html
    assert 'aria-label="Weekly active users' in html
    here = f"/accounts/{alder.pk}/"
    headers = {"HX-Request": "true", "HX-Target": "usage", "HX-Current-URL": f"http://x{here}?range=30d&users=2&from=q"}
    months = manager.get(f"{here}?range=12m", headers=headers)
    assert b"<html" not in months.content and b"Monthly active users" in months.content
    assert months["HX-Replace-Url"] == f"{here}?users=2&from=q&range=12m"  # a reload shows the same


def test_periods_end_with_the_running_one() -> None:
    today = dt.date(2026, 1, 14)
    assert periods("30d", today)[-1] == today and len(periods("30d", today)) == 30
    assert periods("12w", today)[-1] == dt.date(2026, 1, 12)
    assert periods("12m", today)[0] == dt.date(2025, 2, 1) and periods("12m", today)[-1] == dt.date(2026, 1, 1)


def test_the_finding_compares_whole_periods() -> None:
    points = [
        (dt.date(2026, 1, 5), 10),
        (dt.date(2026, 1, 12), 40),
        (dt.date(2026, 1, 19), 4),
        (dt.date(2026, 1, 26), 1),
    ]
    assert finding(points, "Weekly") == (
        "Weekly active users fell from 10 to 4 between 5 Jan 2026 and 19 Jan 2026. The highest was 40, on 12 Jan 2026."
    )


def test_the_number_of_statements_is_constant(manager: Client, company: Company, query_count: QueryCount) -> None:
    alder = company.accounts["Alder"]
    factories.subscription(alder, mrr=100, mrr_base=100)
    manager.get(f"/accounts/{alder.pk}/")
    with query_count("account page"):
        manager.get(f"/accounts/{alder.pk}/")
    for _ in range(12):
        factories.relationship(alder, role="admin")
        factories.subscription(alder, mrr=10, mrr_base=10)
        Note.objects.create(account=alder, text="x", author=company.csm)
    with query_count("account page"):
        manager.get(f"/accounts/{alder.pk}/")


@pytest.mark.parametrize("address", ["http://[", "http://testserver/[::/", "//evil.example/", "x" * 5_000, "\x00"])
def test_an_open_page_that_is_none_is_passed_over(manager: Client, company: Company, address: str) -> None:
    page = f"/accounts/{company.accounts['Birch'].pk}/"
    part = {"HX-Request": "true", "HX-Target": "usage", "HX-Current-URL": address}
    answer = manager.get(page, {"range": "30d"}, headers=part)
    assert (answer.status_code, answer["HX-Replace-Url"]) == (200, f"{page}?range=30d")
    assert manager.post("/accounts/assign/", {"member": address, "account": "9" * 30}).status_code == 404
