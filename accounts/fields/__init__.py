"""The field registry: everything you can name about an account, declared once by the app that owns the data."""

from accounts.fields.provided import provide, vocabulary
from accounts.fields.registry import (
    Category,
    Choice,
    EventSource,
    Field,
    Kind,
    Owner,
    Rows,
    RowSet,
    Stage,
    Subject,
    Vocabulary,
    declared,
    register,
    register_events,
    register_rows,
)

__all__ = [
    "Category",
    "Choice",
    "EventSource",
    "Field",
    "Kind",
    "Owner",
    "RowSet",
    "Rows",
    "Stage",
    "Subject",
    "Vocabulary",
    "declared",
    "provide",
    "register",
    "register_events",
    "register_rows",
    "vocabulary",
]
