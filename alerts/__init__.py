"""Alerts, milestones and playbooks: what should happen when an account changes."""
