"""The segment builder as a plain form: add, choose, fill, save; and what happens when something is wrong."""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import quote

import pytest
from django.http import QueryDict
from django.test import Client

from core.clock import moment
from segments.models import Segment, SegmentVersion
from segments.refresh import refresh_due
from segments.rule_words import day_words
from tests import factories
from tests.query_counts import QueryCount
from tests.web.conftest import Company
from tests.web.reading import fields, text

pytestmark = pytest.mark.django_db


def send(client: Client, path: str, form: QueryDict, **changes: Any) -> Any:
    """Submit a page's form with something typed or a button pressed."""
    data = form.copy()
    for name, value in changes.items():
        data[name.replace("__", ".")] = value
    return client.post(path, data.urlencode(), content_type="application/x-www-form-urlencoded")


def opened(client: Client, path: str) -> QueryDict:
    """The form of a page as it opens."""
    return fields(client.get(path).content.decode())


def test_a_segment_is_built_without_any_script(manager: Client, company: Company) -> None:
    path = "/segments/new/"
    form = fields(send(manager, path, opened(manager, path), do="add:n").content.decode())
    assert form.getlist("n.0.field") == [""]
    form = fields(send(manager, path, form, n__0__field="account.mrr", do="update").content.decode())
    assert form["n.0.op"] == "at_least"
    form = fields(send(manager, path, form, n__0__value="2,000", do="add:n:user.title").content.decode())
    assert (form["n.1.rows"], form["n.1.quantifier"], form["n.1.0.field"]) == ("users", "any", "user.title")
    saved = send(manager, path, form, n__1__0__value="Buyer", n__1__quantifier="none", name="Built by hand")
    segment = Segment.objects.get(name="Built by hand")
    assert saved["Location"] == f"/segments/?segment={segment.pk}&rev={segment.requested_rev}"
    assert segment.rule == {
        "match": "all",
        "rules": [
            {"field": "account.mrr", "op": "at_least", "value": 2000},
            {
                "users": "none",
                "where": {"match": "all", "rules": [{"field": "user.title", "op": "is", "value": "Buyer"}]},
            },
        ],
    }


def test_saving_says_who_joined_once_the_refresh_was_seen(manager: Client, company: Company) -> None:
    growth = company.segments["growth"]
    path = f"/segments/{growth.pk}/edit/"
    to = send(manager, path, opened(manager, path), n__0__value="Enterprise")["Location"]
    progress = "/segments/refresh/progress/?" + to.split("?")[1]
    htmx = {"HX-Request": "true", "HX-Target": "refresh"}
    assert "waits for its refresh" in manager.get(progress, headers=htmx).content.decode()
    refresh_due()
    done = manager.get(progress, headers=htmx)
    assert done.status_code == 286 and "Segment saved. 1 account joined and 3 left." in text(done.content.decode())


def test_saving_without_a_change_asks_for_a_refresh_and_makes_no_version(manager: Client, company: Company) -> None:
    growth = company.segments["growth"]
    path = f"/segments/{growth.pk}/edit/"
    send(manager, path, opened(manager, path))
    growth.refresh_from_db()
    assert growth.due and growth.version == 1 and SegmentVersion.objects.filter(segment=growth).count() == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n__0__value": ""}, "A value is missing."),
        ({"name": ""}, "Enter a name"),
        ({"name": "LARGE"}, "There is already a segment named"),
        ({"name": "x" * 121}, "at most 120"),
        ({"n__0__field": "account.gone"}, "There is no field “account.gone”"),
        ({"n__0__field": "account.mrr", "n__0__op": "at_least", "n__0__value": "lots"}, "Expected a number"),
        ({"n__0__field": "account.renews_on", "n__0__op": "within_next", "n__0__value": "-3"}, "Enter a number from 1"),
        ({"n__0__op": "matches", "n__0__value": "(("}, "The pattern cannot be read"),
    ],
)
def test_a_mistake_is_told_at_its_place_and_nothing_typed_is_lost(
    manager: Client, company: Company, changes: dict[str, str], words: str
) -> None:
    growth = company.segments["growth"]
    path = f"/segments/{growth.pk}/edit/"
    answer = send(manager, path, opened(manager, path), description="Typed before", **changes)
    assert answer.status_code == 422
    page = answer.content.decode()
    assert words in text(page) and "Not saved." in text(page)
    assert fields(page)["description"] == "Typed before"
    if "n__0__value" in changes and changes["n__0__value"] and "field" not in str(changes):
        assert fields(page)["n.0.value"] == changes["n__0__value"]
    growth.refresh_from_db()
    assert growth.rule["rules"][0]["value"] == "Growth" and growth.version == 1


