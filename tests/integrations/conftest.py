"""Fixtures of this folder."""

from tests.committing import at_once, committed

__all__ = ["at_once", "committed"]
