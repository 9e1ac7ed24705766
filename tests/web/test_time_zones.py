"""In which zone pages show times: one's own, else the workspace's; what rules mean is not moved by it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from accounts.models import TeamMember
from alerts.models import NoticeSettings
from core.models import ApiToken, Workspace
from segments.models import AccountMembership
from tests import factories
from tests.web.conftest import Company
from tests.web.reading import text

EAST, WEST = "Pacific/Tongatapu", "Pacific/Pago_Pago"  # UTC+13 and UTC-11, without summer time
MIDNIGHT = dt.datetime(2026, 3, 10, 11, 0, tzinfo=dt.UTC)  # in both of them: it begins the 11th, and the 10th
JUST = dt.timedelta(minutes=1)
EARLIER = {EAST: "10 Mar 2026", WEST: "9 Mar 2026"}
LATER = {EAST: "11 Mar 2026", WEST: "10 Mar 2026"}


@pytest.mark.parametrize("zone", [EAST, WEST])
@pytest.mark.parametrize("own", [False, True])
def test_since_is_the_day_where_the_reader_is(
    company: Company, browse: Callable[[TeamMember], Client], zone: str, own: bool
) -> None:
    Workspace.objects.update_or_create(pk=1, defaults={"time_zone": "UTC" if own else zone})
    if own:
        NoticeSettings.objects.create(member=company.manager, time_zone=zone)
    client, account = browse(company.manager), company.accounts["Fir"]
    for at, day in ((MIDNIGHT - JUST, EARLIER[zone]), (MIDNIGHT, LATER[zone])):
        AccountMembership.objects.filter(account=account).update(entered_at=at)
        page = text(client.get(f"/accounts/{account.pk}/segments/").content.decode())
        assert f"since {day}" in page
    assert timezone.get_current_timezone_name() == "UTC"


def test_times_carry_the_zone_of_the_reader(company: Company, browse: Callable[[TeamMember], Client]) -> None:
    Workspace.objects.update_or_create(pk=1, defaults={"time_zone": EAST})
    segment = company.segments["growth"]
    segment.account_memberships.update(entered_at=MIDNIGHT)
    client, address = browse(company.manager), f"/segments/{segment.pk}/members/"
    assert "11 Mar 2026, 00:00 +13" in text(client.get(address).content.decode())
    assert EAST not in text(client.get(f"/segments/{segment.pk}/edit/").content.decode())
    NoticeSettings.objects.create(member=company.manager, time_zone=WEST)
    assert "10 Mar 2026, 00:00 SST" in text(client.get(address).content.decode())
    builder = text(client.get(f"/segments/{segment.pk}/edit/").content.decode())
    assert f"Its days are those of the workspace, in {EAST}." in builder


def test_the_back_office_shows_times_of_the_reader_and_the_api_of_utc(admin_client: Client, admin_user: User) -> None:
    Workspace.objects.update_or_create(pk=1, defaults={"time_zone": WEST})
    ApiToken.objects.create(user=admin_user, name="Export", digest="0" * 64, hint="0000")
    ApiToken.objects.update(created_at=MIDNIGHT - JUST)
    assert "9 Mar 2026, 11:59 p.m." in text(admin_client.get("/admin/core/apitoken/").content.decode()).replace(
        "March", "Mar"
    )
    user = factories.end_user("Ada", first_seen_at=MIDNIGHT)
    assert admin_client.get(f"/api/v1/users/{user.external_id}/").json()["first_seen_at"] == "2026-03-10T11:00:00Z"


def test_a_rule_means_the_days_of_the_workspace_whoever_asks(company: Company) -> None:
    Workspace.objects.update_or_create(pk=1, defaults={"time_zone": EAST})
    account = company.accounts["Fir"]
    type(account).objects.update(created_at=MIDNIGHT - JUST)
    type(account).objects.filter(pk=account.pk).update(created_at=MIDNIGHT)
    for zone in (EAST, WEST, "UTC"):
        with timezone.override(zone):
            found = factories.segment(zone, {"field": "account.created_at", "op": "on", "value": "2026-03-11"})
        assert [one.account for one in found.account_memberships.all()] == [account]
