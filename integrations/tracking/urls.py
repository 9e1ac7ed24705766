"""The addresses of the tracking API, each with and without a slash at its end, because a redirect loses messages."""

from __future__ import annotations

from django.urls import path, re_path

from integrations.tracking import dialect_views, edge, views  # noqa: F401  # declares the form of errors
from integrations.tracking.userlist import KINDS as USERLIST

urlpatterns = [
    re_path(r"^v1/(?P<path>[a-z]+)/?$", views.track, name="track"),
    re_path(r"^beacon/v1/(?P<path>batch)/?$", views.track, name="track_beacon"),
    path("v1/projects/<str:key>/settings", views.settings_of_project, name="track_settings"),
    re_path(r"^sourceConfig/?$", views.source_config, name="track_source_config"),
    re_path(r"^(?:beacon/)?v1(?:/.*)?$", views.nothing_here),
    re_path(rf"^userlist/(?P<path>{'|'.join(USERLIST)})/?$", dialect_views.userlist, name="userlist"),
    re_path(r"^(?:posthog/)?(?:batch|capture|track|e|i/v0/e)/?$", dialect_views.posthog, name="posthog"),
    re_path(r"^(?:posthog/)?(?:flags|decide)/?$", dialect_views.posthog_flags),
    re_path(r"^(?:userlist|posthog)(?:/.*)?$", views.nothing_here),
]