def test_a_segment_saved_by_another_meanwhile_is_not_overwritten_unseen(manager: Client, company: Company) -> None:
    growth = company.segments["growth"]
    path = f"/segments/{growth.pk}/edit/"
    mine = opened(manager, path)
    send(manager, path, opened(manager, path), n__0__value="Starter")
    answer = send(manager, path, mine, n__0__value="Enterprise")
    page = answer.content.decode()
    assert answer.status_code == 422 and "was changed meanwhile" in text(page) and "Plan is “Starter”" in text(page)
    again = fields(page)
    assert again.getlist("n.0.value") == ["Enterprise"]
    assert send(manager, path, again).status_code == 302
    versions = SegmentVersion.objects.filter(segment=growth).order_by("number")
    assert [item.rule["rules"][0]["value"] for item in versions] == ["Growth", "Starter", "Enterprise"]


def test_a_circle_is_refused_with_its_path(manager: Client, company: Company) -> None:
    growth = company.segments["growth"]
    user = factories.segment("Uses it", {"segment": growth.key, "op": "in"})
    path = f"/segments/{growth.pk}/edit/"
    answer = send(manager, path, opened(manager, path), n__0__field="segment", n__0__op="in", n__0__segment=user.key)
    assert "Growth plan → Uses it → Growth plan" in text(answer.content.decode())


def test_the_filters_of_a_list_become_a_segment(manager: Client, company: Company) -> None:
    chip = quote('{"field":"account.mrr","op":"more_than","value":1}')
    query = quote(f"segment={company.segments['growth'].key}&f={chip}")
    form = opened(manager, f"/segments/new/?from={query}")
    assert (form["n.0.field"], form["n.0.segment"]) == ("segment", company.segments["growth"].key)
    assert (form["n.1.field"], form["n.1.op"], form["n.1.value"]) == ("account.mrr", "more_than", "1")
    send(manager, f"/segments/new/?from={query}", form, name="Paying growth")
    refresh_due()
    assert Segment.objects.get(name="Paying growth").member_count == 2


def test_the_csm_of_a_list_becomes_a_condition_about_that_colleague(manager: Client, company: Company) -> None:
    assert "/segments/new/?from=csm%3Dme" in manager.get("/accounts/?csm=me").content.decode()
    form = opened(manager, "/segments/new/?from=csm%3Dme")
    assert (form["n.0.field"], form["n.0.op"], form["n.0.value"]) == ("team.csm", "is", company.manager.key)
    send(manager, "/segments/new/", form, name="Mine")
    refresh_due()
    assert Segment.objects.get(name="Mine").member_count == 1


def test_the_preview_counts_joins_leaves_and_each_condition_alone(manager: Client, company: Company) -> None:
    growth = company.segments["growth"]
    form = opened(manager, f"/segments/{growth.pk}/edit/")
    answer = send(
        manager,
        "/segments/preview/",
        form,
        **{"n__1__field": "account.mrr", "n__1__op": "at_least", "n__1__value": "2000"},
    )
    html = answer.content.decode()
    assert "2 of 6 accounts match" in text(html)
    assert "▲ 0 join · ▼ 1 leaves" in text(html)
    assert '<span id="alone-n-0" hx-swap-oob="innerHTML">3</span>' in html
    assert '<span id="alone-n-1" hx-swap-oob="innerHTML">3</span>' in html
    assert "In words: Plan is “Growth” and MRR is at least $2,000." in text(html)
    assert "Contained: All 2 accounts that match are in Large too, today." in text(html)
    alone = send(manager, "/segments/preview/", opened(manager, "/segments/new/"), **{
        "n__0__field": "account.mrr", "n__0__op": "more_than", "n__0__value": "1999",
    }).content.decode()  # fmt: skip
    assert "Identical: The 3 accounts that match are just those of Large today." in text(alone)


