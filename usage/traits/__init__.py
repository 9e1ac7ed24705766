"""Computed traits: fields of accounts and of their users that csbox works out from events and from other fields."""
