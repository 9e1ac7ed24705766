"""What comes in from other systems: the rows that remember where from, how far, and what became of it."""

from integrations.models.connection import Connection, ConnectionLink, ConnectionRun

__all__ = ["Connection", "ConnectionLink", "ConnectionRun"]
