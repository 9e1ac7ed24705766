"""The portfolio over the API: the figures of a book, and what needs it first."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Account
from alerts.work.due import tasks_due
from core.api.access import may_manage, member_of
from core.api.problems import ApiProblem, Fault
from core.api.strict import Amount, StrictSerializer
from core.api.views import ApiView
from core.deadline import TooSlow
from core.intake import BadValue
from health.book_days import course_of
from health.crossing import poor_crossings
from health.models import Band, BandChange
from health.portfolio import (
    AHEAD_DAYS,
    LATELY_DAYS,
    PERIODS,
    SILENT_DAYS,
    Figures,
    Share,
    Whose,
    changes_since,
    figures_of,
    movers_of,
    read_whose,
    silent_accounts,
    weak_renewals,
)
from health.renewing import renewal_days, weeks_of
from segments.questions import Reader

SHOWN = 50


class PortfolioShareSerializer(StrictSerializer):
    """Some accounts with their MRR in the workspace's currency."""

    accounts = serializers.IntegerField()
    mrr = Amount()


class PortfolioLineSerializer(StrictSerializer):
    """An account of a list."""

    account = serializers.CharField(source="account.external_id")
    name = serializers.CharField(source="account.name")
    band = serializers.ChoiceField(Band.choices)
    score = Amount(allow_null=True)
    mrr = Amount(source="account.mrr", allow_null=True)
    renews_on = serializers.DateField(source="account.renews_on", allow_null=True)


class PortfolioMoverSerializer(PortfolioLineSerializer):
    """An account whose score moved, with the points and the measure that moved it."""

    moved = Amount()
    why = serializers.CharField()


class PortfolioChangeSerializer(StrictSerializer):
    """A change of band, with its cause and why."""

    account = serializers.CharField(source="change.account.external_id")
    at = serializers.DateTimeField(source="change.at")
    before = serializers.ChoiceField(Band.choices, source="change.before")
    after = serializers.ChoiceField(Band.choices, source="change.after")
    cause = serializers.ChoiceField(BandChange.Cause.choices, source="change.cause")
    why = serializers.CharField()


class PortfolioBandsSerializer(StrictSerializer):
    """Accounts with their MRR by band."""

    good = PortfolioShareSerializer()
    average = PortfolioShareSerializer()
    poor = PortfolioShareSerializer()
    none = PortfolioShareSerializer(help_text="Not scored.")


class PortfolioRenewalWeekSerializer(StrictSerializer):
    """The renewals of a week that begins on Monday, or of its part within the next days; both days included."""

    first_day = serializers.DateField()
    last_day = serializers.DateField()
    whole = PortfolioShareSerializer()
    bands = PortfolioBandsSerializer()


class PortfolioTaskSerializer(StrictSerializer):
    """An open task."""

    id = serializers.IntegerField(source="pk")
    title = serializers.CharField()
    account = serializers.CharField(source="account.external_id")
    assignee = serializers.CharField(source="assignee.key", allow_null=True, default=None)
    due_on = serializers.DateField()


class PortfolioTasksSerializer(StrictSerializer):
    """Open tasks of whose book it is: late, due today, due within the 7 days after, and the first of them."""

    overdue = serializers.IntegerField()
    today = serializers.IntegerField()
    soon = serializers.IntegerField()
    shown = PortfolioTaskSerializer(many=True)


class PortfolioSerializer(StrictSerializer):
    """A book: its figures, renewals within 90 days that are Poor or Average, silent accounts, movers, changes; the
    renewals by week, the tasks that are due, and who joined and left Poor."""

    name = serializers.CharField()
    whole = PortfolioShareSerializer()
    good = PortfolioShareSerializer()
    average = PortfolioShareSerializer()
    poor = PortfolioShareSerializer()
    not_scored = PortfolioShareSerializer()
    renewing = PortfolioShareSerializer(help_text=f"Within {AHEAD_DAYS} days.")
    renewing_weak = PortfolioShareSerializer(help_text="Of them, Poor or Average.")
    at_risk = PortfolioShareSerializer(help_text="Of them, Poor.")
    silent = PortfolioShareSerializer(help_text=f"Nobody seen for {SILENT_DAYS} days; cancelled accounts left out.")
    renewals = PortfolioLineSerializer(many=True)
    silent_accounts = PortfolioLineSerializer(many=True)
    falls = PortfolioMoverSerializer(many=True)
    rises = PortfolioMoverSerializer(many=True)
    changes = PortfolioChangeSerializer(many=True)
    changes_total = serializers.IntegerField()
    renewal_weeks = PortfolioRenewalWeekSerializer(many=True, help_text=f"Of the next {AHEAD_DAYS} days.")
    tasks = PortfolioTasksSerializer()
    joined_poor = PortfolioShareSerializer(help_text=f"Became Poor within {LATELY_DAYS} days.")
    left_poor = PortfolioShareSerializer(help_text=f"Ceased to be Poor within {LATELY_DAYS} days.")
    joined_poor_changes = PortfolioChangeSerializer(many=True)
    left_poor_changes = PortfolioChangeSerializer(many=True)


