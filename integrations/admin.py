"""The back office of what comes in and goes out; importing the modules registers their forms."""

from integrations.tracking.admin import IdentityAdmin, MessageAdmin, SourceAdmin, WriteKeyAdmin

__all__ = ["IdentityAdmin", "MessageAdmin", "SourceAdmin", "WriteKeyAdmin"]
