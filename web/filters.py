"""Filter chips: rule nodes in the address, read by the same parser as segments and shown in the same words."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models import Account, TeamMember
from core.intake import BadValue, check_depth, short
from segments.questions import Question, Reader
from segments.rules.tree import RuleError
from web.liststate import ListState
from web.pages import workspace_of


@dataclass(frozen=True)
class Chip:
    """One filter: its words, the address without it, the address of its editor."""

    words: str
    without: str
    place: int
    field: str = ""


@dataclass(frozen=True)
class Filters:
    """The filters of a list that can be used: chips, the rule they make, and the sentences about those left out."""

    chips: list[Chip]
    rule: dict[str, Any]
    question: Question | None
    csm: TeamMember | None
    problems: list[str]
    state: ListState


def compact(node: dict[str, Any]) -> str:
    """A node as it stands in an address."""
    return json.dumps(node, separators=(",", ":"), ensure_ascii=False)


def read_node(text: str) -> dict[str, Any]:
    """A node from an address. Raises BadValue."""
    try:
        check_depth(text)
        node = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadValue("This filter cannot be read.") from error
    if not isinstance(node, dict):
        raise BadValue("This filter cannot be read.")
    return node


def read_filters(request: HttpRequest, reader: Reader, state: ListState) -> Filters:
    """The chips of a list; a filter that is unknown or invalid is left out and named."""
    chips: list[Chip] = []
    nodes: list[dict[str, Any]] = []
    problems: list[str] = []
    kept: list[str] = []
    for text in state.filters:
        try:
            node = read_node(text)
            words = reader.read({"match": "all", "rules": [node]}, personal=True).words
        except BadValue:
            problems.append(short(text, 40))
        except RuleError as error:
            problems.append(f"{short(node.get('field') or node.get('segment') or text, 60)} ({error.first})")
        else:
            nodes.append(node)
            chips.append(Chip(words.rstrip("."), "", len(kept), str(node.get("field", ""))))
            kept.append(text)
    state = state.but(filters=tuple(kept), page=state.page)
    csm, state = read_csm(request, state, problems)
    chips = [Chip(chip.words, state.without_filter(i).url, i, chip.field) for i, chip in enumerate(chips)]
    rule = {"match": "all", "rules": nodes}
    question = reader.read(rule, personal=True) if nodes else None
    return Filters(chips, rule, question, csm, problems, state)


def reader_for(request: HttpRequest) -> Reader:
    """What rules are read against, with "me" being whoever asks."""
    member = getattr(request.user, "member", None)
    return Reader.now(me=member.key if member else "", workspace=workspace_of(request))


def read_csm(request: HttpRequest, state: ListState, problems: list[str]) -> tuple[TeamMember | None, ListState]:
    """The CSM that a list is narrowed to ("me" is whoever asks); one who does not exist is left out and named."""
    if state.csm == "me":
        csm = getattr(request.user, "member", None)
    else:
        csm = TeamMember.objects.filter(key=state.csm).first() if state.csm else None
    if state.csm and csm is None:
        problems.append(f"CSM {short(state.csm, 40)}")
        state = state.but(csm="", page=state.page)
    return csm, state


def held_by(csm: TeamMember) -> QuerySet[Any]:
    """The ids of the accounts that somebody looks after as CSM."""
    return csm.assignments.filter(role="csm", ended_at__isnull=True).values("account")


def narrow(accounts: QuerySet[Account], filters: Filters) -> QuerySet[Account]:
    """The accounts that all filters let through."""
    if filters.question:
        accounts = filters.question.accounts(accounts)
    if filters.csm:
        accounts = accounts.filter(pk__in=held_by(filters.csm))
    return accounts


def dropped_notice(names: list[str]) -> str:
    """One sentence about what a link asked for and could not be given; empty if nothing was left out."""
    if not names:
        return ""
    what = "a part that no longer exists" if len(names) == 1 else "parts that no longer exist"
    return f"This link has {what}: {'; '.join(names)}."
