"""What rules name of the company's own lists and attributes, so that nothing is taken away under those that read it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from accounts.fields.uses import FieldUse, uses_of_field, uses_of_values
from accounts.models import (
    AccountLevel,
    AccountStatus,
    AssignmentRole,
    AttributeDefinition,
    LifecycleStage,
    SubscriptionStatus,
    Team,
    TeamMember,
)
from core.intake import fold

_FIELDS: dict[type[Any], str] = {
    LifecycleStage: "account.stage",
    AccountLevel: "account.level",
    AccountStatus: "account.status",
    SubscriptionStatus: "subscription.status",
}


class NamedInRules(ValueError):
    """Something cannot go while rules name it; `uses` says which."""

    def __init__(self, name: str, uses: list[FieldUse]) -> None:
        self.uses = uses
        listed = ", ".join(f"{use.kind} “{use.name}”" for use in uses)
        super().__init__(f"{name} is used by {listed}. Remove it there first.")


def uses_in_rules(listed: Any) -> list[FieldUse]:
    """What names a custom attribute, a role, a team, a colleague, a stage, a level or a status."""
    if isinstance(listed, AttributeDefinition):
        return uses_of_field(f"{listed.subject}.custom.{listed.key}")
    if isinstance(listed, AssignmentRole):
        found = [use for key in _of_roles([listed]) for use in uses_of_field(key)]
        return list(dict.fromkeys(found))
    if isinstance(listed, Team):
        return uses_of_values(_of_roles(AssignmentRole.objects.all()), [listed.name])
    if isinstance(listed, TeamMember):
        return uses_of_values(_of_roles(AssignmentRole.objects.all()), [listed.key, listed.name])
    key = _FIELDS.get(type(listed))
    return uses_of_values([key], [listed.key, listed.name]) if key else []


def check_attribute(definition: AttributeDefinition, *, active: bool, choices: Iterable[str]) -> None:
    """Raises NamedInRules if rules read the attribute, which is to be switched off, or compare it with a choice that
    is to go."""
    if definition.active and not active:
        uses = uses_in_rules(definition)
        if uses:
            raise NamedInRules(definition.name, uses)
    kept = {fold(choice) for choice in choices}
    gone = [choice for choice in map(str, definition.choices) if fold(choice) not in kept]
    uses = uses_of_values([f"{definition.subject}.custom.{definition.key}"], gone)
    if uses:
        raise NamedInRules(f"A choice of {definition.name} ({', '.join(gone[:5])})", uses)


def retired_names() -> dict[str, str]:
    """The names of custom attributes that are switched off, by the key that they had as fields."""
    found = AttributeDefinition.objects.filter(active=False).values_list("subject", "key", "name")
    return {f"{subject}.custom.{key}": name for subject, key, name in found}


def check_team_name(team: Team, name: str) -> None:
    """Raises NamedInRules if rules name a team that is to be called otherwise."""
    uses = uses_in_rules(team) if fold(name) != fold(team.name) else []
    if uses:
        raise NamedInRules(team.name, uses)


def _of_roles(roles: Iterable[AssignmentRole]) -> list[str]:
    """The fields that say who plays a part, and of which team they are."""
    return [f"team.{role.key.replace('-', '_')}{end}" for role in roles for end in ("", "_team")]
