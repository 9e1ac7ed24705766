"""Why an account is in a segment, or why not: asked by the account page, the builder, the API and the command."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import QuerySet

from accounts.models import Account
from segments.models import AccountMembership, Pin, Segment
from segments.pins import pin_words
from segments.questions import PREVIEW_LIMIT_MS, Reader, bounded
from segments.rules.explain import Outcome, explain
from segments.rules.tree import RuleError


@dataclass(frozen=True)
class Explanation:
    """A rule explained for an account; `member_since` is set if the stored membership says that it is in.

    The two can differ for a moment: data that came after the last refresh counts in the outcome already. `pinned` says
    who decided otherwise by hand; "" if the rule decides. A rule that cannot be read has an outcome of kind "broken".
    """

    account: Account
    outcome: Outcome
    member_since: dt.datetime | None = None
    segment: Segment | None = None
    pin: Pin | None = None

    @property
    def pinned(self) -> str:
        """The pin in words."""
        return pin_words(self.pin) if self.pin else ""

    @property
    def member(self) -> bool:
        """Whether the account belongs in: by its pin, else by the rule."""
        return self.pin.kind == Pin.Kind.IN if self.pin else self.outcome.met

    @property
    def headline(self) -> str:
        """The answer in one line: "Not a match. 4 of 5 conditions are met."; a pin or a hold comes first."""
        text = self._by_rule()
        before = self.pinned or (self.segment.held if self.segment else "").rstrip(".")
        return f"{before}. By the rule: {text[:1].lower()}{text[1:]}" if before else text

    def _by_rule(self) -> str:
        outcome = self.outcome
        if outcome.kind == "broken":
            return f"The rule cannot be read. {outcome.needed}"
        verdict = "A match." if outcome.met else "Not a match."
        met, of = outcome.met_below, len(outcome.outcomes)
        if not of:
            return verdict
        if of == 1:
            return f"{verdict} The condition is {'' if met else 'not '}met."
        return f"{verdict} {met:,} of {of:,} conditions {'is' if met == 1 else 'are'} met."

    @property
    def near_miss(self) -> bool:
        """True if one condition keeps the account out while the others are as they should be."""
        several = len(self.outcome.outcomes) > 1 or any(len(one.outcomes) > 1 for one in self.outcome.outcomes)
        return several and self.away == 1 and (self.outcome.match == "none" or _some_met(self.outcome.outcomes))

    @property
    def away(self) -> int:
        """How many conditions lie between the account and the rule; 0 if it matches."""
        return self.outcome.away


def _some_met(outcomes: Iterable[Outcome]) -> bool:
    return any(one.met or _some_met(one.outcomes) for one in outcomes)


def explain_rule(data: object, account: QuerySet[Account], *, reader: Reader | None = None) -> Explanation | None:
    """Explain a rule (saved or being edited) for the one account of the query set; None without one. Raises RuleError
    and PreviewTooSlow."""
    reader = reader or Reader.now()
    question = reader.read(data, personal=True)
    with bounded(PREVIEW_LIMIT_MS):
        found = account.first()
        outcomes = explain(question.rule, question.context, reader.words, account.filter(pk=found.pk)) if found else {}
    return Explanation(found, outcomes[found.pk]) if found and found.pk in outcomes else None


def explain_segment(
    segment: Segment, account: QuerySet[Account], *, reader: Reader | None = None
) -> Explanation | None:
    """Explain a saved segment for the one account of the query set, with its stored membership; None without one.
    Raises RuleError for a broken rule, and PreviewTooSlow."""
    return next(iter(explain_accounts(segment, account[:1], reader or Reader.now())), None)


def explain_accounts(segment: Segment, accounts: Iterable[Account], reader: Reader) -> list[Explanation]:
    """Explain a saved segment for several accounts, in their order: the rule is evaluated once for all of them.

    Raises RuleError for a broken rule, and PreviewTooSlow past two seconds a statement.
    """
    question = reader.read(segment.rule, personal=True)
    with bounded(PREVIEW_LIMIT_MS):
        found = list(accounts)
        wanted = [account.pk for account in found]
        about = Account.objects.filter(pk__in=wanted).order_by()
        outcomes = explain(question.rule, question.context, reader.words, about)
    stored = AccountMembership.objects.filter(segment=segment, account__in=wanted, left_at__isnull=True)
    since = dict(stored.values_list("account_id", "entered_at"))
    in_force = Pin.objects.in_force(reader.moment.today).filter(segment=segment, account__in=wanted)
    pins = {pin.account_id: pin for pin in in_force.select_related("author__member")}
    return [
        Explanation(account, outcomes[account.pk], since.get(account.pk), segment, pins.get(account.pk))
        for account in found
        if account.pk in outcomes
    ]


def explain_segments(segments: Iterable[Segment], account: Account, reader: Reader) -> list[Explanation]:
    """Explain several segments for an account: those it is in first, then the others, the nearest first.

    A rule that cannot be read is told, not raised. Raises PreviewTooSlow past two seconds a statement.
    """
    stored = AccountMembership.objects.filter(account=account, left_at__isnull=True)
    since = dict(stored.values_list("segment_id", "entered_at"))
    pins = {
        pin.segment_id: pin
        for pin in Pin.objects.in_force(reader.moment.today).filter(account=account).select_related("author__member")
    }
    one = Account.objects.filter(pk=account.pk)
    found = []
    with bounded(PREVIEW_LIMIT_MS):
        for segment in segments:
            outcome = _outcome(segment, one, reader)
            found.append(Explanation(account, outcome, since.get(segment.pk), segment, pins.get(segment.pk)))
    inside = [item for item in found if item.member_since]
    outside = sorted((item for item in found if not item.member_since), key=_distance)
    return inside + outside


def _outcome(segment: Segment, account: QuerySet[Account], reader: Reader) -> Outcome:
    try:
        question = reader.read(segment.rule, personal=True)
    except RuleError as error:
        return Outcome("", "broken", error.problems[0].message, False)
    outcomes = explain(question.rule, question.context, reader.words, account)
    return next(iter(outcomes.values()), Outcome("", "broken", "The account is gone.", False))


def _distance(item: Explanation) -> tuple[int, int]:
    """Near misses first, broken rules last. The sort keeps the company's order among equals."""
    return (9_999 if item.outcome.kind == "broken" else item.away, 0 if item.near_miss else 1)


__all__ = ["Explanation", "RuleError", "explain_accounts", "explain_rule", "explain_segment", "explain_segments"]
