"""The trait “activation progress”: the share of chosen conditions that an account, or a user in it, meets.

It is a trait like those of `usage.traits`; it lives here because its conditions are a rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import Case, F, IntegerField, Q, Value, When

from accounts.fields import Kind, Stage, Subject
from accounts.fields.uses import texts_in
from accounts.models import Account, UserInAccount
from core.ids import OneOf
from core.models import Workspace
from segments.questions import check_patterns
from segments.rules.compiler import Context, compile_node
from segments.rules.describe import Words
from segments.rules.tree import Condition, Group, RuleError, parse, segments_of, walk
from usage.traits.definitions import Method, Scope, register_methods
from usage.traits.properties import Sql
from usage.traits.reading import Reading

MOST_STEPS = 20
NO_SEGMENTS = "Traits are computed before segments are refreshed, so their conditions cannot name a segment."


@dataclass(frozen=True)
class Activation:
    """The steps: the nodes right below the root, each met or not."""

    steps: Group
    named: frozenset[str]

    @property
    def kind(self) -> Kind:
        """From 0 to 100."""
        return Kind.PERCENT

    @property
    def words(self) -> str:
        """How it is computed, in a sentence."""
        words = Words({}, Workspace.get().currency)
        listed = "; ".join(words.node(step) for step in self.steps.rules)
        return f"Share of {len(self.steps.rules)} conditions that are met: {listed}"

    def fields(self) -> set[str]:
        """Every field that a condition names."""
        return set(self.named)

    def source(self, scope: Scope) -> Sql:
        """One pass over the accounts (or the users in them), with the conditions as a refresh compiles them."""
        subject = Subject(scope.subject)
        context = Context(scope.vocabulary.about(subject), scope.moment, {}, accounts=scope.accounts, subject=subject)
        met = {
            f"step_{i}": Case(
                When(Q(compile_node(step, context)), then=Value(1)), default=Value(0), output_field=IntegerField()
            )
            for i, step in enumerate(self.steps.rules)
        }
        found: Any = Account.objects.live()
        columns = {"pk": "account_id"}
        if subject is Subject.USER:
            found = UserInAccount.objects.live().filter(account__isnull=False)
            columns = {"account_id": "account_id", "user_id": "user_id"}
        keys = ", ".join(columns.values())
        try:
            if scope.accounts is not None:
                found = found.filter(OneOf(F(next(iter(columns))), scope.accounts))
            sql, params = found.order_by().annotate(**met).values_list(*columns, *met).query.sql_with_params()
        except EmptyResultSet:
            return f"SELECT {', '.join(['NULL::bigint'] * len(columns))}, NULL::jsonb WHERE false", []
        total = " + ".join(f"q.{name}" for name in met)
        share = f"trim_scale(round(({total}) * 100.0 / {len(met)}, 2))"
        return f"SELECT {keys}, to_jsonb({share}) FROM ({sql}) AS q ({keys}, {', '.join(met)})", list(params)  # noqa: S608


def _read(reading: Reading) -> Activation:
    data, subject = reading.raw("rule"), Subject(reading.subject)
    try:
        steps = parse(data, reading.vocabulary.about(subject), personal=False, subject=subject)
        check_patterns(steps)
    except RuleError as error:
        for problem in error.problems:
            reading.fail(f"/rule{problem.pointer}", problem.code, problem.message, problem.allowed)
        steps = Group("all", ())
    else:
        if not 1 <= len(steps.rules) <= MOST_STEPS:
            reading.fail("/rule/rules", "required", f"Give 1 to {MOST_STEPS} conditions.")
        elif steps.match != "all":
            reading.fail("/rule/match", "invalid-value", "Say all: each condition counts by itself.", ("all",))
        if segments_of(steps):
            reading.fail("/rule", "wrong-field", NO_SEGMENTS)
        for node in walk(steps):
            if isinstance(node, Condition) and node.field.stage > Stage.FACTS:
                text = f"{node.field.label} is only known after traits are computed."
                reading.fail(f"/rule{node.pointer}", "later-stage", text)
    return Activation(steps, frozenset(texts_in(data)))


register_methods([Method("activation", "Activation progress", "Scores", _read, needs=("rule",))])
