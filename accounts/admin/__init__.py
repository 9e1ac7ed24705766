"""The back office for customers' facts and our team: importing the modules registers their forms."""

from accounts.admin.account import AccountAdmin
from accounts.admin.attached import MentionAdmin, NoteFileAdmin
from accounts.admin.people import EndUserAdmin, NoteAdmin, RelationshipAdmin, SubscriptionAdmin
from accounts.admin.privacy import DataExportAdmin, ErasureAdmin
from accounts.admin.team import AssignmentAdmin, AttributeDefinitionAdmin, TeamAdmin, TeamMemberAdmin
from accounts.admin.touched import TouchedAccountAdmin

__all__ = [
    "AccountAdmin",
    "AssignmentAdmin",
    "AttributeDefinitionAdmin",
    "DataExportAdmin",
    "EndUserAdmin",
    "ErasureAdmin",
    "MentionAdmin",
    "NoteAdmin",
    "NoteFileAdmin",
    "RelationshipAdmin",
    "SubscriptionAdmin",
    "TeamAdmin",
    "TeamMemberAdmin",
    "TouchedAccountAdmin",
]
