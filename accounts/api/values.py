"""Any field beside the records of a list: `?fields=account.trait.exports,account.mrr` adds `values` to each."""

from __future__ import annotations

import builtins
from collections.abc import Iterable
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from accounts.fields import Field, Owner, vocabulary
from accounts.fields.reading import fields_of, read_fields
from core.api.problems import ApiProblem, Fault
from core.api.strict import near
from core.api.views import ApiViewSet
from core.intake import short

MOST_FIELDS = 20
FIELDS = OpenApiParameter(
    "fields",
    str,
    description=f"Keys of up to {MOST_FIELDS} fields with commas between them; their values stand in `values`.",
)


class FieldValues(ApiViewSet):
    """Adds `values` to the records of a list and to a single one, where fields are asked for.

    `owners` says whose fields they may be, `valued_by` is the column (and the key in the answer) that tells records
    apart. Values are what csbox has computed and leave the ETag as it is.
    """

    owners: ClassVar[tuple[Owner, ...]] = ()
    valued_by: ClassVar[str] = "id"

    def known_parameters(self) -> list[str]:
        """`fields` besides, for reading."""
        return [*super().known_parameters(), *(["fields"] if self.action in ("list", "retrieve") else [])]

    @extend_schema(parameters=[FIELDS])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of records, with the values asked for."""
        return super().list(request, *args, **kwargs)

    def paged(self, rows: Any, serializer: type[BaseSerializer[Any]] | None = None) -> Response:
        """A page of records with the values asked for."""
        wanted = self.wanted_fields()
        answer = super().paged(rows, serializer)
        if wanted:
            self._add(answer.data["results"], wanted)
        return answer

    @extend_schema(parameters=[FIELDS])
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One record, with the values asked for."""
        wanted = self.wanted_fields()
        answer = super().retrieve(request, *args, **kwargs)
        if wanted:
            answer.data = {**answer.data}
            self._add([answer.data], wanted)
        return answer

    def wanted_fields(self) -> builtins.list[Field]:
        """The fields that the request names. An unknown one is an error, not a gap."""
        keys = [key for key in self.request.query_params.get("fields", "").split(",") if key]
        if not keys:
            return []
        known = fields_of(vocabulary(), self.owners)
        faults = [_unknown(key, known) for key in keys if key not in known]
        if len(keys) > MOST_FIELDS:
            text = f"{len(keys)} fields are named; at most {MOST_FIELDS} can be given."
            faults.append(Fault(text, "too-many-values", parameter="fields"))
        if faults:
            raise ApiProblem(faults[0].code, faults[0].detail, 400, faults)
        return [known[key] for key in dict.fromkeys(keys)]

    def valued_rows(self) -> QuerySet[Any]:
        """The rows that fields are read beside."""
        return self.get_queryset()

    def _add(self, records: builtins.list[Any], wanted: builtins.list[Field]) -> None:
        ids = [record[self.valued_by] for record in records]
        rows = self.valued_rows().filter(**{f"{self.valued_by}__in": ids})
        found = read_fields(rows, self.valued_by, wanted)
        for record in records:
            record["values"] = found.get(record[self.valued_by], {item.key: None for item in wanted})


def _unknown(key: str, known: Iterable[str]) -> Fault:
    return Fault(
        f"There is no field “{short(key)}” here.{near(key, sorted(known))}", "unknown-field", parameter="fields"
    )
