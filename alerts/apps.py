"""Alerts, milestones and playbooks: what should happen when an account changes."""

from __future__ import annotations

from django.apps import AppConfig


class AlertsConfig(AppConfig):
    """Alerts, milestones and playbooks: what should happen when an account changes."""

    name = "alerts"
    default_auto_field = "django.db.models.BigAutoField"
