"""What a colleague's access means for the back office: who may open it, and what they may do there.

Administrators run everything; managers run customers' facts and segments; the others work in the dashboard. Call
`apply_access` whenever a member was saved. Superusers stay what they are.
"""

from __future__ import annotations

from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import Q

from accounts.models import TeamMember

ADMINISTRATORS, MANAGERS = "Administrators", "Managers"
Access = TeamMember.Access
_BY_ACCESS = {Access.ADMIN.value: ADMINISTRATORS, Access.MANAGER.value: MANAGERS}
# What managers leave to administrators: people's log-ins, settings, what the application itself keeps.
_MANAGED_APPS = ("accounts", "segments", "usage")
_NOT_MANAGED = ("teammember", "team", "assignmentrole", "exchangerate")
_HIDDEN = ("erasure", "dataexport", "exportpart")


def permissions_of(group: str) -> Q:
    """The permissions that a group has, in whatever version of the application is installed."""
    if group == ADMINISTRATORS:
        return ~Q(content_type__app_label="django_q")
    return (
        Q(content_type__app_label__in=_MANAGED_APPS)
        & ~Q(content_type__model__in=_HIDDEN)
        & (Q(codename__startswith="view_") | ~Q(content_type__model__in=_NOT_MANAGED))
    )


def ensure_groups() -> dict[str, Group]:
    """The two groups with their permissions as of now."""
    found = {}
    for name in (ADMINISTRATORS, MANAGERS):
        group, _ = Group.objects.get_or_create(name=name)
        wanted = set(Permission.objects.filter(permissions_of(name)).values_list("pk", flat=True))
        if wanted != set(group.permissions.values_list("pk", flat=True)):
            group.permissions.set(wanted)
        found[name] = group
    return found


def apply_access(member: TeamMember) -> None:
    """Let a member into the back office, or out of it, as their access says."""
    with transaction.atomic():
        groups = ensure_groups()
        user, wanted = member.user, _BY_ACCESS.get(member.access)
        user.groups.remove(*(group for name, group in groups.items() if name != wanted))
        if wanted:
            user.groups.add(groups[wanted])
        staff = bool(wanted) or user.is_superuser
        if user.is_staff != staff:
            user.is_staff = staff
            user.save(update_fields=["is_staff"])
