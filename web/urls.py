"""The addresses of the dashboard."""

from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.urls import path

from web.views import (
    account,
    account_actions,
    accounts,
    builder,
    explaining,
    filtering,
    frame,
    history,
    pinning,
    refreshing,
    segments,
    subscriptions,
)

urlpatterns = [
    path("", frame.home, name="home"),
    path("login/", frame.LogIn.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("preferences/", frame.preferences, name="preferences"),
    path("undo/<str:token>/", frame.undo_action, name="undo"),
    path("jump/", frame.jump, name="jump"),
    path("accounts/", accounts.accounts, name="accounts"),
    path("accounts/export/", accounts.accounts_export, name="accounts_export"),
    path("accounts/filter/", filtering.accounts_filter, name="accounts_filter"),
    path("accounts/columns/", account_actions.accounts_columns, name="accounts_columns"),
    path("accounts/assign/", account_actions.accounts_assign, name="accounts_assign"),
    path("accounts/<int:pk>/", account.account, name="account"),
    path("accounts/names/", explaining.account_names, name="account_names"),
    path("accounts/<int:pk>/segments/", explaining.account_segments, name="account_segments"),
    path("accounts/<int:pk>/notes/", account.account_note, name="account_note"),
    path("subscriptions/", subscriptions.subscriptions, name="subscriptions"),
    path("subscriptions/export/", subscriptions.subscriptions_export, name="subscriptions_export"),
    path("segments/", segments.segments, name="segments"),
    path("segments/new/", builder.segment_new, name="segment_new"),
    path("segments/preview/", builder.segment_preview, name="segment_preview"),
    path("segments/check-account/", explaining.segment_check, name="segment_check"),
    path("segments/rule/", builder.rule_part, name="rule_part"),
    path("segments/refresh/", refreshing.segments_refresh, name="segments_refresh"),
    path("segments/refresh/progress/", refreshing.refresh_progress, name="refresh_progress"),
    path("segments/<int:pk>/pins/", pinning.segment_pins, name="segment_pins"),
    path("pins/add/", pinning.pin_add, name="pin_add"),
    path("pins/<int:pk>/end/", pinning.pin_end, name="pin_end"),
    path("segments/<int:pk>/edit/", builder.segment_edit, name="segment_edit"),
    path("segments/<int:pk>/versions/", history.segment_versions, name="segment_versions"),
    path("segments/<int:pk>/versions/<int:number>/restore/", history.segment_restore, name="segment_restore"),
    path("segments/<int:pk>/move/", segments.segment_move, name="segment_move"),
    path("segments/<int:pk>/visibility/", segments.segment_visibility, name="segment_visibility"),
    path("segments/<int:pk>/active/", segments.segment_active, name="segment_active"),
    path("segments/<int:pk>/clone/", segments.segment_clone, name="segment_clone"),
    path("segments/<int:pk>/delete/", segments.segment_delete, name="segment_delete"),
]
