"""Who may see which account: everybody all, or a restricted CSM own and unassigned ones."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.utils import timezone

from accounts.models import Account, TeamMember
from core.models import Workspace
from tests import factories

pytestmark = pytest.mark.django_db
CSM, MANAGER, VIEWER, ADMIN = (
    TeamMember.Access.CSM,
    TeamMember.Access.MANAGER,
    TeamMember.Access.VIEWER,
    TeamMember.Access.ADMIN,
)


@pytest.fixture
def own_only() -> None:
    Workspace.objects.create(csm_reach=Workspace.Reach.OWN)


def names(user: object) -> set[str]:
    return set(Account.objects.visible_to(user).values_list("name", flat=True))  # type: ignore[arg-type]


def test_everybody_sees_every_live_account_unless_the_workspace_says_otherwise() -> None:
    factories.account("Live")
    factories.account("Gone", archived_at=timezone.now())
    for access in (CSM, MANAGER, VIEWER, ADMIN):
        assert names(factories.member(access).user) == {"Live"}


@pytest.mark.usefixtures("own_only")
def test_a_restricted_csm_sees_own_and_unassigned_accounts() -> None:
    me, other = factories.member(CSM), factories.member(CSM)
    factories.assign(factories.account("Mine"), me)
    factories.assign(factories.account("Mine as manager"), me, "account-manager")
    factories.assign(factories.account("Theirs"), other)
    both = factories.account("Both")
    factories.assign(both, other)
    factories.assign(both, me, "onboarding-manager")
    factories.account("Nobody's")
    assert names(me.user) == {"Mine", "Mine as manager", "Both", "Nobody's"}


@pytest.mark.usefixtures("own_only")
def test_an_ended_assignment_gives_no_sight() -> None:
    me, other = factories.member(CSM), factories.member(CSM)
    account = factories.account("Handed over")
    past = factories.assign(account, me)
    past.ended_at = timezone.now()
    past.save()
    factories.assign(account, other)
    assert names(me.user) == set()
    assert names(other.user) == {"Handed over"}


@pytest.mark.usefixtures("own_only")
@pytest.mark.parametrize("access", [MANAGER, ADMIN])
def test_managers_and_administrators_see_all(access: str) -> None:
    factories.assign(factories.account("Theirs"), factories.member(CSM))
    assert names(factories.member(access).user) == {"Theirs"}


def test_a_stranger_sees_nothing() -> None:
    factories.account("Live")
    stranger = User.objects.create_user("stranger")
    switched_off = factories.member(ADMIN).user
    switched_off.is_active = False
    assert [names(who) for who in (AnonymousUser(), stranger, switched_off)] == [set(), set(), set()]
