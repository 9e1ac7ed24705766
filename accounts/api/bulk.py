"""Many records in one call: every good row is stored, every other one is told with its place and its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.account import AccountSerializer, AccountViewSet
from accounts.api.people import RelationshipSerializer, UserSerializer
from accounts.api.recording import fault_of, source_of, values_in
from accounts.api.subscription import SubscriptionSerializer, SubscriptionViewSet
from accounts.facts import (
    Fact,
    Outcome,
    RelationshipFact,
    record_accounts,
    record_relationships,
    record_subscriptions,
    record_users,
)
from accounts.models import Account, EndUser, Relationship, Subscription
from core.api.access import IsMember, ManagersWrite
from core.api.idempotency import once
from core.api.problems import ApiProblem, Fault, faults_in, pointer_to
from core.api.strict import StrictSerializer
from core.api.views import ApiView

MOST_ROWS = 1_000


class FaultSerializer(StrictSerializer):
    """One wrong place of a row."""

    code = serializers.CharField(read_only=True)
    detail = serializers.CharField(read_only=True)
    pointer = serializers.CharField(read_only=True, help_text="A JSON pointer into the request's body.")


class RowResultSerializer(StrictSerializer):
    """What became of one row."""

    index = serializers.IntegerField(read_only=True)
    result = serializers.ChoiceField(["created", "updated", "unchanged", "rejected"], read_only=True)
    errors: Any = FaultSerializer(many=True, read_only=True, required=False)


class BulkResultSerializer(StrictSerializer):
    """What became of all rows. The status is 200 also where some or all rows are rejected: look at `rejected`."""

    created = serializers.IntegerField(read_only=True)
    updated = serializers.IntegerField(read_only=True)
    unchanged = serializers.IntegerField(read_only=True)
    rejected = serializers.IntegerField(read_only=True)
    results = RowResultSerializer(many=True, read_only=True)


def _schema(name: str, row: type[StrictSerializer]) -> Any:
    key = OpenApiParameter(
        "Idempotency-Key", str, OpenApiParameter.HEADER, description="The same call with the same key is done once."
    )
    body = inline_serializer(f"{name}Bulk", {"rows": row(many=True)})
    return extend_schema(
        operation_id=f"bulk_{name.lower()}", request=body, responses=BulkResultSerializer, parameters=[key]
    )


class BulkView(ApiView):
    """POST `{"rows": [...]}` with up to 1,000 rows, each as PUT takes one; the same rows again change nothing."""

    permission_classes: Any = [IsMember, ManagersWrite]
    serializer: ClassVar[type[StrictSerializer]]

    def post(self, request: Request) -> Response:
        """Store the good rows, in one transaction."""
        return once(request, lambda: Response(self._store(_rows_in(request.data))))

    def _store(self, rows: Sequence[Any]) -> dict[str, Any]:
        faults: dict[int, list[Fault]] = {}
        facts, places = [], []
        for index, row in enumerate(rows):
            made = self.serializer(data=row)
            if made.is_valid():
                facts.append(self.fact(made.validated_data))
                places.append(index)
            else:
                faults[index] = faults_in(made.errors, "rows", index)
        outcome = self.record(facts, source_of(self.request))
        for reject in outcome.rejected:
            place = places[reject.index]
            faults.setdefault(place, []).append(fault_of(reject, "rows", place))
        ids = self.ids(facts)
        results: list[dict[str, Any]] = []
        for index in range(len(rows)):
            if index in faults:
                errors = [fault.as_json() for fault in faults[index]]
                results.append({"index": index, "result": "rejected", "errors": errors})
        for fact, index in zip(facts, places, strict=True):
            if index not in faults:
                results.append({"index": index, "result": _result(outcome, ids[self.key_of(fact)])})
        results.sort(key=lambda item: item["index"])
        names = [item["result"] for item in results]
        words = ("created", "updated", "unchanged", "rejected")
        return {word: names.count(word) for word in words} | {"results": results}

    def fact(self, data: Mapping[str, Any]) -> Any:
        """A validated row as a fact."""
        return Fact(data["external_id"], values_in(data), data.get("at") or timezone.now())

    def key_of(self, fact: Any) -> Any:
        """By what a fact's row is found again."""
        return fact.external_id

    def record(self, facts: Sequence[Any], source: str) -> Outcome:
        """Write, with what follows from it."""
        raise NotImplementedError

    def ids(self, facts: Sequence[Any]) -> dict[Any, int]:
        """Primary keys by name."""
        raise NotImplementedError


