"""The back office of what comes in and goes out; importing the modules registers their forms."""

from integrations.connections.admin import ConnectionAdmin, ConnectionLinkAdmin, ConnectionRunAdmin
from integrations.destinations.admin import (
    DestinationAdmin,
    OutgoingAdmin,
    SyncedValueAdmin,
    SyncItemAdmin,
)
from integrations.imports.admin import ImportAdmin, ImportRejectAdmin, ScheduledImportAdmin
from integrations.tracking.admin import IdentityAdmin, MessageAdmin, SourceAdmin, WriteKeyAdmin

__all__ = [
    "ConnectionAdmin",
    "ConnectionLinkAdmin",
    "ConnectionRunAdmin",
    "DestinationAdmin",
    "IdentityAdmin",
    "ImportAdmin",
    "ImportRejectAdmin",
    "MessageAdmin",
    "OutgoingAdmin",
    "ScheduledImportAdmin",
    "SourceAdmin",
    "SyncItemAdmin",
    "SyncedValueAdmin",
    "WriteKeyAdmin",
]
