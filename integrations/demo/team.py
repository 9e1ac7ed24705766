"""The invented company's own people and the parts they play."""

from __future__ import annotations

import random

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password

from accounts.access import apply_access
from accounts.facts import AssignmentFact
from accounts.models import Team, TeamMember
from core.clock import Moment
from integrations.demo.company import Customer

ADMIN = "admin"
_ACCESS = TeamMember.Access
TEAM = [
    (ADMIN, "Renate Osterholt", "Success operations", _ACCESS.ADMIN),
    ("imani", "Imani Waweru", "Customer success", _ACCESS.MANAGER),
    ("lucas", "Lucas Ferreira", "Customer success", _ACCESS.CSM),
    ("saoirse", "Saoirse Kinsella", "Customer success", _ACCESS.CSM),
    ("haruto", "Haruto Nagai", "Customer success", _ACCESS.CSM),
    ("milena", "Milena Petrova", "Success operations", _ACCESS.CSM),
]
CSMS = ["lucas", "saoirse", "haruto"]


def hire() -> list[TeamMember]:
    """Make the team; nobody can log in until an administrator gives them a password."""
    members = []
    for key, name, team_name, access in TEAM:
        given, _, family = name.partition(" ")
        is_admin = access == _ACCESS.ADMIN
        user, _ = get_user_model().objects.get_or_create(
            username=key,
            defaults={
                "first_name": given, "last_name": family, "email": f"{key}@csbox.example", "is_staff": is_admin,
                "is_superuser": is_admin, "password": make_password(None),
            },
        )  # fmt: skip
        team, _ = Team.objects.get_or_create(name=team_name)
        member, _ = TeamMember.objects.get_or_create(
            user=user, defaults={"key": key, "name": name, "team": team, "access": access}
        )
        apply_access(member)
        members.append(member)
    return members


def assign(customers: list[Customer], dice: random.Random, present: Moment) -> list[AssignmentFact]:
    """Who looks after whom: a few trials nobody yet, one account whose CSM changed."""
    facts = []
    for place, customer in enumerate(customers):
        start = present.start_of(customer.since)
        # Whoever looks at the demo as its administrator has a portfolio too.
        csm = ADMIN if place % 12 == 5 else CSMS[place % len(CSMS)]
        if customer.habit != "trial" or place % 2:
            facts.append(AssignmentFact(customer.id, "csm", csm, start))
        if customer.plan == "Enterprise":
            facts.append(AssignmentFact(customer.id, "account-manager", "imani", start))
        if customer.habit == "new":
            facts.append(AssignmentFact(customer.id, "onboarding-manager", "milena", start))
        if customer.habit == "falling" and dice.random() < 0.5:
            other = CSMS[(place + 1) % len(CSMS)]
            change = present.start_of(present.today.replace(day=1))
            facts.append(AssignmentFact(customer.id, "csm", other, max(change, start)))
    return facts
