"""The pages that a customer-success team works with."""

from __future__ import annotations

from django.apps import AppConfig


class WebConfig(AppConfig):
    """The pages that a customer-success team works with."""

    name = "web"
    default_auto_field = "django.db.models.BigAutoField"
