"""The composition root is an app because of its management commands."""

from __future__ import annotations

from django.apps import AppConfig


class CsboxConfig(AppConfig):
    """The composition root is an app because of its management commands."""

    name = "csbox"
