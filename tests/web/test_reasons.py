"""Why an account is in a segment, on its page and in the builder."""

from __future__ import annotations

from django.test import Client

from accounts.models import Account
from core.models import Workspace
from segments.models import Segment
from tests import factories
from tests.web.conftest import Company
from tests.web.reading import fields, text
from tests.web.test_builder import opened, send

HTMX = {"HX-Request": "true"}


def test_the_page_of_an_account_says_why_it_is_in_each_segment_and_why_not(manager: Client, company: Company) -> None:
    factories.segment(
        "Nearly",
        {"field": "account.plan", "op": "is", "value": "Starter"},
        {"field": "account.mrr", "op": "at_least", "value": 501},
    )
    page = text(manager.get(f"/accounts/{company.accounts['Alder'].pk}/segments/").content.decode())
    assert "In 1 segment Hidden one since" in page and "A match. The condition is met." in page
    assert "Lifecycle stage is Live: Live Met" in page
    assert "Nearly One condition away Not a match. 1 of 2 conditions is met." in page
    assert "MRR is at least $501: $500 Not met" in page
    assert page.index("Nearly") < page.index("Growth plan")


def test_one_segment_or_the_others_come_as_parts(manager: Client, company: Company) -> None:
    path = f"/accounts/{company.accounts['Fir'].pk}/segments/"
    one = manager.get(f"{path}?segment=large", headers=HTMX).content.decode()
    assert "<html" not in one and "MRR is at least $2,000: $2,000 Met" in text(one)
    others = text(manager.get(path, headers=HTMX).content.decode())
    assert others == "It is in every segment."
    whole = manager.get(f"{path}?segment=large").content.decode()
    assert "<html" in whole and "Growth plan" not in text(whole)


def test_an_account_that_may_not_be_seen_has_no_reasons(csm: Client, company: Company) -> None:
    company_workspace_restricted()
    assert csm.get(f"/accounts/{company.accounts['Birch'].pk}/segments/").status_code == 404


def company_workspace_restricted() -> None:
    workspace = Workspace.get()
    workspace.csm_reach = Workspace.Reach.OWN
    workspace.save()


def test_the_builder_checks_an_account_against_what_is_not_saved(manager: Client, company: Company) -> None:
    path = f"/segments/{company.segments['large'].pk}/edit/"
    form = opened(manager, path)
    for typed in ("Alder", "alder", company.accounts["Alder"].external_id, "ald"):
        page = send(manager, path, form, n__0__value="600", check=typed, do="check").content.decode()
        assert "Alder : Not a match. The condition is not met. MRR is at least $600: $500 Not met" in text(page)
        assert fields(page)["n.0.value"] == "600", "nothing that was typed is lost"
    part = send(manager, "/segments/check-account/", form, check="Birch").content.decode()
    assert "Birch : A match." in text(part) and 'id="status"' in part
    assert Segment.objects.get(key="large").version == 1


def test_what_cannot_be_checked_says_why(manager: Client, company: Company) -> None:
    form = opened(manager, f"/segments/{company.segments['large'].pk}/edit/")
    factories.account("Fir", external_id="fir-two")

    def said(**changes: str) -> str:
        return text(send(manager, "/segments/check-account/", form, **changes).content.decode())

    assert "No account that you may see is called “Yew”." in said(check="Yew")
    assert "More than one account fits: Fir (" in said(check="Fir")
    assert "Type the name of an account" in said(check="  ")
    assert "Not checked: " in said(check="Alder", n__0__value="")


def test_a_sample_account_opens_its_reason(manager: Client, company: Company) -> None:
    page = manager.get(f"/segments/{company.segments['large'].pk}/edit/").content.decode()
    birch = company.accounts["Birch"].pk
    assert f'hx-post="/segments/check-account/?account={birch}"' in page
    form = fields(page)
    part = send(manager, f"/segments/check-account/?account={birch}", form).content.decode()
    assert "MRR is at least $2,000: $9,000 Met" in text(part)


def test_names_are_offered_while_one_types(manager: Client, csm: Client, company: Company) -> None:
    assert 'value="Elän"' in manager.get("/accounts/names/?check=el").content.decode()
    assert 'value="Cedar"' in manager.get("/accounts/names/?check=dar").content.decode()
    assert "option" not in manager.get("/accounts/names/?check=").content.decode()
    assert Account.objects.filter(name="Birch").exists()
    company_workspace_restricted()
    assert "option" not in csm.get("/accounts/names/?check=bir").content.decode()


def test_only_who_may_edit_checks_unsaved_rules(csm: Client, company: Company) -> None:
    page = csm.get(f"/segments/{company.segments['large'].pk}/edit/").content.decode()
    assert "Check an account" not in page
