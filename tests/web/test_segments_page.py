"""The segment list: order, visibility, cloning, switching off, refreshing."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Account, TeamMember
from segments.models import RefreshRun, Segment
from segments.refresh import refresh_due, refresh_segments
from tests import factories
from tests.query_counts import QueryCount
from tests.web.conftest import Company
from tests.web.reading import text
from tests.web.test_actions import said, undo_token

pytestmark = pytest.mark.django_db


def order() -> list[str]:
    """The names in the company's order."""
    return list(Segment.objects.in_tab_order().values_list("name", flat=True))


def listed(html: str) -> list[str]:
    """The names as the page has them."""
    return re.findall(r'data-name="(.*?)"', html)


def test_rows_tell_rule_members_value_and_trend(manager: Client, company: Company) -> None:
    Account.objects.filter(name="Cedar").update(plan="Growth", folded={"plan": "growth", "name": "cedar"})
    refresh_segments()
    words = text(manager.get("/segments/").content.decode())
    assert "Growth plan Plan is “Growth” 4 accounts in Growth plan $48K ▲ 1 joined · ▼ 0 left" in words


def test_moving_up_and_down_and_back(manager: Client, company: Company) -> None:
    large = company.segments["large"]
    answer = manager.post(f"/segments/{large.pk}/move/", {"dir": "-1"})
    assert order() == ["Large", "Growth plan", "Hidden one"]
    assert said(answer) == ["Large moved to position 1 of 3."]
    manager.post(f"/undo/{undo_token(answer)}/")
    assert order() == ["Growth plan", "Large", "Hidden one"]
    manager.post(f"/segments/{large.pk}/move/", {"place": "3"})
    assert order() == ["Growth plan", "Hidden one", "Large"]
    assert listed(manager.get("/segments/").content.decode()) == order()


@pytest.mark.parametrize(
    "data", [{"dir": "-1"}, {"place": "0"}, {"place": "-4"}, {"place": "x"}, {"place": "99999999999"}, {}]
)
def test_odd_moves_stay_within_the_list(manager: Client, company: Company, data: dict[str, str]) -> None:
    assert manager.post(f"/segments/{company.segments['growth'].pk}/move/", data).status_code == 302
    assert sorted(order()) == ["Growth plan", "Hidden one", "Large"]


def test_a_move_by_htmx_answers_with_rows_and_notice(manager: Client, company: Company) -> None:
    headers = {"HX-Request": "true", "HX-Target": "seg-rows"}
    html = manager.post(
        f"/segments/{company.segments['growth'].pk}/move/", {"dir": "1"}, headers=headers
    ).content.decode()
    assert listed(html) == ["Large", "Growth plan", "Hidden one"]
    assert "moved to position 2 of 3" in html and "<html" not in html and 'id="notices"' in html


def test_visibility_shows_and_hides_the_tab(manager: Client, company: Company) -> None:
    pk = company.segments["hidden"].pk
    answer = manager.post(f"/segments/{pk}/visibility/", {"visible": "1"})
    assert "Hidden one 3" in text(manager.get("/accounts/").content.decode())
    manager.post(f"/undo/{undo_token(answer)}/")
    assert not Segment.objects.get(pk=pk).visible


def test_a_switch_leaves_the_rows_of_what_is_searched_for(manager: Client, company: Company) -> None:
    page = manager.get("/segments/?q=hid").content.decode()
    assert re.search(r'id="seg-rows"[^>]*hx-include="#sq"', page)
    pk, headers = company.segments["hidden"].pk, {"HX-Request": "true", "HX-Target": "seg-rows"}
    for what, value in (("visibility", {"visible": "1"}), ("active", {"active": "0"})):
        html = manager.post(f"/segments/{pk}/{what}/", {"q": "hid"} | value, headers=headers).content.decode()
        assert listed(html) == ["Hidden one"] and "Clear the search" in html


def test_a_clone_stands_under_the_original_hidden_and_opens(manager: Client, company: Company) -> None:
    answer = manager.post(f"/segments/{company.segments['growth'].pk}/clone/")
    copy = Segment.objects.get(name="Growth plan (copy)")
    assert answer["Location"] == f"/segments/{copy.pk}/edit/#name"  # where the browser puts the focus
    assert order() == ["Growth plan", "Growth plan (copy)", "Large", "Hidden one"]
    assert not copy.visible and copy.rule == company.segments["growth"].rule
    manager.post(f"/undo/{undo_token(answer)}/")
    assert order() == ["Growth plan", "Large", "Hidden one"]


def test_a_copy_that_is_used_since_stays_and_says_by_what(manager: Client, company: Company) -> None:
    token = undo_token(manager.post(f"/segments/{company.segments['growth'].pk}/clone/"))
    copy = Segment.objects.latest("pk")
    factories.segment("Built on it", {"segment": copy.key, "op": "in"})
    page = text(manager.post(f"/undo/{token}/", follow=True).content.decode())
    assert f"{copy.name} is used by segment “Built on it”. Remove it there first." in page
    assert Segment.objects.filter(pk=copy.pk).exists()


def test_a_segment_is_not_switched_off_by_undo_while_something_uses_it(manager: Client, company: Company) -> None:
    growth = company.segments["growth"]
    manager.post(f"/segments/{growth.pk}/active/", {"active": "0"})
    token = undo_token(manager.post(f"/segments/{growth.pk}/active/", {"active": "1"}))
    factories.segment("Built on it", {"segment": growth.key, "op": "in"})
    page = text(manager.post(f"/undo/{token}/", follow=True).content.decode())
    assert f"{growth.name} is used by segment “Built on it”." in page


