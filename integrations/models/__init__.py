"""What integrations keep of their own; facts and events are kept by the apps below."""

from integrations.models.identity import Identity, PendingEvent
from integrations.models.message import Message, Outcome
from integrations.models.source import Source, SourceTally, WriteKey

__all__ = ["Identity", "Message", "Outcome", "PendingEvent", "Source", "SourceTally", "WriteKey"]
