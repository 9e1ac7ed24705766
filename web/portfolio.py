"""What the portfolio page needs besides its figures: whose books one may choose, the lists behind the numbers, and when
one looked last."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from accounts.models import AssignmentRole, Team, TeamMember
from alerts.models import Task
from health.models import Band
from health.portfolio import JOINED_POOR, LEFT_POOR, RENEWING, SILENT, Figures, Rule, Share, Whose
from web.charts import Mix, mix
from web.filters import compact
from web.liststate import ListState
from web.preferences import read_preferences, write_preferences

VISIT = dt.timedelta(minutes=30)  # a pause of so long ends a look
FRESH = dt.timedelta(minutes=1)
# What a row offers to write down as a task, by the id of its list.
ROW_TASKS = {
    "changes": "Look into what changed", "care": "Prepare the renewal", "silent": "Ask why nobody was seen",
    "poor": "Find out why health is Poor", "movers": "Find out why the score fell",
}  # fmt: skip
WEAK = [Band.POOR.value, Band.AVERAGE.value]


@dataclass(frozen=True)
class Books:
    """The books that somebody may choose from, each with the word that the address has for it."""

    chosen: str
    mine: bool
    members: list[tuple[str, str]]
    teams: list[tuple[str, str]]


def books(me: TeamMember | None, whose: Whose, may_choose: bool) -> Books:
    """Every colleague's and every team's, besides one's own and everybody's; only one's own for who may not choose."""
    members = [(f"member:{one.key}", one.name) for one in TeamMember.objects.all() if one != me] if may_choose else []
    teams = [(f"team:{one.pk}", one.name) for one in Team.objects.all()] if may_choose else []
    if whose.member is not None:
        chosen = "me" if whose.member == me else f"member:{whose.member.key}"
    else:
        chosen = f"team:{whose.team.pk}" if whose.team else "everybody"
    return Books(chosen, me is not None, members, teams)


@dataclass(frozen=True)
class BandRow:
    """A band of the book: how many accounts, their MRR, and the list of them."""

    key: str
    label: str
    share: Share
    url: str


@dataclass(frozen=True)
class Book:
    """The figures with the lists behind them."""

    figures: Figures
    mix: Mix
    bands: list[BandRow]
    all_url: str
    poor_url: str
    risk_url: str
    renewing_url: str
    weak_url: str
    silent_url: str
    joined_url: str
    left_url: str


def book_of(figures: Figures, whose: Whose) -> Book:
    """Every number with the address of the accounts that make it."""
    mine = nodes_of(whose)
    bands = [
        BandRow(one.value, str(one.label), figures.bands[one.value], list_of(*mine, band_is(one.value))) for one in Band
    ]
    parts = [(f"band-{row.key}", row.label, row.share.accounts) for row in bands]
    poor = band_is(Band.POOR.value)
    return Book(
        figures, mix(parts), bands, list_of(*mine), list_of(*mine, poor), list_of(*mine, poor, *RENEWING),
        list_of(*mine, *RENEWING), list_of(*mine, band_is(*WEAK), *RENEWING), list_of(*mine, *SILENT),
        list_of(*mine, *JOINED_POOR), list_of(*mine, *LEFT_POOR),
    )  # fmt: skip


def nodes_of(whose: Whose) -> list[Rule]:
    """The rule that means a book: a part of whatever role in the account."""
    if whose.member is None and whose.team is None:
        return []
    keys = [role.key.replace("-", "_") for role in AssignmentRole.objects.all()]
    if whose.member:
        rules = [{"field": f"team.{key}", "op": "is", "value": whose.member.key} for key in keys]
    else:
        rules = [{"field": f"team.{key}_team", "op": "is", "value": str(whose.team)} for key in keys]
    return [{"match": "any", "rules": rules}]


def band_is(*bands: str) -> Rule:
    """A condition about health."""
    if len(bands) == 1:
        return {"field": "health.band", "op": "is", "value": bands[0]}
    return {"field": "health.band", "op": "any_of", "value": list(bands)}


def list_of(*nodes: dict[str, Any]) -> str:
    """Accounts 360 with these filters."""
    return ListState(reverse("accounts"), filters=tuple(compact(node) for node in nodes)).url


def asked_for(shown: Mapping[str, Collection[int]]) -> dict[str, set[int]]:
    """Of the accounts that each list shows (by its id), those for which what its rows offer to write down is open."""
    every = {pk for accounts in shown.values() for pk in accounts}
    rows = Task.objects.filter(account__in=every, title__in=ROW_TASKS.values(), state=Task.State.OPEN)
    there = set(rows.values_list("title", "account_id"))
    return {what: {pk for pk in accounts if (ROW_TASKS[what], pk) in there} for what, accounts in shown.items()}


def last_look(request: HttpRequest, now: dt.datetime) -> dt.datetime | None:
    """When this person's look before the present one ended, and note that they look now. None for the first time.

    Pages that follow each other within half an hour are one look.
    """
    kept = read_preferences(request).portfolio
    at, before = _instant(kept.get("at")), _instant(kept.get("before"))
    if at is None or now - at > VISIT:
        before = at
    if at is None or now - at > FRESH:
        said = {"at": now.isoformat()} | ({"before": before.isoformat()} if before else {})
        write_preferences(request, portfolio=said)
    return before


def _instant(text: str | None) -> dt.datetime | None:
    try:
        found = dt.datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo else None
