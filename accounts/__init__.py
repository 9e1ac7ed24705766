"""Accounts, the people in them, what they bought and who looks after them."""
