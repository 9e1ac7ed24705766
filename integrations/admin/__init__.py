"""Integrations in the back office: importing the modules registers their forms."""

from integrations.connections.admin import ConnectionAdmin, ConnectionLinkAdmin, ConnectionRunAdmin

__all__ = ["ConnectionAdmin", "ConnectionLinkAdmin", "ConnectionRunAdmin"]
