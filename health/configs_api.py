"""Health configs over the API: read by every member, changed by administrators and managers."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.problems import ApiProblem, Fault
from core.api.strict import StrictSerializer, Text, Tree, YesNo
from core.api.versions import VersionActions
from core.versions import VersionChange
from health.conflicts_api import ConflictActions
from health.drafts_api import DraftActions, segment_of
from health.editing import clone_config, delete_config, reorder_configs, save_config
from health.models import HealthConfig
from health.problems_api import explained
from health.versions import restore_version, versions_of
from segments.questions import Reader


class ConfigSerializer(StrictSerializer):
    """How the accounts of a segment are scored. Without a segment it is the default config. `problems` says by measure
    why it could not be scored last time, or for how many accounts both its rules hold; `held` for which silent feed
    some measures stand still."""

    id = serializers.IntegerField(read_only=True)
    name = Text(max_length=120, required=False, allow_blank=True)
    segment = Text(max_length=80, required=False, allow_null=True, source="segment.key")
    definition = Tree()
    active = YesNo(required=False)
    reason = Text(max_length=255, required=False, allow_blank=True, write_only=True)
    position = serializers.IntegerField(read_only=True)
    version = serializers.IntegerField(read_only=True)
    problems = serializers.DictField(read_only=True, child=serializers.CharField())
    held = serializers.CharField(read_only=True)
    scored_at = serializers.DateTimeField(read_only=True)

    def to_representation(self, instance: HealthConfig) -> dict[str, Any]:
        """The default config has no segment."""
        names = ("id", "name", "definition", "active", "position", "version", "problems", "held", "scored_at")
        key = instance.segment.key if instance.segment else None
        return {name: getattr(instance, name) for name in names} | {"segment": key}


class OrderSerializer(StrictSerializer):
    """Configs by id, the one that is asked first first; those left out keep their order after them."""

    ids = serializers.ListField(child=serializers.IntegerField(), allow_empty=False, max_length=1_000)


class CloneSerializer(StrictSerializer):
    """The segment that the copy is for (none: it becomes the default config), its name, and whether it counts."""

    segment = Text(max_length=80, required=False, allow_null=True)
    name = Text(max_length=120, required=False, allow_blank=True)
    active = YesNo(required=False)


class ConfigViewSet(ConflictActions, DraftActions, VersionActions):
    """Health configs. An account of several segments is scored by the first that fits; the default comes last."""

    serializer_class = ConfigSerializer
    orderings: ClassVar[dict[str, str]] = {"position": "position"}
    default_ordering = "position"
    lookup_value_regex = r"\d{1,18}"
    http_method_names = ["get", "head", "options", "post", "patch", "delete"]
    reading_actions: ClassVar[tuple[str, ...]] = DraftActions.reading_actions
    parameters: ClassVar[dict[str, tuple[str, ...]]] = {**ConflictActions.parameters, **VersionActions.parameters}

    def get_queryset(self) -> QuerySet[HealthConfig]:
        """All of them."""
        return HealthConfig.objects.select_related("segment")

    def told(self, record: HealthConfig, numbers: list[int]) -> list[VersionChange]:
        """The versions of these numbers."""
        return versions_of(record, Reader.now(), numbers)

    def restored(self, record: HealthConfig, number: int) -> HealthConfig:
        """Every account is scored anew soon after."""
        return restore_version(record, number, author=self.request.user)

    def refusing(self) -> AbstractContextManager[None]:
        """As every save of a config is refused."""
        return explained()

    def create(self, request: Request) -> Response:
        """Make a config; every account is scored anew soon after."""
        data = self.read_body()
        with explained():
            made = save_config(None, author=request.user, **self.given(data, None))
        return self.answer(made, 201)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change a config; a new version is kept if its definition differs."""
        with transaction.atomic(), explained():
            found = self.matching()
            data = self.read_body(partial=True)
            made = save_config(found, author=request.user, **self.given(data, found))
        return self.answer(made)

    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a config; its accounts are scored by the next one that fits. Refused while something uses it."""
        with transaction.atomic(), explained():
            delete_config(self.matching())
        return Response(status=204)

    @extend_schema(request=OrderSerializer, responses=OrderSerializer)
    @action(detail=False, methods=["post"])
    def reorder(self, request: Request) -> Response:
        """Decide which config is asked first; answers with all of them in their order."""
        made = OrderSerializer(data=request.data)
        made.is_valid(raise_exception=True)
        ids: list[int] = made.validated_data["ids"]
        known = set(HealthConfig.objects.values_list("pk", flat=True))
        faults = [
            Fault(f"There is no health config {pk}, or it comes twice.", "unknown-config", f"/ids/{i}")
            for i, pk in enumerate(ids)
            if pk not in known or pk in ids[:i]
        ]
        if faults:
            raise ApiProblem("unknown-config", faults[0].detail, 400, faults)
        reorder_configs(ids)
        return Response({"ids": list(HealthConfig.objects.values_list("pk", flat=True))})

    @extend_schema(request=CloneSerializer, responses={201: ConfigSerializer})
    @action(detail=True, methods=["post"])
    def clone(self, request: Request, pk: str) -> Response:
        """A copy for another segment, right under the original; it scores nobody until it is active."""
        original = self.get_object()
        made = CloneSerializer(data=request.data)
        made.is_valid(raise_exception=True)
        given = made.validated_data
        with explained():
            copy = clone_config(
                original, segment=segment_of(given.get("segment")), name=given.get("name", ""),
                active=given.get("active", False), author=request.user,
            )  # fmt: skip
        return self.answer(copy, 201)

    def given(self, data: dict[str, Any], config: HealthConfig | None) -> dict[str, Any]:
        """What to save: what was sent, over what is there."""
        key = data.pop("segment", {"key": config.segment.key if config and config.segment else None})["key"]
        kept = (
            {"name": config.name, "definition": config.definition, "active": config.active} if config else {"name": ""}
        )
        return kept | data | {"segment": segment_of(key)}
