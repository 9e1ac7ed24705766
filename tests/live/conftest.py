"""Fixtures of this folder: rows that other connections see, and functions that run at the same moment."""

from tests.committing import at_once, committed

__all__ = ["at_once", "committed"]
