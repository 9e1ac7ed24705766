"""The composition root is an app because of its management commands; it also says which admin site there is."""

from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class CsboxConfig(AppConfig):
    """The composition root is an app because of its management commands."""

    name = "csbox"


class BackOfficeConfig(admin_apps.AdminConfig):
    """Django's admin with our site."""

    default_site = "csbox.backoffice.BackOfficeSite"
    default = False  # named in INSTALLED_APPS; “csbox” itself is the config above
