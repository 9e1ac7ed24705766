"""Segments, the vocabulary of rules, and refresh runs over the API; the composition root gives each its address."""

from segments.api.filtering import MembershipFilters, answer_slow_rules
from segments.api.segment import SegmentViewSet
from segments.api.vocabulary import FieldsView, OperatorsView, RefreshRunViewSet

__all__ = [
    "FieldsView",
    "MembershipFilters",
    "OperatorsView",
    "RefreshRunViewSet",
    "SegmentViewSet",
    "answer_slow_rules",
]
