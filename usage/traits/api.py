"""Traits over the API: administrators and managers define them; every member may read them and try a definition."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import ClassVar

import django_filters
from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.fields import Vocabulary, vocabulary
from accounts.models import Account
from core.api.filters import StrictFilterSet, YesNoFilter
from core.api.problems import ApiProblem, Fault, in_use
from core.api.strict import StrictSerializer, Text, Tree, YesNo
from core.api.views import ApiViewSet
from core.deadline import TooSlow
from usage.traits.computing import PREVIEW_MS, check_author, compute_for_all, preview_trait
from usage.traits.definitions import METHODS, read_definition
from usage.traits.editing import TraitInUse, delete_trait, save_trait
from usage.traits.models import Trait
from usage.traits.reading import TraitError, TraitFailed


class TraitSerializer(StrictSerializer):
    """A computed field: what it is about, its method and definition, and how its last computation went."""

    id = serializers.IntegerField(read_only=True)
    subject = serializers.ChoiceField(Trait.Subject.choices, default=Trait.Subject.ACCOUNT)
    key = serializers.CharField(read_only=True)
    field = serializers.CharField(read_only=True, source="field_key")
    name = Text(max_length=120)
    description = Text(max_length=255, required=False, allow_blank=True, default="")
    method = Text(max_length=20)
    definition = Tree()
    active = YesNo(required=False, default=True)
    kind = serializers.CharField(read_only=True)
    words = serializers.SerializerMethodField()
    values = serializers.IntegerField(read_only=True, source="values_count")
    computed_at = serializers.DateTimeField(read_only=True)
    error = serializers.CharField(read_only=True)

    def get_words(self, trait: Trait) -> str:
        """The definition in plain English; empty if it names a field that is gone."""
        try:
            return read_definition(trait.subject, trait.method, trait.definition, self.known_fields).words
        except TraitError:
            return ""

    @cached_property
    def known_fields(self) -> Vocabulary:
        """The fields, asked for once a list."""
        return vocabulary()


class TraitPreviewSerializer(StrictSerializer):
    """A definition to try."""

    subject = serializers.ChoiceField(Trait.Subject.choices, default=Trait.Subject.ACCOUNT)
    method = Text(max_length=20)
    definition = Tree()


class TraitFilters(StrictFilterSet):
    """What the list of traits can be narrowed by."""

    subject = django_filters.ChoiceFilter(choices=Trait.Subject.choices)
    method = django_filters.CharFilter()
    active = YesNoFilter()


@contextmanager
def explained() -> Iterator[None]:
    """Turn what editing and previewing raise into problems."""
    try:
        yield
    except TraitError as error:
        faults = [
            Fault(p.message, p.code, p.pointer if p.pointer in _WHOLE else f"/definition{p.pointer}", None, p.allowed)
            for p in error.problems
        ]
        code = faults[0].code if len(faults) == 1 else "invalid-trait"
        status = {"name-taken": 409, "forbidden": 403}.get(code, 422)
        raise ApiProblem(code, "The trait cannot be used; “errors” says where and why.", status, faults) from error
    except TraitInUse as error:
        raise in_use(error, error.users) from error
    except TraitFailed as error:
        raise ApiProblem("bad-result", str(error), 422, [Fault(str(error), "bad-result", "/definition")]) from error
    except TooSlow as error:
        text = f"The computation took longer than {PREVIEW_MS // 1000} s. Narrow its window or its conditions."
        raise ApiProblem("preview-too-slow", text, 503, headers={"Retry-After": "60"}) from error


_WHOLE = ("/name", "/method", "/definition")


class TraitViewSet(ApiViewSet):
    """Computed fields. Subject and key never change; a trait that is used cannot be deleted or switched off."""

    serializer_class = TraitSerializer
    filterset_class = TraitFilters
    orderings: ClassVar[dict[str, str]] = {"name": "name_folded", "id": "id"}
    lookup_value_regex = r"[0-9]{1,18}"
    reading_actions = ("preview",)

    def get_queryset(self) -> QuerySet[Trait]:
        """All of them, those that are switched off too."""
        return Trait.objects.all()

    def create(self, request: Request) -> Response:
        """Define a trait; it is computed at once."""
        data = self.read_body()
        with explained():
            made = save_trait(None, author=request.user, **data)
        return self.answer(made, 201)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change a trait; it is computed at once."""
        with transaction.atomic():
            found = self.matching()
            data = self.read_body(partial=True)
            if data.pop("subject", found.subject) != found.subject:
                text = "This never changes. Define another trait."
                raise ApiProblem("read-only", text, 400, [Fault(text, "read-only", "/subject")])
            kept = {name: getattr(found, name) for name in ("name", "description", "method", "definition", "active")}
            with explained():
                found = save_trait(found, author=request.user, **(kept | data))
        return self.answer(found)

    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a trait with its values; refused while a rule or another trait names it."""
        with transaction.atomic(), explained():
            found = self.matching()
            check_author(request.user, found.method)
            delete_trait(found)
        return Response(status=204)

    @extend_schema(request=TraitPreviewSerializer, responses=OpenApiTypes.OBJECT)
    @action(detail=False, methods=["post"], serializer_class=TraitPreviewSerializer)
    def preview(self, request: Request) -> Response:
        """What a definition gives now, of the accounts that you may see: how many values, and the highest of them."""
        data = self.read_body()
        with explained():
            found = preview_trait(
                data["subject"], data["method"], data["definition"], visible=Account.objects.visible_to(request.user),
                author=request.user,
            )  # fmt: skip
        sample = [
            {"account": row.account.external_id, "user": row.user.external_id if row.user else None, "value": row.value}
            for row in found.sample
        ]
        return Response(
            {
                "words": found.words,
                "kind": found.kind.value,
                "count": found.count,
                "total": found.total,
                "sample": sample,
            }
        )

    @extend_schema(request=None, responses=TraitSerializer)
    @action(detail=True, methods=["post"])
    def compute(self, request: Request, pk: str) -> Response:
        """Compute a trait now."""
        found = self.get_object()
        compute_for_all(found, redefined=False)
        return self.answer(found)

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=False, methods=["get"], pagination_class=None, filter_backends=[])
    def methods(self, request: Request) -> Response:
        """The ways to compute a trait, and the keys that the definition of each has."""
        known = [
            {"key": m.key, "label": m.label, "group": m.group, "subjects": m.subjects, "keys": m.needs}
            for m in METHODS.values()
        ]
        return Response({"results": known})
