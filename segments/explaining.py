"""Why an account, or a user, is in a segment, or why not: asked by pages, API and commands."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import QuerySet

from accounts.fields import Subject
from accounts.models import Account, EndUser
from segments.limits import bounded
from segments.models import Pin, Segment
from segments.pins import pin_words
from segments.questions import PREVIEW_LIMIT_MS, Question, Reader
from segments.rules.describe import Words
from segments.rules.explain import explain
from segments.rules.outcome import Outcome
from segments.rules.tree import RuleError
from segments.subjects import ABOUT


@dataclass(frozen=True)
class Place:
    """A user in one of their accounts (None: a user of no account), and what the rule says of them there."""

    account: Account | None
    outcome: Outcome


@dataclass(frozen=True)
class Explanation:
    """A rule explained for an account; `member_since` is set if the stored membership says that it is in.

    The two can differ for a moment: data that came after the last refresh counts in the outcome already. `pinned` says
    who decided otherwise by hand; "" if the rule decides. A rule that cannot be read has an outcome of kind "broken".
    A rule about users is explained for a `user`: in each of their `places`, those that match first, then the nearest;
    `account` and `outcome` are those of the first.
    """

    account: Account | None
    outcome: Outcome
    member_since: dt.datetime | None = None
    segment: Segment | None = None
    pin: Pin | None = None
    user: EndUser | None = None
    places: tuple[Place, ...] = ()

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
        verdict = f"{'A match' if outcome.met else 'Not a match'}{self._where()}."
        met, of = outcome.met_below, len(outcome.outcomes)
        if not of:
            return verdict
        if of == 1:
            return f"{verdict} The condition is {'' if met else 'not '}met."
        return f"{verdict} {met:,} of {of:,} conditions {'is' if met == 1 else 'are'} met."

    def _where(self) -> str:
        """Of a user: the account in which they match, or come nearest."""
        if self.user is None:
            return ""
        if self.account is None:
            return " as a user of no account"
        if self.outcome.met or len(self.places) == 1:
            return f" in {self.account}"
        return f" in any of {len(self.places)} accounts, nearest in {self.account}"

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


def explain_rule(
    data: object, rows: QuerySet[Any], *, reader: Reader | None = None, subject: str = Subject.ACCOUNT
) -> Explanation | None:
    """Explain a rule (saved or being edited) for the one account, or the one user in their accounts, of the query set;
    None without one. Raises RuleError and PreviewTooSlow."""
    reader = reader or Reader.now()
    question = reader.read(data, personal=True, subject=subject)
    with bounded(PREVIEW_LIMIT_MS):
        return next(iter(_explained(question, rows, reader.words)), None)


def explain_segment(segment: Segment, rows: QuerySet[Any], *, reader: Reader | None = None) -> Explanation | None:
    """Explain a saved segment for the one account (or the one user in their accounts) of the query set, with its stored
    membership; None without one. Raises RuleError for a broken rule, and PreviewTooSlow."""
    return next(iter(explain_members(segment, rows, reader or Reader.now())), None)


def explain_accounts(segment: Segment, accounts: Iterable[Account], reader: Reader) -> list[Explanation]:
    """Explain a saved segment for several accounts, in their order: the rule is evaluated once for all of them.

    Raises RuleError for a broken rule, and PreviewTooSlow past two seconds a statement.
    """
    order = {account.pk: place for place, account in enumerate(accounts)}
    found = explain_members(segment, Account.objects.filter(pk__in=order).order_by(), reader)
    return sorted(found, key=lambda one: order[one.account.pk if one.account else 0])


def explain_members(segment: Segment, rows: QuerySet[Any], reader: Reader) -> list[Explanation]:
    """Explain a saved segment for the members behind some rows that its rule is asked of, in the order of the rows: the
    rule is evaluated once for all of them. Raises like `explain_accounts`."""
    question = reader.read(segment.rule, personal=True, subject=segment.subject)
    members = question.members
    with bounded(PREVIEW_LIMIT_MS):
        found = {_member(one).pk: one for one in _explained(question, rows, reader.words)}
    mine = {"segment": segment, f"{members.column}__in": list(found)}
    of = f"{members.column}_id"
    since = dict(members.open_of(segment).filter(**mine).values_list(of, "entered_at"))
    in_force = Pin.objects.in_force(reader.moment.today).filter(**mine).select_related("author__member")
    pins = {getattr(pin, of): pin for pin in in_force}
    return [replace(one, member_since=since.get(pk), segment=segment, pin=pins.get(pk)) for pk, one in found.items()]


def outcomes_of(segment: Segment, accounts: Collection[int], reader: Reader) -> dict[int, Outcome]:
    """What the rule of a saved segment about accounts says of these (by primary key), to be kept: it names nobody, and
    looks neither at pins nor at the stored membership. Raises like `explain_accounts`."""
    question = reader.read(segment.rule, personal=True, subject=segment.subject)
    with bounded(PREVIEW_LIMIT_MS):
        rows = Account.objects.filter(pk__in=accounts).order_by()
        return explain(question.rule, question.context, reader.words, rows, named=False)


def _member(one: Explanation) -> Account | EndUser:
    member = one.user or one.account
    assert member is not None
    return member


def _explained(question: Question, rows: QuerySet[Any], words: Words) -> list[Explanation]:
    """The rule alone, evaluated once for all the accounts, or for all the users in their accounts."""
    if question.members.subject is Subject.USER:
        rows = rows.select_related("user", "account")
    found = list(rows)
    outcomes = explain(question.rule, question.context, words, rows.model.objects.filter(pk__in=[r.pk for r in found]))
    told = [row for row in found if row.pk in outcomes]
    if question.members.subject is Subject.ACCOUNT:
        return [Explanation(account, outcomes[account.pk]) for account in told]
    users: dict[EndUser, list[Place]] = {}
    for row in told:
        users.setdefault(row.user, []).append(Place(row.account, outcomes[row.pk]))
    return [_in_places(user, places) for user, places in users.items()]


def _in_places(user: EndUser, places: list[Place]) -> Explanation:
    """A user in their accounts: those that match first, then the nearest."""
    places.sort(key=lambda place: (place.outcome.away, str(place.account or "")))
    return Explanation(places[0].account, places[0].outcome, user=user, places=tuple(places))


def explain_segments(
    segments: Iterable[Segment], member: Account | EndUser, reader: Reader, rows: QuerySet[Any] | None = None
) -> list[Explanation]:
    """Explain several segments of one kind for an account, or for a user in the accounts of `rows` (all of theirs):
    those it is in first, then the others, the nearest first.

    A rule that cannot be read is told, not raised. Raises PreviewTooSlow past two seconds a statement.
    """
    about = ABOUT[Subject.ACCOUNT if isinstance(member, Account) else Subject.USER]
    rows = about.asked.objects.filter(**{about.pk: member.pk}) if rows is None else rows
    mine = {about.column: member}
    since = dict(about.memberships.objects.filter(**mine, left_at=None).values_list("segment_id", "entered_at"))
    in_force = Pin.objects.in_force(reader.moment.today).filter(**mine).select_related("author__member")
    pins = {pin.segment_id: pin for pin in in_force}
    found = []
    with bounded(PREVIEW_LIMIT_MS):
        for segment in segments:
            one = _told(segment, member, rows, reader)
            found.append(replace(one, member_since=since.get(segment.pk), segment=segment, pin=pins.get(segment.pk)))
    inside = [item for item in found if item.member_since]
    outside = sorted((item for item in found if not item.member_since), key=_distance)
    return inside + outside


def _told(segment: Segment, member: Account | EndUser, rows: QuerySet[Any], reader: Reader) -> Explanation:
    account, user = (member, None) if isinstance(member, Account) else (None, member)
    try:
        question = reader.read(segment.rule, personal=True, subject=segment.subject)
    except RuleError as error:
        return Explanation(account, Outcome("", "broken", error.first, False), user=user)
    gone = Outcome("", "broken", f"The {question.members.subject} is gone.", False)
    return next(iter(_explained(question, rows, reader.words)), Explanation(account, gone, user=user))


def _distance(item: Explanation) -> tuple[int, int]:
    """Near misses first, broken rules last. The sort keeps the company's order among equals."""
    return (9_999 if item.outcome.kind == "broken" else item.away, 0 if item.near_miss else 1)


__all__ = [
    "Explanation",
    "RuleError",
    "explain_accounts",
    "explain_members",
    "explain_rule",
    "explain_segment",
    "explain_segments",
    "outcomes_of",
]
