"""Accounts 360: what the address says is what the page shows."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import date, timedelta
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from accounts.models import Account, TeamMember
from core.models import Workspace
from tests import factories
from tests.query_counts import QueryCount
from tests.web.conftest import Company
from tests.web.reading import names, text

pytestmark = pytest.mark.django_db


def chip(**node: object) -> str:
    """A filter as it stands in an address."""
    return "f=" + quote(json.dumps(node))


def test_all_accounts_stand_first_with_the_largest_on_top(manager: Client) -> None:
    html = manager.get("/accounts/").content.decode()
    assert names(html)[:2] == ["Birch", "Elän"]
    assert names(html)[-1] == "Cedar"  # a missing value comes last
    assert "All accounts 6" in text(html)


def test_tabs_keep_the_order_and_leave_hidden_segments_out(manager: Client, company: Company) -> None:
    words = text(manager.get("/accounts/").content.decode())
    assert words.index("Growth plan 3") < words.index("Large 3")
    assert "Hidden one" not in words


def test_a_link_to_a_hidden_segment_still_works(manager: Client, company: Company) -> None:
    html = manager.get(f"/accounts/?segment={company.segments['hidden'].key}").content.decode()
    assert names(html) == ["Birch", "Fir", "Alder"]


def test_a_tab_shows_its_members_and_its_rule_in_words(manager: Client, company: Company) -> None:
    html = manager.get(f"/accounts/?segment={company.segments['growth'].key}").content.decode()
    assert names(html) == ["Elän", "Fir", "Gum"]
    assert "Plan is “Growth”" in text(html)
    assert "$48K a year" in text(html)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("BIRCH", ["Birch"]), ("ELÄ", ["Elän"]), ("alder.exa", ["Alder"]), ("%", []), ("zenith", [])],
)
def test_search_folds_case_and_takes_patterns_literally(manager: Client, wanted: str, found: list[str]) -> None:
    assert names(manager.get("/accounts/", {"q": wanted}).content.decode()) == found


def test_nothing_found_says_so_and_offers_the_wider_search(manager: Client, company: Company) -> None:
    page = manager.get("/accounts/", {"q": "zenith", "segment": company.segments["growth"].key})
    words = text(page.content.decode())
    assert "No accounts match “zenith”" in words
    assert "You are searching 3 accounts in Growth plan" in words
    assert "Search all 6 accounts" in words


@pytest.mark.parametrize(
    ("sort", "first"),
    [
        ("name", "Alder"),
        ("-name", "Gum"),
        ("mrr", "Gum"),
        ("-mrr", "Birch"),
        ("stage", "Cedar"),
        ("custom.region", "Elän"),
        ("team.csm", "Birch"),
        ("active_licences", "Alder"),
    ],
)
def test_every_kind_of_column_sorts(manager: Client, sort: str, first: str, company: Company) -> None:
    html = manager.get("/accounts/", {"sort": sort}).content.decode()
    assert names(html)[0] == first
    if sort not in ("custom.region",):
        assert html.count("aria-sort=") == 1


def test_filters_are_rules_in_the_address(manager: Client) -> None:
    html = manager.get(
        "/accounts/?"
        + chip(field="account.mrr", op="at_least", value=2000)
        + "&"
        + chip(field="account.custom.region", op="is_not", value="APAC")
    ).content.decode()
    assert names(html) == ["Birch", "Fir"]
    assert "MRR is at least $2,000" in text(html)
    assert "2 of 6 accounts" in text(html)
    assert "$11K MRR" in text(html)


def test_a_filter_is_removed_by_its_link(manager: Client) -> None:
    first, second = (
        chip(field="account.plan", op="is", value="Growth"),
        chip(field="account.mrr", op="more_than", value=1),
    )
    html = manager.get(f"/accounts/?{first}&{second}").content.decode()
    assert names(html) == ["Elän", "Fir"]
    only_second = manager.get(f"/accounts/?{second}").content.decode()
    assert names(only_second) == ["Birch", "Elän", "Fir", "Alder"]
    assert 'aria-label="Remove filter: Plan is “Growth”"' in html


@pytest.mark.parametrize(
    "bad",
    [
        "f=nonsense",
        "f=%5B1%5D",
        "f=" + "%7B%22a%22%3A" * 60,
        chip(field="account.gone", op="is", value="x"),
        "region=EMEA",
        "sort=nothing",
        "segment=none",
        "csm=nobody",
    ],
)
def test_what_no_longer_exists_is_left_out_and_named(manager: Client, bad: str) -> None:
    page = manager.get(f"/accounts/?{bad}")
    assert page.status_code == 200
    assert len(names(page.content.decode())) == 6
    assert "no longer exist" in text(page.content.decode())


@pytest.mark.parametrize(
    ("q", "status"), [("a%00b", 400), ("%ED%A0%80", 400), ("x" * 5000, 200), ("%E2%80%AE", 200), ("9" * 400, 200)]
)
def test_hostile_text_in_the_address_is_no_failure(manager: Client, q: str, status: int) -> None:
    for name in ("q", "segment", "sort", "csm", "cols", "page", "f"):
        assert manager.get(f"/accounts/?{name}={q}").status_code == status


def test_csm_me_is_whoever_opens_the_link(csm: Client, manager: Client) -> None:
    assert names(csm.get("/accounts/?csm=me").content.decode()) == ["Alder"]
    assert names(manager.get("/accounts/?csm=me").content.decode()) == ["Birch"]
    mine = "/accounts/?" + chip(field="team.csm", op="is_me")
    assert names(csm.get(mine).content.decode()) == ["Alder"]


def test_a_restricted_csm_sees_own_and_unassigned_accounts_everywhere(csm: Client, company: Company) -> None:
    Workspace.get()
    Workspace.objects.update(csm_reach=Workspace.Reach.OWN)
    html = csm.get("/accounts/").content.decode()
    assert "Birch" not in text(html)
    assert "All accounts 5" in text(html)
    assert "Large 2" in text(html)  # the stored number is 3
    large = csm.get(f"/accounts/?segment={company.segments['large'].key}").content.decode()
    assert names(large) == ["Elän", "Fir"]
    assert "$48K a year" in text(large)
    assert csm.get(f"/accounts/{company.accounts['Birch'].pk}/").status_code == 404
    assert "Birch" not in b"".join(csm.get("/accounts/export/").streaming_content).decode()
    assert "Birch" not in csm.get("/jump/?q=birch").content.decode()
    picker = csm.get("/accounts/filter/?do=add:").content.decode()
    assert "account.name" in picker and "Birch" not in picker  # the dearest account, and so the first example


def test_columns_are_chosen_kept_and_carried_by_a_link(manager: Client, company: Company) -> None:
    manager.post("/accounts/columns/", {"col": ["mrr", "custom.region", "nonsense"], "next": "/accounts/"})
    html = manager.get("/accounts/").content.decode()
    assert 'class="c-custom-region"' in html and "EMEA" in html and 'class="c-plan"' not in html
    company.manager.refresh_from_db()
    assert company.manager.preferences["columns"]["accounts"] == ["mrr", "custom.region"]
    shared = manager.get("/accounts/?cols=plan,stage").content.decode()
    assert 'class="c-plan"' in shared and 'class="c-custom-region"' not in shared


def test_no_more_than_twenty_columns_show(manager: Client) -> None:
    html = manager.get("/accounts/columns/").content.decode()
    keys = [part.split('"')[0] for part in html.split('name="col" value="')[1:]]
    assert len(keys) > 20
    manager.post("/accounts/columns/", {"col": keys, "next": "/accounts/"})
    assert manager.get("/accounts/").content.decode().count('scope="col"') == 22  # the box, the name and twenty


def test_pages_follow_each_other_and_the_count_stays(manager: Client) -> None:
    Account.objects.bulk_create([Account(external_id=f"n{i}", name=f"Numbered {i:03}") for i in range(120)])
    first = manager.get("/accounts/?sort=name").content.decode()
    second = manager.get("/accounts/?sort=name&page=2").content.decode()
    third = manager.get("/accounts/?sort=name&page=3").content.decode()
    seen = names(first) + names(second) + names(third)
    assert len(names(first)) == len(names(second)) == 50
    assert len(seen) == len(set(seen)) == 126
    assert "Page 2 of 3" in text(second)
    assert 'rel="next"' not in third and 'rel="prev"' in third


def test_htmx_gets_a_part_and_history_the_whole_page(manager: Client) -> None:
    part = manager.get("/accounts/", headers={"HX-Request": "true", "HX-Target": "list"})
    assert b"<html" not in part.content and b'id="foot"' in part.content
    assert "HX-Request" in part["Vary"]
    results = manager.get("/accounts/", headers={"HX-Request": "true", "HX-Target": "results"})
    assert b"<html" not in results.content and b'id="strip"' in results.content
    restored = {"HX-Request": "true", "HX-Target": "list", "HX-History-Restore-Request": "true"}
    assert b"<html" in manager.get("/accounts/", headers=restored).content
    assert "HX-Request" in manager.get("/accounts/")["Vary"]


@pytest.mark.parametrize("listed", ["accounts", "subscriptions", "users"])
def test_what_replaces_a_list_brings_every_link_around_it_up_to_date(
    manager: Client, company: Company, listed: str
) -> None:
    key = "user.last_seen_at" if listed == "users" else "plan"
    state = {"q": "a", "sort": "-name" if listed == "users" else "-plan", "cols": key}
    asked = {"HX-Request": "true", "HX-Target": "list", "HX-Trigger": "toolbar"}
    html = manager.get(f"/{listed}/", state, headers=asked).content.decode()
    parts = dict(
        re.findall(r'<(?:ul|span|div) id="([a-z-]+)" hx-swap-oob="innerHTML">(.*?)</(?:ul|span|div)>', html, re.S)
    )
    sorted_too = f"/{listed}/?sort={state['sort']}&amp;cols={key}"
    for name in ("tab-links", "tab-menu"):
        assert sorted_too in parts[name] and "q=a" not in parts[name]
    here = f"/{listed}/?q=a&amp;sort={state['sort']}&amp;cols={key}"
    if listed == "users":
        assert 'name="q" value="a"' in parts["columns-carry"] and 'value="-name"' in parts["columns-carry"]
    else:
        assert f'name="next" value="{here}"' in parts["columns-carry"] and quote(here[:12]) in parts["columns-link"]
    assert parts["sort-links"].count("q=a&amp;sort=") > 0 and "Sort: " in parts["chips"]
    assert "match" in parts["status"]
    assert "popover" in manager.get(f"/{listed}/").content.decode().split('id="sort-menu"')[1].split(">")[0]
    words = manager.get(f"/{listed}/", state, headers=asked | {"HX-Trigger": "sort-c-name"}).content.decode()
    assert "Sorted by " in text(words) and "descending" in text(words)


def test_export_has_the_same_rows_and_no_formula(manager: Client, company: Company) -> None:
    company.accounts["Alder"].name = '=cmd|"/C calc"!A0'
    company.accounts["Alder"].save()
    answer = manager.get("/accounts/export/?sort=name&cols=mrr,plan,custom.region")
    assert answer["Content-Disposition"].startswith('attachment; filename="All_accounts_')
    rows = list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    assert rows[0] == ["Account id", "Account", "MRR", "Plan", "Region"]
    assert len(rows) == 7
    assert rows[1][1] == '\'=cmd|"/C calc"!A0'
    assert [row[2] for row in rows if row[1] == "Birch"] == ["9000.00"]


def test_export_of_ticked_accounts_has_only_those(manager: Client, company: Company) -> None:
    pk = company.accounts["Fir"].pk
    answer = manager.get(f"/accounts/export/?account={pk}&cols=plan")
    assert b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()[1:] == [
        f"{company.accounts['Fir'].external_id},Fir,Growth"
    ]


@pytest.mark.parametrize(("ticked", "found"), [({"scope": "filter"}, ["Elän", "Fir", "Gum"]), ({}, ["Birch", "Gum"])])
def test_the_form_of_the_list_exports_what_is_selected_in_its_order(
    manager: Client, company: Company, ticked: dict[str, str], found: list[str]
) -> None:
    ids = [company.accounts[name].pk for name in ("Gum", "Birch")]  # Birch has left the segment since it was ticked
    back = f"/accounts/?segment={company.segments['growth'].key}&sort=name&cols=plan"
    answer = manager.post("/accounts/export/", {"account": ids, "next": back, **ticked})
    lines = b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()
    assert [line.split(",")[1] for line in lines] == ["Account", *found] and lines[0].endswith(",Plan")


def test_dates_say_how_far_they_are(manager: Client, company: Company) -> None:
    Account.objects.filter(name="Fir").update(renews_on=date.today() + timedelta(days=38))
    assert "in 38 days" in text(manager.get("/accounts/?q=fir").content.decode())


def test_what_is_printed_says_what_is_listed_and_when(manager: Client, company: Company) -> None:
    filtered = chip(field="account.plan", op="is", value="Growth")
    printed = r'<p class="print-only">([^<]*)</p>'
    found = re.search(printed, manager.get(f"/accounts/?segment=large&{filtered}&q=fir&sort=name").content.decode())
    assert found and found[1].startswith(
        "Segment Large. Plan is “Growth”. Search “fir”. 1 account by Account, ascending."
    )
    assert re.search(r"\. Printed \d+ \w+ \d{4}, \d\d:\d\d UTC\.$", found[1])
    for address in ("/subscriptions/?status=active", "/users/?q=a"):
        assert re.search(printed, manager.get(address).content.decode())


def test_markup_in_names_is_text(manager: Client) -> None:
    factories.account("<script>alert(1)</script>", attributes={}, domain='"><img src=x>')
    html = manager.get("/accounts/?cols=domain").content.decode()
    assert "<script>alert(1)" not in html and "<img src=x>" not in html


def test_the_number_of_statements_does_not_grow(manager: Client, query_count: QueryCount, company: Company) -> None:
    manager.get("/accounts/")
    with query_count("accounts list"):
        manager.get("/accounts/")
    for i in range(60):
        factories.assign(factories.account(f"More {i}", stage_id="live"), company.csm)
    with query_count("accounts list"):
        assert len(names(manager.get("/accounts/?page=1").content.decode())) == 50
    filtered = f"/accounts/?segment={company.segments['large'].key}&" + chip(
        field="account.mrr", op="at_least", value=1
    )
    manager.get(filtered)
    with query_count("accounts list, filtered"):
        manager.get(filtered)


def test_strangers_are_sent_to_the_log_in(client: Client, company: Company) -> None:
    for path in (
        "/",
        "/accounts/",
        f"/accounts/{company.accounts['Fir'].pk}/",
        "/subscriptions/",
        "/segments/",
        "/segments/new/",
        "/accounts/export/",
        "/jump/",
        "/accounts/filter/",
    ):
        answer = client.get(path)
        assert answer.status_code == 302 and answer["Location"].startswith("/login/")


def test_a_viewer_has_no_bulk_assignment(browse: Callable[[TeamMember], Client], company: Company) -> None:
    client = browse(company.viewer)
    assert "Assign CSM" not in client.get("/accounts/").content.decode()
    data = {"account": company.accounts["Fir"].pk, "member": company.csm.key}
    assert client.post("/accounts/assign/", data).status_code == 403


def test_markup_in_a_value_is_shown_as_text(manager: Client, company: Company) -> None:
    Account.objects.filter(name="Birch").update(plan='<b>&"x', attributes={"region": "<i>y</i>"})
    html = manager.get("/accounts/?cols=plan,custom.region,mrr,active_licences").content.decode()
    assert "<b>&" not in html and "<i>y" not in html
    assert "&lt;b&gt;&amp;&quot;x" in html and "&lt;i&gt;y&lt;/i&gt;" in html


def test_a_large_count_is_kept_but_never_told_to_somebody_who_sees_nobody(
    manager: Client, company: Company, browse: Callable[[User], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.tabs.COUNT_CAP", 3)
    assert "All accounts 6" in text(manager.get("/accounts/").content.decode())
    factories.account("Seventh")
    assert "All accounts 6" in text(manager.get("/accounts/").content.decode())
    stranger = browse(User.objects.create_user("stranger"))
    assert "All accounts 0" in text(stranger.get("/accounts/").content.decode())
    cache.clear()
    assert "All accounts 7" in text(manager.get("/accounts/").content.decode())