def test_a_relative_condition_says_which_days_it_means_today(manager: Client, company: Company) -> None:
    today = moment().today
    form = opened(manager, f"/segments/{company.segments['growth'].pk}/edit/")
    asked = {"n__1__field": "account.renews_on", "n__1__op": "within_next", "n__1__value": "90", "n__1__unit": "day"}
    html = send(manager, "/segments/preview/", form, **asked).content.decode()
    until = f"until {day_words(today + dt.timedelta(days=90))}"
    assert f'<span id="days-n-1" hx-swap-oob="innerHTML">{until}</span>' in html
    assert '<span id="days-n-0" hx-swap-oob="innerHTML"></span>' in html
    changed = send(manager, "/segments/preview/", form, **asked | {"n__1__value": "30"}).content.decode()
    assert f"until {day_words(today + dt.timedelta(days=30))}" in changed
    whole = send(manager, f"/segments/{company.segments['growth'].pk}/edit/", form, **asked | {"do": "update"})
    assert f'id="days-n-1">{until}</span>' in whole.content.decode()


def test_an_unfinished_preview_says_what_is_missing_and_where(manager: Client, company: Company) -> None:
    form = opened(manager, f"/segments/{company.segments['growth'].pk}/edit/")
    html = send(manager, "/segments/preview/", form, n__0__value="").content.decode()
    assert "Not counted" in text(html) and "A value is missing." in html.split('id="error-n-0"')[1].split("</div>")[0]


def test_hostile_forms_are_no_failure(manager: Client, company: Company) -> None:
    for data in (
        {"n." + ".".join("0" * 60) + ".field": "x"},
        {"n.0": "x"},
        {"n.x.y.z": "1"},
        {"do": "remove:n"},
        {"do": "drop:n:9"},
        {"do": "field:n:account.mrr"},
        {"do": "copy:n"},
        {"do": "out:n.7"},
        {"n.match": "perhaps"},
        {"root": "<b>"},
        {"n.0.rows": "users"},
        {"n.0.rows": "planets"},
        {"n.0.field": "account.mrr", "n.0.value": "9" * 5000},
    ):
        assert manager.post("/segments/rule/", data).status_code == 200, data
        assert manager.post("/segments/preview/", data).status_code == 200, data
        assert manager.post("/segments/new/", data | {"name": "X"}).status_code in (200, 302, 422), data


def test_a_tree_deeper_than_the_screen_offers_is_kept(manager: Client, company: Company) -> None:
    inner: dict[str, Any] = {"field": "account.plan", "op": "is", "value": "Growth"}
    for match in ("any", "none", "all", "any"):
        inner = {"match": match, "rules": [inner]}
    segment = factories.segment("Deep", inner)
    path = f"/segments/{segment.pk}/edit/"
    form = opened(manager, path)
    assert "Add group" not in manager.get(path).content.decode().split('id="row-n-0-0-0"')[1].split("rule-add")[1]
    send(manager, path, form)
    segment.refresh_from_db()
    assert segment.rule == {"match": "all", "rules": [inner]} and segment.version == 1


def test_the_number_of_statements_is_constant(manager: Client, company: Company, query_count: QueryCount) -> None:
    small, path = company.segments["growth"], "/segments/{}/edit/"
    big = factories.segment("Big", *[{"field": "account.mrr", "op": "at_least", "value": i} for i in range(12)])
    manager.get(path.format(small.pk))
    with query_count("segment builder"):
        manager.get(path.format(small.pk))
    with query_count("segment builder"):
        manager.get(path.format(big.pk))
