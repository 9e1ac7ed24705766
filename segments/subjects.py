"""What the members of a segment are: accounts, or users. Everything that differs between the two is said here once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Count, DecimalField, Q, QuerySet, Sum, Value
from django.db.models.functions import Cast

from accounts.fields import Subject
from accounts.models import Account, EndUser, UserInAccount
from core.api.access import sees_every_account
from segments.models import AccountMembership, Segment, UserMembership


@dataclass(frozen=True)
class Members:
    """The members of segments about one subject, where they are kept, and the rows that their rules are asked of.

    A rule about accounts is asked of accounts. One about users is asked of each user in each of their accounts, and
    a user is a member if one of those rows matches; `pk` names the member in such a row.
    """

    subject: Subject
    model: Any
    memberships: Any
    asked: Any
    pk: str

    @property
    def column(self) -> str:
        """What leads from a membership, or a pin, to the member."""
        return str(self.subject)

    def live(self) -> QuerySet[Any]:
        """The rows that rules are asked of."""
        found: QuerySet[Any] = self.asked.objects.live()
        return found

    def seen_by(self, user: Any) -> QuerySet[Any]:
        """The rows that a colleague may see."""
        found: QuerySet[Any] = self.asked.objects.visible_to(user)
        return found

    def seen_in_the_past_by(self, user: Any) -> QuerySet[Any] | None:
        """The rows whose stays of the past a colleague may see; None for all of them, which includes those of accounts
        that were archived since. Who sees some accounts only sees those of them that are live."""
        seen = self.seen_by(user)
        return None if sees_every_account(user) and not seen.query.is_empty() else seen

    def shown(self) -> QuerySet[Any]:
        """The members with what is shown beside their names."""
        found: QuerySet[Any] = self.model.objects.all()
        return found.select_related("stage") if self.subject is Subject.ACCOUNT else found

    def ids(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """The ids of the members behind some rows, to be asked for with IN."""
        return rows.order_by().values(self.pk)

    def count(self, rows: QuerySet[Any]) -> int:
        """How many members there are behind some rows."""
        return rows.order_by().count() if self.pk == "pk" else self.ids(rows).distinct().count()

    def counted(self, condition: Any) -> Count:
        """The same as an aggregate, of the rows that meet a condition."""
        return Count(self.pk, filter=Q(condition), distinct=self.pk != "pk")

    def id_and_mrr(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Each member behind some rows once, with its MRR; a user has none."""
        if self.subject is Subject.ACCOUNT:
            return rows.order_by().values_list("pk", "mrr")
        nothing = Cast(Value(None), DecimalField(max_digits=20, decimal_places=2))
        return rows.order_by().annotate(no_mrr=nothing).values_list("user_id", "no_mrr").distinct()

    def open_of(self, segment: Segment) -> QuerySet[Any]:
        """The stored stays of the present members."""
        found: QuerySet[Any] = self.memberships.objects.filter(segment=segment, left_at__isnull=True)
        return found

    def totals(self, segment: Segment) -> tuple[int, Decimal]:
        """How many present members there are, and their MRR."""
        mrr = {"mrr": Sum("account__mrr")} if self.subject is Subject.ACCOUNT else {}
        sums = self.open_of(segment).aggregate(members=Count("pk"), **mrr)
        return sums["members"], sums.get("mrr") or Decimal(0)

    def inside(self, segment: Segment) -> QuerySet[Any]:
        """The ids of the present members."""
        return self.open_of(segment).values(f"{self.column}_id")


ABOUT: Mapping[Subject, Members] = {
    Subject.ACCOUNT: Members(Subject.ACCOUNT, Account, AccountMembership, Account, "pk"),
    Subject.USER: Members(Subject.USER, EndUser, UserMembership, UserInAccount, "user_id"),
}


def subject_of(segment: Segment) -> Subject:
    """What a segment is about."""
    return Subject(str(segment.subject))


def members_of(segment: Segment) -> Members:
    """What a segment's members are and where they are kept."""
    return ABOUT[subject_of(segment)]
