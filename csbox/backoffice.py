"""The admin site: the application's models in the order in which people look for them."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest

SECTIONS: dict[str, tuple[str, ...]] = {
    "Customers": (
        "accounts.Account", "accounts.EndUser", "accounts.Relationship", "accounts.Subscription", "accounts.Note",
        "accounts.NoteFile", "accounts.Mention", "accounts.AttributeChange", "accounts.MrrDay",
    ),
    "Segments": (
        "segments.Segment", "segments.Pin", "segments.LevelRule", "segments.RefreshRun", "segments.SegmentRefresh",
        "segments.SegmentVersion",
    ),
    "Usage": (
        "usage.Trait", "usage.AccountUsage", "usage.DailyUsage", "usage.UserActivity", "usage.EventName", "usage.Event",
        "usage.Feed", "usage.FeedSilence", "segments.HoldNotice",
    ),
    "Data": (
        "integrations.Source", "integrations.Message", "integrations.WriteKey", "integrations.SourceTally",
        "integrations.Identity", "integrations.VisitorLink", "integrations.UserMerge", "integrations.PendingEvent",
        "integrations.Connection", "integrations.ConnectionRun", "integrations.ConnectionLink",
        "integrations.Import", "integrations.ImportReject",
        "integrations.ScheduledImport", "integrations.Destination", "integrations.SyncItem", "integrations.Outgoing",
        "integrations.SyncedValue",
    ),
    "Health": (
        "health.HealthConfig", "health.AccountHealth", "health.BandChange", "health.HealthOverride", "health.Pulse",
        "health.HealthDay", "health.HealthConfigVersion",
    ),
    "Work": (
        "alerts.Task", "alerts.Playbook", "alerts.Enrolment", "alerts.StepRun", "alerts.PlaybookVersion",
        "alerts.TaskCalendar", "alerts.Comparison", "alerts.ComparedAccount",
    ),
    "Notifications": (
        "alerts.NoticeChannel", "alerts.RuleNotices", "alerts.MilestoneNotices", "alerts.Notice", "alerts.Delivery",
        "alerts.NoticeSettings", "alerts.RuleChoice",
    ),
    "Milestones": (
        "alerts.Milestone", "alerts.AccountMilestone", "alerts.MilestoneChange", "alerts.MilestoneVersion",
    ),
    "Team": (
        "accounts.TeamMember", "accounts.Team", "accounts.Assignment", "auth.User", "auth.Group",
        "core.ApiToken",
    ),
    "Privacy": ("accounts.Erasure", "accounts.DataExport"),
    "Settings": (
        "core.Workspace", "accounts.AttributeDefinition", "accounts.LifecycleStage", "accounts.AccountLevel",
        "accounts.AccountStatus", "accounts.SubscriptionStatus", "accounts.AssignmentRole", "accounts.ExchangeRate",
    ),
}  # fmt: skip
REST = "Background work"


class BackOfficeSite(AdminSite):
    """Titles, and an index by subject instead of by app."""

    site_header = "csbox"
    site_title = "csbox back office"
    index_title = "Back office"
    site_url = "/accounts/"
    enable_nav_sidebar = True

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """The sections that this person may see; within an app's own page, that app as it is."""
        apps = super().get_app_list(request, app_label)
        if app_label is not None:
            return apps
        models = {f"{app['app_label']}.{model['object_name']}": model for app in apps for model in app["models"]}
        sections = []
        for title, names in SECTIONS.items():
            found = [models.pop(name) for name in names if name in models]
            if found:
                sections.append(_section(title, found))
        return [*sections, _section(REST, list(models.values()))] if models else sections


def _section(title: str, models: list[Any]) -> dict[str, Any]:
    return {
        "name": title,
        "app_label": title.lower().replace(" ", "-"),
        "app_url": models[0]["admin_url"],
        "has_module_perms": True,
        "models": models,
    }
