"""Where events are kept: behind one small interface, so that another engine can take PostgreSQL's place."""

from usage.store.base import Appended, EventFact, EventPlace, EventStore, Prepared
from usage.store.postgres import PostgresStore

__all__ = ["Appended", "EventFact", "EventPlace", "EventStore", "PostgresStore", "Prepared"]
