"""Account levels with their rules over the API, in their order."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import AccountLevel
from core.api.strict import StrictSerializer, Tree, YesNo
from core.api.views import ApiViewSet
from segments.api.problems import explained
from segments.levels.deciding import remove_level_rule, save_level_rule
from segments.levels.models import LevelRule


class LevelSerializer(StrictSerializer):
    """A level and the rule that gives it; null where it is only given by people and imports."""

    key = serializers.CharField(read_only=True)
    name = serializers.CharField(read_only=True)
    position = serializers.IntegerField(read_only=True)
    rule = Tree(allow_null=True)
    active = YesNo(required=False, allow_null=True)
    error = serializers.CharField(read_only=True, allow_null=True)
    decided_at = serializers.DateTimeField(read_only=True, allow_null=True)

    def to_representation(self, instance: AccountLevel) -> dict[str, Any]:
        """The level, and its rule if it has one."""
        rule: LevelRule | None = getattr(instance, "rule", None)
        told = {"key": instance.key, "name": instance.name, "position": instance.position}
        names = ("rule", "active", "error", "decided_at")
        return told | ({name: getattr(rule, name) for name in names} if rule else dict.fromkeys(names))


class LevelViewSet(ApiViewSet):
    """The levels, the highest first. A change decides every account's level anew."""

    serializer_class = LevelSerializer
    orderings: ClassVar[dict[str, str]] = {"position": "position"}
    default_ordering = "position"
    lookup_field = "key"
    lookup_value_regex = r"[-\w]{1,60}"
    http_method_names = ["get", "head", "options", "patch"]

    def get_queryset(self) -> QuerySet[AccountLevel]:
        """All of them."""
        return AccountLevel.objects.select_related("rule")

    def partial_update(self, request: Request, key: str) -> Response:
        """Change the rule of a level, or whether it is in use; a rule of null takes it away."""
        with transaction.atomic(), explained():
            found = self.matching()
            data = self.read_body(partial=True)
            known: LevelRule | None = getattr(found, "rule", None)
            rule = data.get("rule", known.rule if known else None)
            if rule is None:
                remove_level_rule(found)
            else:
                active = data.get("active", known.active if known else True)
                save_level_rule(found, rule=rule, active=active, author=request.user)
        return self.answer(self.get_queryset().get(pk=found.pk))
