"""Over the API: accounts that several configs could score, with what each of them says."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import DatabaseError
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Account
from core.api.filters import PAGING
from core.api.problems import ApiProblem, Fault
from core.api.strict import Amount, StrictSerializer
from core.api.views import ApiViewSet
from core.deadline import TooSlow
from core.intake import short
from health.conflicts import LIMIT_MS, Comparison
from health.models import Band, HealthConfig
from segments.questions import Reader


class VerdictSerializer(StrictSerializer):
    """What one config says of an account; `wins` marks the one that counts."""

    config = serializers.IntegerField(source="config.pk")
    name = serializers.CharField(source="config.name")
    band = serializers.ChoiceField(Band.choices)
    score = Amount(allow_null=True)
    wins = serializers.BooleanField()


class ConflictSerializer(StrictSerializer):
    """An account with the verdicts of the configs that fit it, in their order."""

    account = serializers.CharField(source="account.external_id")
    name = serializers.CharField(source="account.name")
    differs = serializers.BooleanField()
    verdicts = VerdictSerializer(many=True)


class ConflictActions(ApiViewSet):
    """The conflicts of configs; mixed into the view of configs."""

    parameters: ClassVar[dict[str, tuple[str, ...]]] = {"conflicts": ("config", "account", "differs", *PAGING)}

    @extend_schema(
        parameters=[
            OpenApiParameter("config", int, description="Only the accounts of this config's segment."),
            OpenApiParameter("account", str, description="Only this account, by its external id."),
            OpenApiParameter("differs", bool, description="True: only accounts whose band depends on the config."),
        ],
        responses=ConflictSerializer(many=True),
    )
    @action(detail=False)
    def conflicts(self, request: Request) -> Response:
        """The accounts that you may see in the segments of several active configs, and what each would say of them."""
        given = request.query_params
        seen = Account.objects.visible_to(request.user)
        if account := given.get("account", "").replace("\x00", ""):
            seen = seen.filter(external_id=account)
        differs = given.get("differs", "false")
        if differs not in ("true", "false"):
            raise _refused("differs", "Say true or false.")
        comparison = Comparison(Reader.now())
        config = _config(comparison, given.get("config", ""))
        # The view is made anew for each request, so these are of this one alone.
        self.orderings, self.default_ordering = {"id": "id"}, "id"  # type: ignore[misc]
        try:
            rows = comparison.accounts(seen, config=config, differing=differs == "true")
            page: list[Any] = self.paginate_queryset(rows) or []
            told = comparison.told(page)
        except TooSlow as error:
            text = f"Comparing took longer than {LIMIT_MS // 1000} s. Ask for one config, or for one account."
            raise ApiProblem("too-slow", text, 503, headers={"Retry-After": "60"}) from error
        except DatabaseError as error:
            raise ApiProblem("not-computable", f"A config cannot be computed: {str(error)[:200]}.", 422) from error
        return self.get_paginated_response(ConflictSerializer(told, many=True).data)


def _config(comparison: Comparison, text: str) -> HealthConfig | None:
    found = next((one for one in comparison.configs if str(one.pk) == text), None)
    if text and found is None:
        raise _refused("config", f"There is no active config of a segment with the id “{short(text)}”.")
    return found


def _refused(parameter: str, text: str) -> ApiProblem:
    return ApiProblem("invalid-parameter", text, 400, [Fault(text, "invalid-value", parameter=parameter)])
