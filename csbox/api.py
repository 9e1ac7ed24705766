"""The addresses of the API: version 1 of every app's views, put together here and nowhere else."""

from __future__ import annotations

from typing import Any, ClassVar

from django.urls import include, path, re_path
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from accounts import api as accounts
from accounts.fields import Subject
from alerts import api as alerts
from alerts import notices_api as notices
from alerts.brief_api import BriefView
from alerts.comparing.api import ComparisonViewSet
from alerts.milestones.api import AccountMilestoneViewSet, MilestoneViewSet
from alerts.playbooks.api import EnrolmentViewSet, PlaybookViewSet
from alerts.portfolio_api import PortfolioCourseView, PortfolioView
from alerts.quality_api import AlertQualityView
from alerts.replay_api import AlertReplayViewSet
from alerts.rules_api import AlertRuleViewSet
from alerts.work.api import TaskViewSet
from core.api.edge import nothing_here
from core.api.views import ApiView
from health import api as health
from health.backtest.api import BackTestViewSet
from health.configs_api import ConfigViewSet
from integrations.connections.api import ConnectionRunViewSet, ConnectionViewSet
from integrations.destinations.api import DestinationViewSet, OutgoingViewSet, SyncItemViewSet
from integrations.imports.api import ImportViewSet
from integrations.tracking.api import SourceViewSet
from integrations.tracking.api_aside import SetAsideViewSet
from segments import api as segments
from segments.holding.api import FeedViewSet
from segments.levels.api import LevelViewSet
from usage import api as usage
from usage.traits.api import TraitViewSet


class AccountFilters(segments.MembershipFilters, accounts.AccountFilters):
    """Accounts can be narrowed by a segment or by a rule besides."""


class SubscriptionFilters(segments.MembershipFilters, accounts.SubscriptionFilters):
    """Subscriptions of the accounts of a segment, or of those that match a rule."""

    member_path = "account"


class UserFilters(segments.MembershipFilters, accounts.UserFilters):
    """Users can be narrowed by a segment of users or by a rule about users besides."""

    subject = Subject.USER


class AccountViewSet(accounts.AccountViewSet):
    """Customer companies, addressed by their external id."""

    filterset_class = AccountFilters

    @extend_schema(parameters=[accounts.FIELDS])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of the accounts that you may see."""
        with segments.answer_slow_rules(request):
            return super().list(request, *args, **kwargs)


class UserViewSet(accounts.UserViewSet):
    """People, addressed by their external id; those of other people's accounts are not shown."""

    filterset_class = UserFilters

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of the people that you may see."""
        with segments.answer_slow_rules(request):
            return super().list(request, *args, **kwargs)


class SubscriptionViewSet(accounts.SubscriptionViewSet):
    """Contracts, addressed by their external id. The account's MRR, plan and renewal follow at once."""

    filterset_class = SubscriptionFilters

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of the subscriptions of the accounts that you may see."""
        with segments.answer_slow_rules(request):
            return super().list(request, *args, **kwargs)


class SchemaView(ApiView, SpectacularAPIView):
    """The OpenAPI 3 document, in YAML or (with an Accept header that asks for it) in JSON."""

    permission_classes: Any = ApiView.permission_classes


class DocumentationView(ApiView, SpectacularSwaggerSplitView):
    """The API as a page to read and to try; its script is a file of its own, so that the strict policy holds."""

    template_name = "api/documentation.html"
    url_name = "schema"
    takes: ClassVar[tuple[str, ...]] = ("script",)  # the page asks itself for its script


router = SimpleRouter()
router.register("accounts", AccountViewSet, "api-account")
router.register("users", UserViewSet, "api-user")
router.register("relationships", accounts.RelationshipViewSet, "api-relationship")
router.register("subscriptions", SubscriptionViewSet, "api-subscription")
router.register("teams", accounts.TeamViewSet, "api-team")
router.register("members", accounts.MemberViewSet, "api-member")
router.register("assignments", accounts.AssignmentViewSet, "api-assignment")
router.register("attributes", accounts.AttributeViewSet, "api-attribute")
router.register("notes", accounts.NoteViewSet, "api-note")
router.register("erasures", accounts.ErasureViewSet, "api-erasure")
router.register("exports", accounts.DataExportViewSet, "api-export")
router.register("segments", segments.SegmentViewSet, "api-segment")
router.register("refresh-runs", segments.RefreshRunViewSet, "api-refresh-run")
router.register("usage", usage.AccountUsageViewSet, "api-usage")
router.register("events", usage.EventNameViewSet, "api-event-name")
router.register("feeds", FeedViewSet, "api-feed")
router.register("traits", TraitViewSet, "api-trait")
router.register("imports", ImportViewSet, "api-import")
router.register("levels", LevelViewSet, "api-level")
router.register("health-configs", ConfigViewSet, "api-health-config")
router.register("health", health.HealthViewSet, "api-health")
router.register("band-changes", health.BandChangeViewSet, "api-band-change")
router.register("health-back-tests", BackTestViewSet, "api-health-back-test")
router.register("alert-rules", AlertRuleViewSet, "api-alert-rule")
router.register("alerts", alerts.AlertViewSet, "api-alert")
router.register("tasks", TaskViewSet, "api-task")
router.register("playbooks", PlaybookViewSet, "api-playbook")
router.register("enrolments", EnrolmentViewSet, "api-enrolment")
router.register("notifications", notices.NotificationViewSet, "api-notification")
router.register("alert-replays", AlertReplayViewSet, "api-alert-replay")
router.register("comparisons", ComparisonViewSet, "api-comparison")
router.register("milestones", MilestoneViewSet, "api-milestone")
router.register("account-milestones", AccountMilestoneViewSet, "api-account-milestone")
router.register("sources", SourceViewSet, "api-source")
router.register("set-aside", SetAsideViewSet, "api-set-aside")
router.register("connections", ConnectionViewSet, "api-connection")
router.register("connection-runs", ConnectionRunViewSet, "api-connection-run")
router.register("destinations", DestinationViewSet, "api-destination")
router.register("sync-items", SyncItemViewSet, "api-sync-item")
router.register("sync-messages", OutgoingViewSet, "api-sync-message")

urlpatterns = [
    path("v1/schema/", SchemaView.as_view(), name="schema"),
    path("v1/docs/", DocumentationView.as_view(), name="api-docs"),
    path("v1/me/", accounts.MeView.as_view(), name="api-me"),
    path("v1/notification-settings/", notices.NotificationSettingsView.as_view(), name="api-notification-settings"),
    path("v1/alert-quality/", AlertQualityView.as_view(), name="api-alert-quality"),
    path("v1/portfolio/course/", PortfolioCourseView.as_view(), name="api-portfolio-course"),
    path("v1/portfolio/brief/", BriefView.as_view(), name="api-portfolio-brief"),
    path("v1/portfolio/", PortfolioView.as_view(), name="api-portfolio"),
    path("v1/bulk/accounts/", accounts.BulkAccountsView.as_view(), name="api-bulk-accounts"),
    path("v1/bulk/users/", accounts.BulkUsersView.as_view(), name="api-bulk-users"),
    path("v1/bulk/relationships/", accounts.BulkRelationshipsView.as_view(), name="api-bulk-relationships"),
    path("v1/bulk/subscriptions/", accounts.BulkSubscriptionsView.as_view(), name="api-bulk-subscriptions"),
    path("v1/fields/", segments.FieldsView.as_view(), name="api-fields"),
    path("v1/operators/", segments.OperatorsView.as_view(), name="api-operators"),
    path("v1/", include(router.urls)),
    re_path(r"^.*$", nothing_here),
]