def _rows_in(data: Any) -> list[Any]:
    rows = data.get("rows") if isinstance(data, Mapping) and set(data) == {"rows"} else None
    if not isinstance(rows, list) or not rows:
        detail = 'Send {"rows": [...]} with at least one row.'
        raise ApiProblem("validation", detail, 400, [Fault(detail, "invalid-type", pointer_to("rows"))])
    if len(rows) > MOST_ROWS:
        detail = f"{len(rows):,} rows are too many for one call; send at most {MOST_ROWS:,}."
        raise ApiProblem("too-many-values", detail, 400, [Fault(detail, "too-many-values", pointer_to("rows"))])
    return rows


def _result(outcome: Outcome, pk: int) -> str:
    return "created" if pk in outcome.created else "updated" if pk in outcome.updated else "unchanged"


def _by_external_id(model: Any, facts: Sequence[Any]) -> dict[Any, int]:
    wanted = {fact.external_id for fact in facts}
    return dict(model.objects.filter(external_id__in=wanted).values_list("external_id", "pk"))


class BulkAccountsView(BulkView):
    """Many accounts; a parent may come in the same call as its child."""

    serializer = AccountSerializer

    @_schema("Accounts", AccountSerializer)
    def post(self, request: Request) -> Response:
        """Make accounts, or set the values given."""
        return super().post(request)

    def record(self, facts: Sequence[Any], source: str) -> Outcome:
        """With the money that follows."""
        outcome = record_accounts(facts, source=source)
        AccountViewSet().wrote(outcome)
        return outcome

    def ids(self, facts: Sequence[Any]) -> dict[Any, int]:
        """By external id."""
        return _by_external_id(Account, facts)


class BulkUsersView(BulkView):
    """Many users."""

    serializer = UserSerializer

    @_schema("Users", UserSerializer)
    def post(self, request: Request) -> Response:
        """Make users, or set the values given."""
        return super().post(request)

    def record(self, facts: Sequence[Any], source: str) -> Outcome:
        """As facts."""
        return record_users(facts, source=source)

    def ids(self, facts: Sequence[Any]) -> dict[Any, int]:
        """By external id."""
        return _by_external_id(EndUser, facts)


class BulkSubscriptionsView(BulkView):
    """Many subscriptions."""

    serializer = SubscriptionSerializer

    @_schema("Subscriptions", SubscriptionSerializer)
    def post(self, request: Request) -> Response:
        """Make subscriptions, or set the values given."""
        return super().post(request)

    def record(self, facts: Sequence[Any], source: str) -> Outcome:
        """With the money of their accounts."""
        outcome = record_subscriptions(facts, source=source)
        SubscriptionViewSet().wrote(outcome)
        return outcome

    def ids(self, facts: Sequence[Any]) -> dict[Any, int]:
        """By external id."""
        return _by_external_id(Subscription, facts)


class BulkRelationshipsView(BulkView):
    """Who belongs to which account."""

    serializer = RelationshipSerializer

    @_schema("Relationships", RelationshipSerializer)
    def post(self, request: Request) -> Response:
        """Open relationships, say more about open ones, or end them (`ended_at`)."""
        return super().post(request)

    def fact(self, data: Mapping[str, Any]) -> RelationshipFact:
        """A belonging; role and attributes are its values."""
        values = {"role": data["role"]} if "role" in data else {}
        values |= {f"custom.{key}": value for key, value in data.get("attributes", {}).items()}
        return RelationshipFact(
            data["user"], data["account"], timezone.now(), values, data.get("started_at"), data.get("ended_at")
        )

    def key_of(self, fact: Any) -> Any:
        """The pair."""
        return fact.user, fact.account

    def record(self, facts: Sequence[Any], source: str) -> Outcome:
        """As facts."""
        return record_relationships(facts, source=source)

    def ids(self, facts: Sequence[Any]) -> dict[Any, int]:
        """The newest relationship of each pair."""
        users, accounts = {fact.user for fact in facts}, {fact.account for fact in facts}
        rows = Relationship.objects.filter(user__external_id__in=users, account__external_id__in=accounts)
        names = rows.order_by("started_at", "id").values_list("user__external_id", "account__external_id", "pk")
        return {(user, account): pk for user, account, pk in names}
