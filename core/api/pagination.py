"""Pages by cursor: the next page begins after the last row seen, so that it costs the same at any depth.

A cursor names the ordering and the last row's place in it. Rows that are added or removed meanwhile neither repeat nor
hide others. A column may hold missing values; they come last in either direction.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.core.exceptions import ValidationError
from django.db.models import F, Field, Q, QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.filters import ascii_whole
from core.api.problems import ApiProblem, Fault
from core.api.strict import near
from core.intake import short

if TYPE_CHECKING:
    from rest_framework.views import APIView

PAGE_SIZE, LARGEST_PAGE = 50, 200


@dataclass(frozen=True)
class Order:
    """One way to sort: a column (a path of one), and its direction."""

    name: str
    column: str
    descending: bool
    nullable: bool

    @property
    def label(self) -> str:
        """As it is written in the query."""
        return f"-{self.name}" if self.descending else self.name


@dataclass(frozen=True)
class Place:
    """A row's place in an ordering, and whether the page lies behind it or before it."""

    back: bool
    value: Any
    pk: int


class KeysetPagination(BasePagination):
    """Pages of `page_size` rows (at most 200) with links to the next and the previous one."""

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> list[Any] | None:
        """One page of rows; raises problems for a cursor, size or ordering that cannot be read."""
        self.request = request
        sizes = request.query_params.get("page_size")
        size = PAGE_SIZE if sizes is None else ascii_whole(sizes, "page_size", 1, LARGEST_PAGE)
        self.order = self._order(queryset, request, view)
        given = request.query_params.get("cursor")
        place = self._read(given, queryset) if given is not None else None
        back = bool(place and place.back)
        rows = queryset.order_by(*self._sorting(back))
        if place is not None:
            rows = rows.filter(self._beyond(place))
        found = list(rows[: size + 1])
        more, found = len(found) > size, found[:size]
        if back:
            found.reverse()
        ahead, behind = (bool(found), more) if back else (more, place is not None)
        self.next = self._link(found[-1], back=False) if ahead and found else None
        self.previous = self._link(found[0], back=True) if behind and found else None
        return found

    def get_paginated_response(self, data: Any) -> Response:
        """The page with its links."""
        return Response({"results": data, "next": self.next, "previous": self.previous})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """For the OpenAPI document."""
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["results", "next", "previous"],
            "properties": {"results": schema, "next": link, "previous": link},
        }

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        """For the OpenAPI document."""
        names = sorted(getattr(view, "orderings", {}))
        cursor = {"name": "cursor", "in": "query", "schema": {"type": "string"}}
        ways = [way for name in names for way in (name, f"-{name}")]
        sorting = {"name": "ordering", "in": "query", "schema": {"type": "string", "enum": ways}}
        size = {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": PAGE_SIZE}
        return [
            cursor | {"description": "From `next` or `previous`."},
            {"name": "page_size", "in": "query", "schema": size},
            *([sorting] if ways else []),
        ]

    def _order(self, queryset: QuerySet[Any], request: Request, view: APIView | None) -> Order:
        known: dict[str, str] = getattr(view, "orderings", {})
        default = str(getattr(view, "default_ordering", "id"))
        asked = request.query_params.get("ordering", default)
        name = asked.removeprefix("-")
        if asked != default and name not in known:
            ways = tuple(sorted(known))
            detail = f"Nothing is ordered by “{short(asked)}”.{near(name, list(ways))} Use one of: {', '.join(ways)}."
            fault = Fault(detail, "unknown-ordering", parameter="ordering", allowed=ways)
            raise ApiProblem("unknown-ordering", detail, 400, [fault])
        column = known.get(name, name)
        return Order(name, column, asked.startswith("-"), self._field(queryset, column).null)

    @staticmethod
    def _field(queryset: QuerySet[Any], column: str) -> Field[Any, Any]:
        field: Any = None
        model: Any = queryset.model
        for part in column.split("__"):
            field = model._meta.get_field(part)
            model = field.related_model
        return field

    def _sorting(self, back: bool) -> list[Any]:
        down = self.order.descending != back
        by_pk = F("pk").desc() if down else F("pk").asc()
        if self.order.column in ("id", "pk"):
            return [by_pk]
        column = F(self.order.column)
        if not self.order.nullable:
            return [column.desc() if down else column.asc(), by_pk]
        first = {"nulls_first": True} if back else {"nulls_last": True}
        return [column.desc(**first) if down else column.asc(**first), by_pk]

    def _beyond(self, place: Place) -> Q:
        """The rows after a place, or before it, in the ordering."""
        down = self.order.descending != place.back
        later = Q(pk__lt=place.pk) if down else Q(pk__gt=place.pk)
        column = self.order.column
        if column in ("id", "pk"):
            return later
        missing = Q(**{f"{column}__isnull": True})
        if place.value is None:
            return missing & later | ~missing if place.back else missing & later
        strict, loose = ("lt", "lte") if down else ("gt", "gte")
        # `>=` on the column alone lets an index on (column, id) begin at the right place.
        among = Q(**{f"{column}__{loose}": place.value}) & (Q(**{f"{column}__{strict}": place.value}) | later)
        return among | missing if self.order.nullable and not place.back else among

    def _link(self, row: Any, *, back: bool) -> str:
        value = row
        for part in self.order.column.split("__"):
            value = getattr(value, part, None)
        value = row.pk if self.order.column in ("id", "pk") else value
        plain = value if value is None or isinstance(value, int | str) else str(value)
        raw = json.dumps([self.order.label, int(back), plain, row.pk], ensure_ascii=False).encode()
        cursor = base64.urlsafe_b64encode(raw).decode().rstrip("=")
        query = {name: text for name, text in self.request.query_params.items() if name != "cursor"}
        return self.request.build_absolute_uri(f"{self.request.path}?{urlencode(query | {'cursor': cursor})}")

    def _read(self, cursor: str, queryset: QuerySet[Any]) -> Place:
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            label, back, value, pk = json.loads(raw.decode("utf-8"))
            if label != self.order.label or back not in (0, 1) or type(pk) is not int or not 0 < pk < 2**63:
                raise ValueError("another ordering, or no cursor of ours")
            if isinstance(value, str) and "\x00" in value:
                raise ValueError("no text of ours")
            kept = None if value is None else self._field(queryset, self.order.column).to_python(value)
            return Place(bool(back), kept, pk)
        except (ValueError, TypeError, OverflowError, RecursionError, binascii.Error, ValidationError) as error:
            detail = "The cursor does not belong to this list and ordering. Begin again without it."
            fault = Fault(detail, "invalid-cursor", parameter="cursor")
            raise ApiProblem("invalid-cursor", detail, 400, [fault]) from error
