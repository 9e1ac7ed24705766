"""The morning brief over the API: what changed in a book since an instant, what is most at stake first."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Account
from alerts.brief import SOURCES, brief_of
from alerts.portfolio_api import asked_since, asked_whose
from core.api.strict import Amount, StrictSerializer
from core.api.views import ApiView
from health.models import Band
from segments.questions import Reader

SHOWN = 50


class BriefItemSerializer(StrictSerializer):
    """One change: its kind, when it was found, what, and why."""

    kind = serializers.ChoiceField([(one.key, one.key) for one in SOURCES])
    at = serializers.DateTimeField()
    what = serializers.CharField()
    why = serializers.CharField()


class BriefAccountSerializer(StrictSerializer):
    """An account with its newest changes; `more` are those that are not listed."""

    account = serializers.CharField(source="account.external_id")
    name = serializers.CharField(source="account.name")
    band = serializers.ChoiceField(Band.choices)
    mrr = Amount(source="account.mrr", allow_null=True)
    at_risk = Amount(help_text="MRR of an account that is Poor and renews within 90 days, else 0.")
    fell = Amount(help_text="Points by which the health score fell at most in one change.")
    renews_in_days = serializers.IntegerField(source="days", allow_null=True)
    items = BriefItemSerializer(many=True)
    more = serializers.IntegerField()


class BriefSerializer(StrictSerializer):
    """How many accounts changed, and the first 50 of them."""

    name = serializers.CharField()
    since = serializers.DateTimeField()
    total = serializers.IntegerField()
    accounts = BriefAccountSerializer(many=True)


class BriefView(ApiView):
    """What changed in the accounts that somebody looks after, ordered by value at risk, fall of health and renewal."""

    takes: ClassVar[tuple[str, ...]] = ("who", "since")

    @extend_schema(
        parameters=[
            OpenApiParameter("who", str, description="me, everybody, member:KEY or team:ID; others for managers only"),
            OpenApiParameter("since", dt.datetime, description="After this instant, 31 days ago at most; a day ago"),
        ],
        responses=BriefSerializer,
    )
    def get(self, request: Request) -> Response:
        """The brief of the caller's book, or of the one that `who` means."""
        whose, reader = asked_whose(request), Reader.now()
        since = asked_since(request) or reader.moment.now - dt.timedelta(days=1)
        found = brief_of(whose.accounts(Account.objects.visible_to(request.user)), since, reader, SHOWN)
        told = {"name": whose.name, "since": found.since, "total": found.total, "accounts": found.shown}
        return Response(BriefSerializer(told).data)
