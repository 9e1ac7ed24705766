"""The facts about customers. Everything here is written by `accounts.facts` or by hand in the admin."""

from accounts.models.account import Account, AccountLevel, AccountStatus, LifecycleStage
from accounts.models.attribute import AttributeChange, AttributeDefinition, Subject
from accounts.models.mention import Mention, NoteFile
from accounts.models.mrr import MrrDay
from accounts.models.note import Note
from accounts.models.people import EndUser, Relationship, UserInAccount
from accounts.models.privacy import DataExport, Erasure, ExportPart
from accounts.models.subscription import ExchangeRate, Subscription, SubscriptionStatus
from accounts.models.team import Assignment, AssignmentRole, Team, TeamMember
from accounts.models.touched import TouchedAccount

__all__ = [
    "Account",
    "AccountLevel",
    "AccountStatus",
    "Assignment",
    "AssignmentRole",
    "AttributeChange",
    "AttributeDefinition",
    "DataExport",
    "EndUser",
    "Erasure",
    "ExchangeRate",
    "ExportPart",
    "LifecycleStage",
    "Mention",
    "MrrDay",
    "Note",
    "NoteFile",
    "Relationship",
    "Subject",
    "Subscription",
    "SubscriptionStatus",
    "Team",
    "TeamMember",
    "TouchedAccount",
    "UserInAccount",
]
