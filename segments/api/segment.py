"""Segments over the API: read by every member, changed by administrators and managers through `segments.editing`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any, ClassVar

import django_filters
from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.fields import Subject
from core.api.filters import StrictFilterSet, YesNoFilter
from core.api.problems import ApiProblem, Fault
from core.clock import Moment, moment
from core.intake import BadValue, clean_date, fold
from segments.api.explaining import ExplainActions
from segments.api.gallery import GalleryActions
from segments.api.history import HistoryActions
from segments.api.known import MemberPages
from segments.api.pins import PinActions
from segments.api.problems import explained
from segments.api.recipients import RecipientActions
from segments.api.serializers import (
    MembershipSerializer,
    PreviewSerializer,
    ReorderSerializer,
    SegmentSerializer,
    UserMembershipSerializer,
)
from segments.editing import clone_segment, delete_segment, reorder_segments, save_segment
from segments.history import first_day, members_on
from segments.impact import knock_on
from segments.linting import note_preview
from segments.models import RefreshRun, Segment
from segments.places import accounts_matched
from segments.questions import Reader, preview, read_rule
from segments.refresh import request_refresh
from segments.rules.tree import RuleError
from segments.subjects import members_of
from segments.trends import joined_left
from segments.uses import uses_of


class SegmentFilters(StrictFilterSet):
    """What the list of segments can be narrowed by."""

    q = django_filters.CharFilter(method="named", help_text="Part of a name.")
    subject = django_filters.ChoiceFilter(choices=Segment.Subject.choices, help_text="What the members are.")
    visible = YesNoFilter()
    active = YesNoFilter()
    frozen = YesNoFilter(method="is_frozen", help_text="True: the rule could not be run.")

    def named(self, queryset: QuerySet[Segment], name: str, value: str) -> QuerySet[Segment]:
        """Compared without case."""
        return queryset.filter(name_folded__contains=fold(value))

    def is_frozen(self, queryset: QuerySet[Segment], name: str, value: bool) -> QuerySet[Segment]:
        """Those with an error, or those without."""
        return queryset.exclude(error="") if value else queryset.filter(error="")


class SegmentViewSet(ExplainActions, GalleryActions, HistoryActions, PinActions, RecipientActions):
    """Saved questions about accounts and about users, in the company's order."""

    serializer_class = SegmentSerializer
    filterset_class = SegmentFilters
    orderings: ClassVar[dict[str, str]] = {
        "position": "position", "name": "name_folded", "member_count": "member_count", "updated_at": "updated_at",
        "contract_value": "contract_value",
    }  # fmt: skip
    default_ordering = "position"
    lookup_field = "key"
    lookup_value_regex = r"[-a-zA-Z0-9_]{1,80}"
    reading_actions: ClassVar[tuple[str, ...]] = ("preview", *ExplainActions.reading_actions)
    matched: ClassVar[tuple[str, ...]] = (*HistoryActions.matched, "update")
    parameters: ClassVar[dict[str, tuple[str, ...]]] = {
        **ExplainActions.parameters,
        **HistoryActions.parameters,
        **PinActions.parameters,
        **RecipientActions.parameters,
        "members": ("on", "cursor", "page_size", "ordering"),
    }

    def get_queryset(self) -> QuerySet[Segment]:
        """All but internal ones."""
        return Segment.objects.all()

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        """Give segments that are shown their words and their 7-day movement, in a constant number of queries."""
        shown = args[0] if args else kwargs.get("instance")
        if isinstance(shown, Segment):
            self._complete([shown])
        elif isinstance(shown, list):
            self._complete(shown)
        return super().get_serializer(*args, **kwargs)

    def create(self, request: Request) -> Response:
        """Save a new segment; its first refresh is under way when the answer comes."""
        data = self.read_body()
        with explained():
            made = save_segment(None, author=request.user, **data)
        return self.answer(made, 201)

    def update(self, request: Request, key: str) -> Response:
        """Replace name, description, flags and rule of the version that was read."""
        return self._change(partial=False)

    def partial_update(self, request: Request, key: str) -> Response:
        """Change what is given; a save without a change refreshes."""
        return self._change(partial=True)

    def destroy(self, request: Request, key: str) -> Response:
        """Delete a segment; 409 with the list of what uses it."""
        with transaction.atomic(), explained():
            delete_segment(self.matching())
        return Response(status=204)

    def state(self, data: Any) -> dict[str, Any]:
        """What an edit changes; a refresh in between leaves the ETag as it is."""
        return {name: data[name] for name in ("key", "name", "description", "visible", "active", "rule", "version")}

    def _change(self, *, partial: bool) -> Response:
        with transaction.atomic(), explained():
            found: Segment = self.matching()
            data = self.read_body(partial=partial)
            subject = data.pop("subject", found.subject)
            if subject != found.subject:
                fault = Fault(f"It is {found.subject}, and stays so. Make another segment.", "read-only", "/subject")
                raise ApiProblem("read-only", fault.detail, 400, [fault])
            kept = {name: getattr(found, name) for name in ("name", "description", "visible", "active", "rule")}
            author = self.request.user
            saved = save_segment(found, author=author, expected_version=found.version, **kept | data)
        return self.answer(saved)

    @extend_schema(request=PreviewSerializer, responses=OpenApiTypes.OBJECT)
    @action(detail=False, methods=["post"])
    def preview(self, request: Request) -> Response:
        """Count what a rule would match among what you may see, and what each condition matches alone (of any row)."""
        made = PreviewSerializer(data=request.data)
        made.is_valid(raise_exception=True)
        asked = made.validated_data.get("segment")
        segment = Segment.objects.filter(key=asked).first() if asked else None
        if asked and segment is None:
            fault = Fault(f"There is no segment “{asked}”.", "unknown-segment", "/segment")
            raise ApiProblem("unknown-segment", fault.detail, 400, [fault])
        subject = segment.subject if segment else made.validated_data.get("subject", Subject.ACCOUNT)
        with explained():
            question = read_rule(made.validated_data["rule"], personal=False, viewer=request.user, subject=subject)
            base = question.members.seen_by(request.user)
            found = preview(question, base=base, segment=segment)
            reader = Reader.now()
            knocks = knock_on(segment, question, reader, request.user) if segment else []
            notes = note_preview(question, reader, found, base, segment)
        return Response(
            {
                "words": question.words,
                "subject": str(subject),
                "total": found.total,
                "count": found.count,
                "accounts": found.accounts if question.members.subject is Subject.USER else found.count,
                "mrr": str(found.mrr),
                "contract_value": str(found.contract_value),
                "joins": found.joins,
                "leaves": found.leaves,
                "pinned_in": found.pins.brought,
                "kept_out": found.pins.kept,
                "alone": found.alone,
                "uncounted": found.uncounted,
                "stages": found.stages,
                "health": found.health,
                "notes": [{"pointer": one.pointer, "code": one.code, "message": one.message} for one in notes],
                "uses": [{"kind": use.kind, "name": use.name} for use in uses_of(segment)] if segment else [],
                "knock_on": [
                    {
                        "segment": knock.segment.key,
                        "joins": knock.joins,
                        "leaves": knock.leaves,
                        "certain": knock.certain,
                        "uses": [{"kind": use.kind, "name": use.name} for use in knock.uses],
                        "effects": knock.effects,
                    }
                    for knock in knocks
                ],
                "sample": [{str(subject): one.external_id, "name": one.name} for one in found.sample],
            }
        )

    @extend_schema(request=ReorderSerializer, responses=ReorderSerializer)
    @action(detail=False, methods=["post"])
    def reorder(self, request: Request) -> Response:
        """Put segments into the given order; those that are not named keep their places."""
        made = ReorderSerializer(data=request.data)
        made.is_valid(raise_exception=True)
        keys: list[str] = made.validated_data["keys"]
        ids = dict(Segment.objects.filter(key__in=keys).values_list("key", "pk"))
        faults = [
            Fault(f"There is no segment “{key}”, or it comes twice.", "unknown-segment", f"/keys/{i}")
            for i, key in enumerate(keys)
            if key not in ids or key in keys[:i]
        ]
        if faults:
            raise ApiProblem("unknown-segment", faults[0].detail, 400, faults)
        reorder_segments([ids[key] for key in keys])
        return Response({"keys": list(Segment.objects.in_tab_order().values_list("key", flat=True))})

    @extend_schema(request=None, responses={201: SegmentSerializer})
    @action(detail=True, methods=["post"])
    def clone(self, request: Request, key: str) -> Response:
        """A hidden copy right under the original."""
        with explained():
            made = clone_segment(self.get_object(), author=request.user)
        return self.answer(made, 201)

    @extend_schema(request=None, responses={202: SegmentSerializer})
    @action(detail=True, methods=["post"])
    def refresh(self, request: Request, key: str) -> Response:
        """Ask for the segment, and what depends on it, to be refreshed; `due` turns false when it is done."""
        found = self.get_object()
        with transaction.atomic():
            request_refresh([found], RefreshRun.Trigger.HAND)
        found.refresh_from_db()
        return self.answer(found, 202)

    @extend_schema(
        parameters=[OpenApiParameter("on", OpenApiTypes.DATE)],
        responses=PolymorphicProxySerializer(
            "SegmentMember", [MembershipSerializer, UserMembershipSerializer], resource_type_field_name=None, many=True
        ),
    )
    @action(detail=True, pagination_class=MemberPages)
    def members(self, request: Request, key: str) -> Response:
        """The accounts (or the users, each once) in the segment, now or on a past local date (`on`, at the end of that
        day; accounts that were archived since are among them; of days before `known_from` nothing is known)."""
        segment: Segment = self.get_object()
        about, pages, now = members_of(segment), self.paginator, moment()
        if "on" in request.query_params and isinstance(pages, MemberPages):
            pages.known_from = first_day(segment, now)
        rows = members_on(segment, self._day(request, now), now, about.seen_in_the_past_by(request.user))
        # The view is made anew for each request, so these are of this one alone.
        self.orderings, self.default_ordering = {"entered_at": "entered_at"}, "id"  # type: ignore[misc]
        if about.subject is Subject.ACCOUNT:
            return self.paged(rows, MembershipSerializer)
        shown: Any = self.paginate_queryset(rows)
        accounts = accounts_matched(segment, [row.user_id for row in shown], about.seen_by(request.user), Reader.now())
        for row in shown:
            row.matching = [account.external_id for account in accounts.get(row.user_id, [])]
        return self.get_paginated_response(UserMembershipSerializer(shown, many=True).data)

    @staticmethod
    def _day(request: Request, now: Moment) -> dt.date:
        if "on" not in request.query_params:
            return now.today
        text = request.query_params["on"]
        try:
            if len(text) != 10:
                raise BadValue(f"“{text[:60]}” is not a date like 2026-11-22.")
            day = clean_date(text)
            if day > now.today:
                raise BadValue("The date lies ahead; membership is known up to today.")
        except BadValue as error:
            fault = Fault(str(error), "invalid-value", parameter="on")
            raise ApiProblem("invalid-parameter", str(error), 400, [fault]) from error
        return day

    @staticmethod
    def _complete(segments: Iterable[Segment]) -> None:
        moved, reader = joined_left(), Reader.now()
        for segment in segments:
            try:
                words = reader.read(segment.rule, subject=segment.subject).words
            except RuleError as error:
                words = f"The rule cannot be read: {error.first}"
            joined, left = moved.get(segment.pk, (0, 0))
            segment.words, segment.joined_7d, segment.left_7d = words, joined, left  # type: ignore[attr-defined]
