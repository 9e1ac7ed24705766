"""Remarks on segments and their overlap, on their pages and in the builder."""

from __future__ import annotations

from django.test import Client

from accounts.models import Account
from core.models import Workspace
from tests import factories
from tests.web.conftest import Company
from tests.web.reading import text
from tests.web.test_builder import opened, send


def test_the_page_names_each_segment_with_its_remarks(manager: Client, csm: Client, company: Company) -> None:
    factories.segment("Nobody", {"field": "account.mrr", "op": "at_least", "value": 9e9})
    for client in (manager, csm):
        page = text(client.get("/segments/check/").content.decode())
        assert "Nobody Empty: No account is in it today." in page
        assert "Hidden one Unused: It is not shown among the tabs, and nothing uses it." in page
        assert "Growth plan" not in page


def test_the_overlap_is_a_table_with_counts_and_shares(manager: Client, company: Company) -> None:
    page = manager.get("/segments/overlap/").content.decode()
    assert "Growth plan 3 – itself 2 67% 1 33%" in text(page)
    assert 'scope="row"' in page and "<caption" in page


def test_segments_of_users_overlap_in_people(manager: Client, company: Company) -> None:
    path = "/segments/overlap/?subject=user"
    assert "There is no active segment of users yet." in text(manager.get(path).content.decode())
    account = Account.objects.get(name="Alder")
    for name in ("Ann", "Bo"):
        factories.relationship(account, factories.end_user(name))
    factories.segment("Everyone", subject="user")
    factories.segment("Anns", {"field": "user.name", "op": "is", "value": "Ann"}, subject="user")
    page = text(manager.get(path).content.decode())
    assert "Everyone 2 – itself 1 50%" in page and "Anns 1 1 100% – itself" in page and "Growth plan" not in page
    assert "Everyone" not in text(manager.get("/segments/overlap/").content.decode())


def test_who_sees_only_some_accounts_does_not_see_counts_of_all(csm: Client, manager: Client, company: Company) -> None:
    workspace = Workspace.get()
    workspace.csm_reach = Workspace.Reach.OWN
    workspace.save()
    for path in ("/segments/check/", "/segments/overlap/"):
        assert csm.get(path).status_code == 403
        assert manager.get(path).status_code == 200


def test_the_builder_notes_what_can_never_match_while_one_edits(manager: Client, company: Company) -> None:
    path = f"/segments/{company.segments['large'].pk}/edit/"
    form = opened(manager, path)
    assert "Notes" not in text(send(manager, "/segments/preview/", form).content.decode())
    form["n.1.field"], form["n.1.op"], form["n.1.value"] = "account.mrr", "at_most", "5"
    part = text(send(manager, "/segments/preview/", form).content.decode())
    assert "Notes Never true: No value of MRR meets all of this: MRR is at least $2,000; MRR is at most $5." in part
