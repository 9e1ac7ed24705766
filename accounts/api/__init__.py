"""Customers' facts and our team over the API; the composition root gives each its address."""

from accounts.api.account import AccountFilters, AccountViewSet
from accounts.api.attribute import AttributeViewSet
from accounts.api.bulk import BulkAccountsView, BulkRelationshipsView, BulkSubscriptionsView, BulkUsersView
from accounts.api.note import NoteViewSet
from accounts.api.people import RelationshipViewSet, UserFilters, UserViewSet
from accounts.api.privacy import DataExportViewSet, ErasureViewSet
from accounts.api.subscription import SubscriptionFilters, SubscriptionViewSet
from accounts.api.team import AssignmentViewSet, MemberViewSet, MeView, TeamViewSet
from accounts.api.values import FIELDS

__all__ = [
    "FIELDS",
    "AccountFilters",
    "AccountViewSet",
    "AssignmentViewSet",
    "AttributeViewSet",
    "BulkAccountsView",
    "BulkRelationshipsView",
    "BulkSubscriptionsView",
    "BulkUsersView",
    "DataExportViewSet",
    "ErasureViewSet",
    "MeView",
    "MemberViewSet",
    "NoteViewSet",
    "RelationshipViewSet",
    "SubscriptionFilters",
    "SubscriptionViewSet",
    "TeamViewSet",
    "UserFilters",
    "UserViewSet",
]