class PortfolioCourseDaySerializer(StrictSerializer):
    """A book at the end of a day: how many accounts had each band, and their MRR."""

    day = serializers.DateField()
    bands = PortfolioBandsSerializer()


class PortfolioCourseView(ApiView):
    """What a book was worth by health at the end of each of the last 26 weeks, today last."""

    takes: ClassVar[tuple[str, ...]] = ("who",)

    @extend_schema(
        parameters=[
            OpenApiParameter("who", str, description="me, everybody, member:KEY or team:ID; others for managers only")
        ],
        responses=PortfolioCourseDaySerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """The accounts of today's book with the health and the MRR that they had then; of everybody those of then."""
        whose, now = asked_whose(request), Reader.now().moment
        member = member_of(request.user)
        restricted = member is not None and member.is_restricted()
        try:
            days = course_of(whose, Account.objects.visible_to(request.user), restricted, now)
        except TooSlow as error:
            raise ApiProblem("too-slow", "There are too many accounts to look so far back.", 503) from error
        found = [
            {"day": one.day, "bands": {key: Share(number, one.mrr[key]) for key, number in one.bands.items()}}
            for one in days
        ]
        return Response(PortfolioCourseDaySerializer(found, many=True).data)


class PortfolioView(ApiView):
    """The accounts that somebody looks after, in figures; lists hold the first 50."""

    takes: ClassVar[tuple[str, ...]] = ("who", "days", "since")

    @extend_schema(
        parameters=[
            OpenApiParameter("who", str, description="me, everybody, member:KEY or team:ID; others for managers only"),
            OpenApiParameter("days", int, enum=PERIODS, description="Over how many days scores moved; 30"),
            OpenApiParameter("since", dt.datetime, description="Changes of band after this instant; 7 days ago"),
        ],
        responses=PortfolioSerializer,
    )
    def get(self, request: Request) -> Response:
        """The book of the caller, or the one that `who` means."""
        whose, days, reader = asked_whose(request), _days(request), Reader.now()
        since = asked_since(request) or reader.moment.now - dt.timedelta(days=7)
        seen = Account.objects.visible_to(request.user)
        accounts = whose.accounts(seen)
        movers, changes = movers_of(accounts, days, reader, SHOWN), changes_since(accounts, since, reader, SHOWN)
        crossings = poor_crossings(accounts, reader, SHOWN)
        found: dict[str, Any] = {
            "name": whose.name, **_figures(figures_of(accounts, reader)),
            "renewals": weak_renewals(accounts, reader, SHOWN),
            "renewal_weeks": weeks_of(renewal_days(accounts, reader), reader.moment.today),
            "silent_accounts": silent_accounts(accounts, reader, SHOWN), "falls": movers.falls, "rises": movers.rises,
            "changes": changes.shown, "changes_total": changes.total,
            "tasks": tasks_due(whose, seen, reader.moment, SHOWN),
            "joined_poor_changes": crossings.joined, "left_poor_changes": crossings.left,
        }  # fmt: skip
        return Response(PortfolioSerializer(found).data)


def _figures(figures: Figures) -> dict[str, Share]:
    return {
        "whole": figures.whole, "not_scored": figures.bands[Band.NONE.value],
        **{band.value: figures.bands[band.value] for band in (Band.GOOD, Band.AVERAGE, Band.POOR)},
        "renewing": figures.renewing, "renewing_weak": figures.renewing_weak, "at_risk": figures.at_risk,
        "silent": figures.silent, "joined_poor": figures.joined_poor, "left_poor": figures.left_poor,
    }  # fmt: skip


def asked_whose(request: Request) -> Whose:
    """Whose book `who` means. Raises ApiProblem."""
    try:
        return read_whose(
            request.query_params.get("who", ""), me=member_of(request.user), may_choose=may_manage(request.user)
        )
    except BadValue as error:
        raise _wrong("who", str(error)) from error


def _days(request: Request) -> int:
    text = request.query_params.get("days", "30")
    if text not in map(str, PERIODS):
        raise _wrong("days", "Send 7, 30 or 90.")
    return int(text)


def asked_since(request: Request) -> dt.datetime | None:
    """The instant `since`, if it is given. Raises ApiProblem."""
    text = request.query_params.get("since", "")
    if not text:
        return None
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise _wrong("since", "Send an instant with its offset, for example 2026-11-25T08:00:00Z.")
    return found


def _wrong(name: str, text: str) -> ApiProblem:
    return ApiProblem("invalid-parameter", text, 400, [Fault(text, "invalid-parameter", parameter=name)])
