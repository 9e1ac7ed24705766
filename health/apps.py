"""Health scores: how well an account does, by configurations that a customer-success team writes."""

from __future__ import annotations

from django.apps import AppConfig


class HealthConfig(AppConfig):
    """Health scores: how well an account does, by configurations that a customer-success team writes."""

    name = "health"
    default_auto_field = "django.db.models.BigAutoField"
