"""Giving accounts to a colleague in one role, many at once, and taking it back; and who plays a role for which."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import Account, Assignment, TeamMember
from accounts.touching import touch


def assign(ids: Sequence[int], member: TeamMember, role: str) -> list[tuple[int, int | None]]:
    """Make a colleague the open holder of a role for these accounts.

    Returns (account, former member or None) of those that changed, for the undo. Accounts are locked in the order of
    their ids, so that two people assigning at once neither deadlock nor leave two holders.
    """
    now = timezone.now()
    with transaction.atomic():
        locked = list(
            Account.objects.filter(pk__in=ids).order_by("pk").select_for_update().values_list("pk", flat=True)
        )
        open_ones = Assignment.objects.filter(account__in=locked, role=role, ended_at__isnull=True)
        holders = dict(open_ones.values_list("account", "member"))
        changed = [pk for pk in locked if holders.get(pk) != member.pk]
        open_ones.filter(account__in=changed).update(ended_at=now)
        Assignment.objects.bulk_create(
            [Assignment(account_id=pk, member=member, role_id=role, started_at=now) for pk in changed], batch_size=1000
        )
        touch(changed)
    return [(pk, holders.get(pk)) for pk in changed]


def give_back(changes: Sequence[Sequence[Any]], role: str) -> int:
    """Undo `assign`: the former holders take their accounts back; how many accounts."""
    by_holder: dict[int | None, list[int]] = {}
    for pk, holder in changes:
        by_holder.setdefault(holder, []).append(pk)
    with transaction.atomic():
        for holder, ids in by_holder.items():
            if holder is None:
                Assignment.objects.filter(account__in=ids, role=role, ended_at__isnull=True).update(
                    ended_at=timezone.now()
                )
                touch(ids)
            else:
                assign(ids, TeamMember.objects.get(pk=holder), role)
    return len(changes)


def holders_of(role: str, accounts: Collection[int]) -> dict[int, int]:
    """Who plays a role for these accounts now (primary keys), those left out for whom nobody does who can log in."""
    open_ones = Assignment.objects.filter(role=role, account__in=accounts, ended_at__isnull=True)
    return dict(open_ones.filter(member__user__is_active=True).values_list("account_id", "member_id"))
