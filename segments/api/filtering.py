"""Lists of accounts, of what belongs to accounts, and of users narrowed by a segment's stored members, or by a rule."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from rest_framework.request import Request

from accounts.fields import Subject
from core.api.filters import StrictFilterSet
from core.api.parsing import read_json
from core.api.problems import ApiProblem, Fault
from core.api.strict import plain
from core.intake import short
from segments.api.problems import explained, rule_problem
from segments.limits import bounded
from segments.models import Segment
from segments.questions import read_rule
from segments.rules.tree import RuleError
from segments.subjects import members_of

LIST_LIMIT_MS = 5_000


class MembershipFilters(StrictFilterSet):
    """`segment` reads stored membership; `rule` asks the question anew. Mixed into the filters of a list.

    `subject` says what the rows of the list are about, `member_path` leads from a row to it.
    """

    subject: ClassVar[Subject] = Subject.ACCOUNT
    member_path = "pk"
    segment = django_filters.CharFilter(method="in_segment", help_text="The key of a segment: its members as stored.")
    rule = django_filters.CharFilter(method="matching_rule", help_text="A rule as JSON, as segments have it.")

    def in_segment(self, queryset: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """The members at present. An unknown segment is an error, not an empty list."""
        segment = Segment.objects.filter(key=value).first()
        if segment is None:
            fault = Fault(f"There is no segment “{short(value)}”.", "unknown-segment", parameter=name)
            raise ApiProblem("unknown-segment", fault.detail, 400, [fault])
        if segment.subject != self.subject:
            text = f"“{value}” is a segment of {segment.subject}s; this is a list about {self.subject.many}."
            fault = Fault(text, "wrong-subject", parameter=name)
            raise ApiProblem("wrong-subject", fault.detail, 400, [fault])
        return queryset.filter(**{f"{self.member_path}__in": members_of(segment).inside(segment)})

    def matching_rule(self, queryset: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """Those that match now; “is me” is whoever asks."""
        try:
            question = read_rule(plain(read_json(value)), personal=True, viewer=self.request.user, subject=self.subject)
        except RuleError as error:
            raise rule_problem(error, below="", parameter=name) from error
        matched = question.matching(question.members.seen_by(self.request.user))
        return queryset.filter(**{f"{self.member_path}__in": question.members.ids(matched)})


@contextmanager
def answer_slow_rules(request: Request) -> Iterator[None]:
    """Give a list with a rule so much time, and say what to do when that is not enough."""
    if "rule" not in request.query_params:
        yield
        return
    with explained(), bounded(LIST_LIMIT_MS):
        yield
