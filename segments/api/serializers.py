"""Segments, versions and members as the API shows them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from core.api.strict import Amount, StrictSerializer, Text, Tree, YesNo
from core.api.versions import SavedVersionSerializer
from segments.models import RefreshRun, Segment


class SegmentSerializer(StrictSerializer):
    """A saved question about accounts, or about users, with its newest result.

    `subject` says which; it is given with a new segment (account, if not) and never changes.
    `due` is true while a refresh that was asked for has not been answered; `error` says why a segment is frozen (its
    members are then the last good ones), `held` why it waits for a feed that is silent. `contract_value` is a year's
    worth in the workspace's currency, of accounts. The counts are of everybody, whoever asks.
    """

    key = serializers.CharField(read_only=True)
    name = Text(max_length=120)
    description = Text(max_length=2_000, required=False, allow_blank=True)
    subject = serializers.ChoiceField(Segment.Subject.choices, required=False)
    visible = YesNo(required=False)
    active = YesNo(required=False)
    rule = Tree()
    reason = Text(max_length=255, required=False, allow_blank=True, write_only=True)
    words = serializers.CharField(read_only=True)
    position = serializers.IntegerField(read_only=True)
    version = serializers.IntegerField(read_only=True)
    due = serializers.BooleanField(read_only=True)
    error = serializers.CharField(read_only=True)
    held = serializers.CharField(read_only=True)
    refreshed_at = serializers.DateTimeField(read_only=True)
    member_count = serializers.IntegerField(read_only=True)
    contract_value = Amount(read_only=True)
    joined_7d = serializers.IntegerField(read_only=True)
    left_7d = serializers.IntegerField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    updated_at = serializers.DateTimeField(read_only=True)


class VersionSerializer(SavedVersionSerializer):
    """A rule as somebody saved it with its words, and how it differs from the one before."""

    rule = serializers.JSONField(read_only=True, source="version.rule")
    words = serializers.CharField(read_only=True, source="version.words")


class MembershipSerializer(StrictSerializer):
    """An account's time in a segment."""

    account = serializers.CharField(read_only=True, source="account.external_id")
    name = serializers.CharField(read_only=True, source="account.name")
    entered_at = serializers.DateTimeField(read_only=True)
    left_at = serializers.DateTimeField(read_only=True)


class UserMembershipSerializer(StrictSerializer):
    """A user's time in a segment of users; `accounts` are those of the user that match its rule at present."""

    user = serializers.CharField(read_only=True, source="user.external_id")
    name = serializers.CharField(read_only=True, source="user.name")
    email = serializers.CharField(read_only=True, source="user.email")
    accounts = serializers.ListField(child=serializers.CharField(), read_only=True, source="matching")
    entered_at = serializers.DateTimeField(read_only=True)
    left_at = serializers.DateTimeField(read_only=True)


class PreviewSerializer(StrictSerializer):
    """A rule to count with, about accounts or users; with `segment`, joins and leaves are against its stored members,
    and the rule is about what that segment is."""

    rule = Tree()
    subject = serializers.ChoiceField(Segment.Subject.choices, required=False)
    segment = Text(max_length=80, required=False, allow_null=True)


class ReorderSerializer(StrictSerializer):
    """Keys in the wanted order; they share out the places that they hold together."""

    keys = serializers.ListField(child=Text(max_length=80), allow_empty=False, max_length=1_000)


class RunSerializer(StrictSerializer):
    """One piece of refreshing."""

    id = serializers.IntegerField(read_only=True)
    trigger = serializers.ChoiceField(RefreshRun.Trigger.choices, read_only=True)
    state = serializers.ChoiceField(RefreshRun.State.choices, read_only=True)
    now = serializers.DateTimeField(read_only=True)
    started_at = serializers.DateTimeField(read_only=True)
    finished_at = serializers.DateTimeField(read_only=True)
    accounts = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="Accounts that were looked at; null means all."
    )
    total = serializers.IntegerField(read_only=True)
    done = serializers.IntegerField(read_only=True)
    joined = serializers.IntegerField(read_only=True)
    left = serializers.IntegerField(read_only=True)
    held = serializers.IntegerField(read_only=True)
    errors: Any = serializers.SerializerMethodField()

    def get_errors(self, run: RefreshRun) -> list[dict[str, str]]:
        """The segments that could not be run, and why."""
        return [{"segment": item.segment.key, "error": item.error} for item in getattr(run, "failed", ())]
