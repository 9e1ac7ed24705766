"""The base of every view of the API: members only, strict parameters, pages by cursor, ETags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import transaction
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated, Throttled
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from core.api.access import AnonymousThrottle, IsMember, ManagersWrite
from core.api.etags import check_match, etag_of
from core.api.filters import PAGING, check_parameters
from core.api.problems import ApiProblem


class ApiView(APIView):
    """What views and viewsets have in common. `takes` names the query parameters of a view that is no viewset;
    `matched` the actions (of a plain view, the methods) that are refused without If-Match, for the schema."""

    permission_classes: Any = [IsMember]
    takes: ClassVar[tuple[str, ...]] = ()
    matched: ClassVar[tuple[str, ...]] = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Who asks, whether they may, how often; then whether every parameter is known."""
        super().initial(request, *args, **kwargs)
        check_parameters(request, self.known_parameters())

    def known_parameters(self) -> list[str]:
        """The query parameters of the present request."""
        return list(self.takes)

    def handle_exception(self, exc: Exception) -> Any:
        """Count failed log-ins by address; too many of them are answered 429."""
        if isinstance(exc, NotAuthenticated | AuthenticationFailed):
            throttle = AnonymousThrottle()
            if not throttle.allow_request(self.request, self):
                exc = Throttled(throttle.wait())
        return super().handle_exception(exc)


class ApiViewSet(ApiView, GenericViewSet[Any]):
    """Lists by cursor and single records with an ETag; subclasses add what may be written.

    `orderings` maps the names that `ordering` takes to columns; `parameters` names the query parameters of actions
    other than `list`; `reading_actions` only read although they are posted.
    """

    permission_classes: Any = [IsMember, ManagersWrite]
    orderings: ClassVar[dict[str, str]] = {}
    default_ordering = "id"
    parameters: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    reading_actions: ClassVar[tuple[str, ...]] = ()
    matched: ClassVar[tuple[str, ...]] = ("partial_update", "destroy")

    def known_parameters(self) -> list[str]:
        """The query parameters of the present action."""
        if self.action != "list":
            return list(self.parameters.get(self.action or "", ()))
        filters = getattr(getattr(self, "filterset_class", None), "base_filters", {})
        return [*filters, *PAGING]

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of records."""
        return self.paged(self.filter_queryset(self.get_queryset()))

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One record, with its ETag."""
        return self.answer(self.get_object())

    def paged(self, rows: Any, serializer: type[BaseSerializer[Any]] | None = None) -> Response:
        """One page of these rows."""
        page = self.paginate_queryset(rows)
        made = serializer(page, many=True) if serializer else self.get_serializer(page, many=True)
        return self.get_paginated_response(made.data)

    def answer(self, instance: Any, status: int = 200) -> Response:
        """A record as it is now, with its ETag."""
        data = self.get_serializer(instance).data
        return Response(data, status, headers={"ETag": etag_of(self.state(data))})

    def state(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The part of a representation that an edit could change; computed figures leave the ETag as it is."""
        fields: Any = getattr(self.get_serializer(), "fields", {})
        return {name: value for name, value in data.items() if name in fields and not fields[name].read_only}

    def matching(self, *, required: bool = True) -> Any:
        """The addressed record, locked and in the state that the caller means. Call it inside a transaction."""
        if not transaction.get_connection().in_atomic_block:
            raise RuntimeError("a record is matched and written in one transaction")
        found = self.get_object()
        manager = type(found)._base_manager
        manager.select_for_update(of=("self",), no_key=True).filter(pk=found.pk).first()
        found = self.get_object()
        state = self.state(self.get_serializer(found).data)
        check_match(self.request, etag_of(state), state, required=required)
        return found

    def read_body(self, *, partial: bool = False) -> dict[str, Any]:
        """The validated body of the request."""
        made = self.get_serializer(data=self.request.data, partial=partial)
        made.is_valid(raise_exception=True)
        return dict(made.validated_data)


def taken(detail: str) -> ApiProblem:
    """A value that must be unique is taken."""
    return ApiProblem("conflict", detail, 409)
