"""Definitions of custom attributes over the API."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.db import transaction
from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.facts import define_attribute
from accounts.in_rules import NamedInRules, check_attribute
from accounts.models import AttributeDefinition, Subject
from core.api.access import AdministratorsWrite, IsMember
from core.api.filters import StrictFilterSet, YesNoFilter
from core.api.problems import ApiProblem, Fault, in_use
from core.api.strict import StrictSerializer, Text, YesNo
from core.api.views import ApiViewSet, taken


class AttributeSerializer(StrictSerializer):
    """What a custom attribute is about, its key in rules and bodies, its kind, its choices."""

    id = serializers.IntegerField(read_only=True)
    subject = serializers.ChoiceField(Subject.choices, default=Subject.ACCOUNT)
    key = Text(max_length=60)
    name = Text(max_length=120)
    kind = serializers.ChoiceField(AttributeDefinition.Kind.choices)
    choices = serializers.ListField(child=Text(max_length=255), required=False, max_length=500)
    description = Text(max_length=255, required=False, allow_blank=True)
    active = YesNo(required=False, default=True)


class AttributeFilters(StrictFilterSet):
    """What a list of definitions can be narrowed by."""

    subject = django_filters.ChoiceFilter(choices=Subject.choices)
    kind = django_filters.ChoiceFilter(choices=AttributeDefinition.Kind.choices)
    active = YesNoFilter()


class AttributeViewSet(ApiViewSet):
    """Definitions; administrators change them. Subject, key and kind never change; `active: false` takes one away."""

    permission_classes: Any = [IsMember, AdministratorsWrite]
    serializer_class = AttributeSerializer
    filterset_class = AttributeFilters
    orderings: ClassVar[dict[str, str]] = {"name": "name", "key": "key", "id": "id"}
    lookup_value_regex = r"[0-9]{1,18}"

    def get_queryset(self) -> QuerySet[AttributeDefinition]:
        """All of them, those that are not active too."""
        return AttributeDefinition.objects.all()

    def create(self, request: Request) -> Response:
        """Define an attribute."""
        data = self.read_body()
        if AttributeDefinition.objects.filter(subject=data["subject"], key__iexact=data["key"]).exists():
            raise taken(f"There is already an attribute with the key “{data['key']}”.")
        made = define_attribute(
            data["subject"], data["key"], kind=data["kind"], name=data["name"], choices=data.get("choices", []),
            description=data.get("description", ""), active=data["active"],
        )  # fmt: skip
        return self.answer(made, 201)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change the name, the choices, the description, or whether it is in use. What rules name stays: 409 says
        which."""
        with transaction.atomic():
            found = self.matching()
            data: dict[str, Any] = self.read_body(partial=True)
            kept = {name: getattr(found, name) for name in ("subject", "key", "kind")}
            fixed = [name for name, value in kept.items() if data.get(name, value) != value]
            if fixed:
                faults = [Fault("This never changes. Define another attribute.", "read-only", f"/{n}") for n in fixed]
                raise ApiProblem("read-only", faults[0].detail, 400, faults)
            try:
                check_attribute(
                    found, active=data.get("active", found.active), choices=data.get("choices", found.choices)
                )
            except NamedInRules as error:
                raise in_use(error, error.uses) from error
            for name, value in data.items():
                setattr(found, name, value)
            found.save()
        return self.answer(found)
