"""Writing facts over the API: a body becomes a fact, a refused fact becomes a problem."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import Q
from django.http import Http404
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.facts import Fact, Outcome, Reject
from core.api.problems import ApiProblem, Fault, pointer_to
from core.api.strict import Attributes, StrictSerializer, Text
from core.api.views import ApiViewSet, taken
from core.intake import BadValue, clean_id, fold


class ExternalId(Text):
    """The id that your own systems use; it is the record's address and never changes."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 255} | kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Exactly the id that every other way in would store."""
        if not isinstance(data, str):
            raise serializers.ValidationError("Send the id as text.", code="invalid-type")
        try:
            return clean_id(data)
        except BadValue as error:
            raise serializers.ValidationError(str(error), code="invalid-identifier") from error


class FactSerializer(StrictSerializer):
    """What every kind of record that facts are about has."""

    external_id = ExternalId()
    attributes = Attributes(required=False)
    at = serializers.DateTimeField(
        required=False, write_only=True, help_text="When the values became true; now if it is left out."
    )
    created_at = serializers.DateTimeField(read_only=True)
    updated_at = serializers.DateTimeField(read_only=True)


def source_of(request: Request) -> str:
    """Where a value written by this request comes from, as the history of values shows it."""
    return f"api:{request.user.get_username()}"[:80]


def refused(rejects: Sequence[Reject]) -> ApiProblem:
    """The problem that rejected facts mean."""
    faults = [fault_of(reject) for reject in rejects]
    return ApiProblem("validation", faults[0].detail, 400, faults)


def fault_of(reject: Reject, *above: object) -> Fault:
    """The wrong place that a rejected fact names, below `above`."""
    return Fault(reject.reason, "invalid-value", pointer_to(*above, *_path(reject.key)))


def _path(key: str) -> list[str]:
    return ["attributes", key.removeprefix("custom.")] if key.startswith("custom.") else [key] if key else []


def values_in(data: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a validated body as facts name them."""
    values = {key: value for key, value in data.items() if key not in ("external_id", "attributes", "at")}
    return values | {f"custom.{key}": value for key, value in data.get("attributes", {}).items()}


class FactViewSet(ApiViewSet):
    """Records with an external id: POST makes one, PUT makes it or sets the values given, PATCH changes what was read.

    PUT is what an integration repeats: sent twice it changes nothing, and values that it does not name stay. It takes
    If-Match where it is sent; PATCH and DELETE demand it.
    """

    record: ClassVar[Callable[..., Outcome]]
    noun: ClassVar[str] = "record"
    lookup_field = "external_id"
    lookup_value_regex = r".+"  # any characters, “/” included, percent-encoded as UTF-8

    def create(self, request: Request) -> Response:
        """Make a record; 409 if its id is taken."""
        data = self.read_body()
        with transaction.atomic():
            outcome = self.write(data["external_id"], data)
            if not outcome.created:
                raise taken(f"There is already a {self.noun} with this external_id. Change it with PUT or PATCH.")
        return self.answer(self.written(data["external_id"]), 201)

    def update(self, request: Request, external_id: str) -> Response:
        """Make the record, or set the values given; the same request again changes nothing."""
        external_id = self._address(external_id)
        body = request.data if isinstance(request.data, Mapping) else {}
        if body.get("external_id", external_id) != external_id:
            fault = Fault("The external_id differs from the one in the address.", "read-only", "/external_id")
            raise ApiProblem("read-only", fault.detail, 400, [fault])
        made = self.get_serializer(data={**body, "external_id": external_id})
        made.is_valid(raise_exception=True)
        with transaction.atomic():
            self._match_if_asked(request)
            outcome = self.write(external_id, made.validated_data)
        return self.answer(self.written(external_id), 201 if outcome.created else 200)

    def partial_update(self, request: Request, external_id: str) -> Response:
        """Change the values given, of the record as it was read (If-Match)."""
        with transaction.atomic():
            found = self.matching()
            data = self.read_body(partial=True)
            if data.get("external_id", found.external_id) != found.external_id:
                fault = Fault("An external_id never changes.", "read-only", "/external_id")
                raise ApiProblem("read-only", fault.detail, 400, [fault])
            self.write(found.external_id, data)
        return self.answer(self.written(found.external_id))

    def write(self, external_id: str, data: Mapping[str, Any]) -> Outcome:
        """Record one fact; raises a problem if it is refused."""
        at: dt.datetime = data.get("at") or timezone.now()
        outcome = type(self).record([Fact(external_id, values_in(data), at)], source=source_of(self.request))
        if outcome.rejected:
            raise refused(outcome.rejected)
        self.wrote(outcome)
        return outcome

    def wrote(self, outcome: Outcome) -> None:
        """What follows from a change, in the same transaction."""

    def written(self, external_id: str) -> Any:
        """The record as it is after a write."""
        return self.get_queryset().get(external_id=external_id)

    def _address(self, external_id: str) -> str:
        try:
            return clean_id(external_id)
        except BadValue as error:
            raise ApiProblem("invalid-identifier", str(error), 400) from error

    def _match_if_asked(self, request: Request) -> None:
        if "If-Match" not in request.headers:
            return
        try:
            self.matching(required=False)
        except Http404 as error:
            raise ApiProblem("stale", "There is no such record any more.", 412) from error


def folded(*columns: str, contains: bool = False) -> Callable[[Any, str, str], Any]:
    """A filter method that compares folds, as rules do, with any of these columns."""
    lookup = "__icontains" if contains else ""

    def narrow(queryset: Any, name: str, value: str) -> Any:
        wanted = Q()
        for column in columns:
            wanted |= Q(**{f"folded__{column}{lookup}": fold(value)})
        return queryset.filter(wanted)

    return narrow
