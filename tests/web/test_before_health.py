"""Pages where health was not set up yet: they work, and say what to do."""

from __future__ import annotations

from collections.abc import Callable

from django.test import Client

from accounts.models import Account, TeamMember
from core.clock import moment
from health.models import HealthConfig
from health.stock import DEFAULT
from tests.web.conftest import Company
from tests.web.reading import text


def page_of(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return text(answer.content.decode())


def test_a_portfolio_says_what_to_do(browse: Callable[[TeamMember], Client], manager: Client, company: Company) -> None:
    assert "A manager can assign accounts to you" in page_of(browse(company.viewer), "/portfolio/")
    told = page_of(manager, f"/portfolio/?who=member:{company.viewer.key}")
    assert f"No account is assigned to {company.viewer.name}" in told
    assert "No account is scored yet" in page_of(manager, "/portfolio/?who=everybody")
    Account.objects.all().update(archived_at=moment().now)
    assert "No accounts yet" in page_of(manager, "/portfolio/?who=everybody")
    told = "No accounts yet Send your first group call ( Sources ) or import a CSV file ( Imports )."
    assert told in page_of(manager, "/accounts/")
    assert "They come with the first group call" in page_of(browse(company.viewer), "/accounts/")


def test_an_account_without_scores_says_so(manager: Client, company: Company) -> None:
    page = page_of(manager, f"/accounts/{company.accounts['Alder'].pk}/?span=nonsense")
    assert "No score in this period yet" in page


def test_nobody_has_set_any(manager: Client, company: Company) -> None:
    assert "Nobody has set health by hand" in page_of(manager, "/health/overrides/")


def test_without_health_the_list_is_as_it_was(manager: Client, company: Company) -> None:
    head = manager.get("/accounts/").content.decode().split("<thead")[1].split("</thead")[0]
    assert "Main reason" not in head and "Lifecycle stage" in text(head)
    assert 'aria-label="Lifecycle stages: ' in manager.get("/accounts/").content.decode()


def test_an_empty_page_leads_to_the_wizard(manager: Client, company: Company) -> None:
    assert "Set up health" in text(manager.get("/health/").content.decode())
    for _ in range(2):
        manager.post("/health/start/", {"for": "everybody", "do": "ready"})
        assert HealthConfig.objects.get().definition == DEFAULT
