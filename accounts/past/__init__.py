"""Accounts, their subscriptions and their team as they were known on a past day."""
