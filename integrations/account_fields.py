"""What integrations declare downwards: no fields, but what uses segments and fields, and follows their changes."""

from integrations.destinations import editing, filling

__all__ = ["editing", "filling"]
