"""Why an account is in a segment, or why not: asked by the account page, the builder, the API and the command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from accounts.models import Account
from core.clock import moment
from segments.models import AccountMembership, Pin, Segment
from segments.pins import pin_in_force, pin_words
from segments.questions import PREVIEW_LIMIT_MS, Reader, bounded
from segments.rules.explain import Outcome, explain
from segments.rules.tree import RuleError


@dataclass(frozen=True)
class Explanation:
    """A rule explained for an account; `member_since` is set if the stored membership says that it is in.

    The two can differ for a moment: data that came after the last refresh counts in the outcome already. A `pin` that
    is in force decides instead of the rule.
    """

    account: Account
    outcome: Outcome
    member_since: Any = None
    pin: Pin | None = None

    @property
    def member(self) -> bool:
        """Whether the account belongs in the segment: by its pin, else by the rule."""
        return self.outcome.met if self.pin is None else self.pin.kind == Pin.Kind.IN

    @property
    def pinned(self) -> str:
        """What the pin says; empty without one."""
        return pin_words(self.pin) if self.pin else ""

    @property
    def headline(self) -> str:
        """The answer in one line: "A match." or "Not a match, 4 of 5 conditions are met"; a pin comes first."""
        rule = self._rule()
        return f"{self.pinned}. By the rule: {rule[:1].lower()}{rule[1:]}" if self.pin else rule

    def _rule(self) -> str:
        below = self.outcome.outcomes
        if self.outcome.met:
            return "A match." if not below else f"A match. {self._share()}"
        return f"Not a match. {self._share()}"

    def _share(self) -> str:
        met, of = self.outcome.met_below, len(self.outcome.outcomes)
        return f"{met:,} of {of:,} condition{'' if of == 1 else 's'} {'is' if met == 1 else 'are'} met."

    @property
    def near_miss(self) -> bool:
        """True if one condition decides: all but one of "all" are met."""
        below = self.outcome.outcomes
        return not self.outcome.met and self.outcome.match == "all" and self.outcome.met_below == len(below) - 1


def explain_rule(data: Any, account: QuerySet[Account], *, reader: Reader | None = None) -> Explanation | None:
    """Explain a rule (saved or being edited) for the one account of the query set. Raises RuleError."""
    reader = reader or Reader.now()
    question = reader.read(data, personal=True)
    with bounded(PREVIEW_LIMIT_MS):
        found = account.first()
        outcome = explain(question.rule, question.context, reader.words, account) if found else None
    return Explanation(found, outcome) if found and outcome else None


def explain_segment(
    segment: Segment, account: QuerySet[Account], *, reader: Reader | None = None
) -> Explanation | None:
    """Explain a saved segment for an account, with its stored membership. Raises RuleError for a broken rule."""
    found = explain_rule(segment.rule, account, reader=reader)
    if found is None:
        return None
    stored = AccountMembership.objects.filter(segment=segment, account=found.account, left_at__isnull=True).first()
    today = (reader.moment if reader else moment()).today
    pin = pin_in_force(segment, found.account, today)
    return Explanation(found.account, found.outcome, stored.entered_at if stored else None, pin)


__all__ = ["Explanation", "RuleError", "explain_rule", "explain_segment"]
