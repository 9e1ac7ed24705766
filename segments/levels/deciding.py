"""Deciding levels: every account in one statement, the topmost level whose rule matches wins.

A level that a person or an import told is left alone; an account that no rule matches loses the level that a rule gave.
If one rule cannot be run, no level changes: leaving it out would hand its accounts to lower levels.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from django.db import DatabaseError, OperationalError, transaction
from django.db.models import Case, CharField, F, Q, Value, When

from accounts.fields import Stage
from accounts.fields.sql import Infix
from accounts.fields.uses import FieldUse, find_field_uses_with, follow_fields_with, tell_of_fields, texts_in
from accounts.levels import open_to_rules, set_levels
from accounts.models import Account, AccountLevel
from core.clock import Moment, moment
from core.deadline import TooSlow, time_limit
from core.ids import Ids, OneOf
from core.locks import xact_lock
from core.refusals import Problem
from segments.holding.holds import Holds
from segments.levels.models import LevelRule
from segments.questions import Question, Reader
from segments.rules.compiler import compile_rule
from segments.rules.tree import Condition, InSegment, RuleError, walk

LEVEL_FIELD = "account.level"
LIMIT_MS = 60_000


def read_level_rule(data: Any, reader: Reader) -> Question:
    """The question that a level's rule asks. Segments are refreshed after levels, so it may name none; nor the level.

    A rule without conditions would match every account and is refused. Raises RuleError.
    """
    question = reader.read(data)
    problems = []
    if not question.rule.rules:
        problems.append(Problem("", "empty-group", "The rule has no condition. Add one."))
    for node in walk(question.rule):
        if isinstance(node, InSegment):
            text = "Levels are decided before segments are refreshed, so their rules cannot name a segment."
            problems.append(Problem(node.pointer, "wrong-field", text))
        elif isinstance(node, Condition) and node.field.key == LEVEL_FIELD:
            problems.append(Problem(node.pointer, "wrong-field", "The rule of a level cannot ask for the level."))
        elif isinstance(node, Condition) and node.field.stage > Stage.FACTS:
            text = f"{node.field.label} is only known after levels are decided."
            problems.append(Problem(node.pointer, "later-stage", text))
    if problems:
        raise RuleError(problems)
    return question


def decide_levels(
    present: Moment | None = None, accounts: Collection[int] | None = None, *, by_person: bool = False
) -> set[int]:
    """Give every account (or some) the level that its rules say; returns the accounts that changed.

    While a rule is held for a silent feed no level changes, unless a person asks.
    """
    now = present or moment()
    rules = list(LevelRule.objects.filter(active=True).select_related("level"))
    reader = replace(Reader.now(now), accounts=None if accounts is None else Ids.of(accounts))
    holds = Holds.now(reader.vocabulary)
    cases, broken = [], False
    for rule in rules:
        try:
            question = read_level_rule(rule.rule, reader)
            cases.append(When(Q(compile_rule(question.rule, question.context)), then=Value(rule.level_id)))
            rule.error, rule.held = "", "" if by_person else holds.reason(question.rule)
        except RuleError as error:
            rule.error, broken = str(error.first)[:500], True
    changed: set[int] = set()
    if not broken and not any(rule.held for rule in rules):
        try:
            with time_limit(LIMIT_MS):
                xact_lock("levels")
                changed = set_levels(_wanted(cases, accounts), now.now)
        except (TooSlow, DatabaseError) as error:
            if isinstance(error, OperationalError) and getattr(error.__cause__, "sqlstate", None) is None:
                raise  # the database went away: nothing is wrong with the rules
            slow = f"Deciding took longer than {LIMIT_MS // 1000} s."
            reason = slow if isinstance(error, TooSlow) else str(error).splitlines()[0][:500]
            for rule in rules:
                rule.error = reason
    for rule in rules:
        LevelRule.objects.filter(pk=rule.pk).update(error=rule.error, held=rule.held, decided_at=now.now)
    return changed


def _wanted(cases: list[When], accounts: Collection[int] | None) -> dict[int, str | None]:
    """The accounts whose level is not what the rules say, with what they say."""
    found = Account.objects.live().filter(open_to_rules())
    if accounts is not None:
        found = found.filter(OneOf(F("pk"), accounts))
    decided = Case(*cases, default=Value(None), output_field=CharField()) if cases else Value(None, CharField())
    rows = found.order_by().annotate(decided=decided).filter(Q(Infix(F("decided"), "IS DISTINCT FROM", F("level_id"))))
    return dict(rows.values_list("pk", "decided"))


def save_level_rule(level: AccountLevel, *, rule: Any, active: bool = True, author: Any = None) -> LevelRule:
    """Check and store the rule of a level, decide all levels, and have refreshed what names them. Raises RuleError."""
    read_level_rule(rule, Reader.now())
    with transaction.atomic():
        found, _ = LevelRule.objects.update_or_create(
            level=level, defaults={"rule": rule, "active": active, "author": author}
        )
        _follow()
    found.refresh_from_db()
    return found


def remove_level_rule(level: AccountLevel) -> None:
    """Take the rule of a level away; the accounts that had the level by it get the next one that fits, or none."""
    with transaction.atomic():
        LevelRule.objects.filter(level=level).delete()
        _follow()


def _follow() -> None:
    if decide_levels(by_person=True):
        tell_of_fields([LEVEL_FIELD], redefined=True)


@follow_fields_with
def decide_by(keys: Collection[str], redefined: bool) -> None:
    """Decide the levels again if one of their rules names one of these fields."""
    rules = LevelRule.objects.filter(active=True)
    if any(texts_in(item.rule) & set(keys) for item in rules) and decide_levels(by_person=True):
        tell_of_fields([LEVEL_FIELD], redefined=redefined)


@find_field_uses_with
def _levels_that_read() -> list[tuple[FieldUse, set[str]]]:
    """Levels with the texts of their rule."""
    found = LevelRule.objects.select_related("level")
    return [(FieldUse("account level", item.level.name, item.pk), texts_in(item.rule)) for item in found]
