"""Reports that are made in the background, over the API: start one, read how far it is and what it found, cancel it."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.problems import ApiProblem
from core.api.strict import StrictSerializer
from core.api.views import ApiViewSet
from core.reports import State, cancel_report
from core.working import NotNow


class ProgressSerializer(StrictSerializer):
    """Who asked, how far it is and how it ended."""

    id = serializers.IntegerField(read_only=True)
    state = serializers.ChoiceField(State.choices, read_only=True)
    steps = serializers.IntegerField(read_only=True)
    done = serializers.IntegerField(read_only=True)
    error = serializers.CharField(read_only=True)
    author = serializers.CharField(read_only=True, source="author.username", default=None)
    created_at = serializers.DateTimeField(read_only=True)
    finished_at = serializers.DateTimeField(read_only=True)


class ReportViewSet(ApiViewSet):
    """Reports, newest first; administrators and managers start and cancel them. A subclass says how one is started
    (`started`) and what shows one with its report; `heavy` are the columns that the list leaves out."""

    orderings: ClassVar[dict[str, str]] = {"id": "id"}
    default_ordering = "-id"
    lookup_value_regex = r"\d{1,18}"
    http_method_names = ["get", "head", "options", "post"]
    whole_serializer: ClassVar[type[ProgressSerializer]]
    heavy: ClassVar[tuple[str, ...]] = ("report",)

    def started(self, data: dict[str, Any]) -> Any:
        """Start one as the validated body says. Raises NotNow."""
        raise NotImplementedError

    def filter_queryset(self, queryset: Any) -> Any:
        """The list leaves the large parts out."""
        found = super().filter_queryset(queryset)
        return found.defer(*self.heavy) if self.action == "list" else found

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One of them, with its report."""
        return Response(self.whole_serializer(self.get_object(), context=self.get_serializer_context()).data)

    def create(self, request: Request) -> Response:
        """Start one; it works in the background. 409 with too many at once."""
        try:
            made = self.started(self.read_body())
        except NotNow as error:
            raise ApiProblem("conflict", str(error), 409) from error
        return self.answer(made, 201)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Stop after the piece in hand; 409 if it is not running."""
        try:
            cancel_report(self.get_object())
        except NotNow as error:
            raise ApiProblem("conflict", str(error), 409) from error
        return self.answer(self.get_object())
