"""What integrations keep of their own: where things came from, how far, and what became of them."""

from integrations.models.connection import Connection, ConnectionLink, ConnectionRun
from integrations.models.destination import Destination, Outgoing, SyncedValue, SyncItem, SyncMark
from integrations.models.identity import Identity, PendingEvent, UserMerge, VisitorLink
from integrations.models.importing import Import, ImportedRow, ImportReject, ScheduledImport
from integrations.models.message import Message, Outcome
from integrations.models.source import Source, SourceTally, WriteKey

__all__ = [
    "Connection",
    "ConnectionLink",
    "ConnectionRun",
    "Destination",
    "Identity",
    "Import",
    "ImportReject",
    "ImportedRow",
    "Message",
    "Outcome",
    "Outgoing",
    "PendingEvent",
    "ScheduledImport",
    "Source",
    "SourceTally",
    "UserMerge",
    "VisitorLink",
    "SyncItem",
    "SyncMark",
    "SyncedValue",
    "WriteKey",
]