def test_a_segment_that_names_what_is_gone_is_not_cloned_and_says_so(manager: Client, company: Company) -> None:
    growth = company.segments["growth"]
    Segment.objects.filter(pk=growth.pk).update(
        rule={"match": "all", "rules": [{"field": "account.gone", "op": "is_set"}]}
    )
    page = text(manager.post(f"/segments/{growth.pk}/clone/", follow=True).content.decode())
    assert f"{growth.name} cannot be cloned: There is no field “account.gone”." in page


def test_a_segment_in_use_is_neither_deleted_nor_switched_off(manager: Client, company: Company) -> None:
    growth = company.segments["growth"]
    factories.segment("Uses it", {"segment": growth.key, "op": "in"})
    for step in ("delete", "active"):
        answer = manager.post(f"/segments/{growth.pk}/{step}/", {"active": "0"})
        assert "is used by segment “Uses it”" in said(answer)[-1]
    assert Segment.objects.get(pk=growth.pk).active
    page = text(manager.get(f"/segments/{growth.pk}/edit/").content.decode())
    assert "It is used by segment “Uses it”. Remove it there first." in page and "Delete segment" not in page


def test_an_unused_segment_is_deleted(manager: Client, company: Company) -> None:
    manager.post(f"/segments/{company.segments['large'].pk}/delete/")
    assert order() == ["Growth plan", "Hidden one"]


def test_switching_off_empties_and_switching_on_fills(manager: Client, company: Company) -> None:
    pk = company.segments["growth"].pk
    manager.post(f"/segments/{pk}/active/", {"active": "0"})
    refresh_due()
    assert Segment.objects.get(pk=pk).member_count == 0
    manager.get("/accounts/")  # says once that it was switched off
    assert "Growth plan" not in text(manager.get("/accounts/").content.decode())
    manager.post(f"/segments/{pk}/active/", {"active": "1"})
    refresh_due()
    assert Segment.objects.get(pk=pk).member_count == 3


def test_search_finds_by_name_and_locks_the_order(manager: Client, company: Company) -> None:
    html = manager.get("/segments/?q=LAR").content.decode()
    assert listed(html) == ["Large"]
    assert "Clear the search to change the order" in html


def test_frozen_and_stale_segments_say_so(manager: Client, company: Company) -> None:
    Segment.objects.filter(pk=company.segments["large"].pk).update(error="There is no field “account.gone”.")
    old = timezone.now() - dt.timedelta(hours=26, minutes=5)
    Segment.objects.filter(pk=company.segments["growth"].pk).update(refreshed_at=old)
    words = text(manager.get("/segments/").content.decode())
    assert "Frozen There is no field “account.gone”." in words
    assert "Refreshed 26 h ago" in words


def test_refresh_now_shows_real_progress_and_ends(manager: Client, company: Company) -> None:
    htmx = {"HX-Request": "true", "HX-Target": "refresh"}
    html = manager.post("/segments/refresh/", headers=htmx).content.decode()
    after = int(re.search(r"after=(\d+)", html).group(1))  # type: ignore[union-attr]
    address = f"/segments/refresh/progress/?after={after}"
    waiting = manager.get(address, headers=htmx)
    assert waiting.status_code == 200 and "waiting for the background worker" in waiting.content.decode()
    running = RefreshRun.objects.create(trigger="hand", now=timezone.now(), total=7, done=3)
    assert "3 of 7 segments" in text(manager.get(address, headers=htmx).content.decode())
    running.delete()
    Account.objects.filter(name="Cedar").update(plan="Growth", folded={"plan": "growth"})
    refresh_due()
    done = manager.get(address, headers=htmx)
    assert done.status_code == 286
    assert "Segments refreshed. 1 account joined and 0 left a segment." in text(done.content.decode())


def test_refresh_without_scripts_goes_by_pages(manager: Client, company: Company) -> None:
    to = manager.post("/segments/refresh/")["Location"]
    assert "See how far it is" in text(manager.get(to).content.decode())
    refresh_due()
    answer = manager.get("/segments/refresh/progress/?" + to.split("?")[1])
    assert answer["Location"] == "/segments/" and said(answer)


def test_only_editors_change_segments_and_everybody_reads_them(
    browse: Callable[[TeamMember], Client], company: Company
) -> None:
    client, pk = browse(company.csm), company.segments["growth"].pk
    words = text(client.get("/segments/").content.decode())
    assert "Only administrators and managers can change segments." in words and "Clone" not in words
    for path in (
        f"/segments/{pk}/move/",
        f"/segments/{pk}/clone/",
        f"/segments/{pk}/delete/",
        f"/segments/{pk}/active/",
        f"/segments/{pk}/visibility/",
        f"/segments/{pk}/edit/",
        "/segments/new/",
        "/segments/preview/",
        "/segments/rule/",
        "/segments/refresh/",
    ):
        assert client.post(path).status_code == 403, path
    rule = text(client.get(f"/segments/{pk}/edit/").content.decode())
    assert "Plan is “Growth”" in rule and "Save" not in rule.split("Condition")[0]


def test_the_number_of_statements_is_constant(manager: Client, company: Company, query_count: QueryCount) -> None:
    manager.get("/segments/")
    with query_count("segment list"):
        manager.get("/segments/")
    for i in range(20):
        factories.segment(f"More {i}", {"field": "account.mrr", "op": "at_least", "value": i}, refreshed=False)
    refresh_due()
    with query_count("segment list"):
        manager.get("/segments/")
