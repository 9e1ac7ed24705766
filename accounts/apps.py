"""Accounts, the people in them, what they bought and who looks after them."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class AccountsConfig(AppConfig):
    """The bottom of the domain: its field registry is what every app above declares its fields in."""

    name = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Find every app's `account_fields` and `personal_data`, so that no list of apps has to be kept here."""
        autodiscover_modules("account_fields", "personal_data")
