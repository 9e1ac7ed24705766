"""Who may ask: tokens and sessions, members of the team, and how often."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from rest_framework import permissions, throttling
from rest_framework.authentication import TokenAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from core.api.tokens import find_token

if TYPE_CHECKING:
    from rest_framework.views import APIView


class ApiTokenAuthentication(TokenAuthentication):
    """`Authorization: Token <key>`, or `Bearer <key>` for clients that cannot say otherwise."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        """The owner of the token; None if the header names neither scheme."""
        scheme = get_authorization_header(request).split()[:1]
        self.keyword = "Bearer" if scheme and scheme[0].lower() == b"bearer" else "Token"
        return super().authenticate(request)

    def authenticate_credentials(self, key: str) -> tuple[Any, Any]:
        """The owner of the token, of which only the digest is kept."""
        found = find_token(key)
        if found is None:
            raise AuthenticationFailed("There is no such token. It was mistyped or deleted.")
        if not found.user.is_active:
            raise AuthenticationFailed("The log-in of this token is not active.")
        return found.user, found

    def authenticate_header(self, request: Request) -> str:
        """What a client without credentials is told to send."""
        return 'Token realm="csbox"'


def member_of(user: Any) -> Any:
    """The colleague behind a log-in; None for a log-in that belongs to nobody of the team."""
    return getattr(user, "member", None)


def is_administrator(user: Any) -> bool:
    """True for superusers and members with full access."""
    return bool(user.is_superuser or getattr(member_of(user), "access", "") == "admin")


def may_manage(user: Any) -> bool:
    """True for those who may change segments and customers' facts: administrators and managers."""
    return bool(user.is_superuser or getattr(member_of(user), "may_edit_segments", False))


def sees_every_account(user: Any) -> bool:
    """True unless the workspace shows this colleague own and unassigned accounts only."""
    member = member_of(user)
    return member is None or user.is_superuser or not member.is_restricted()


class IsMember(permissions.BasePermission):
    """A member of the team, or staff: a log-in that is neither sees nothing."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Every view asks this first."""
        user = request.user
        return bool(user and user.is_authenticated and (user.is_staff or user.is_superuser or member_of(user)))


class ManagersWrite(permissions.BasePermission):
    """Reading is for every member; writing for administrators and managers."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Actions named in `view.reading_actions` (a preview) only read, whatever their method."""
        reads = request.method in permissions.SAFE_METHODS or view_action(view) in getattr(view, "reading_actions", ())
        return reads or may_manage(request.user)


class ManagersOnly(permissions.BasePermission):
    """For administrators and managers, reading too."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Whatever the method."""
        return may_manage(request.user)


class AdministratorsWrite(permissions.BasePermission):
    """Reading is for every member; writing for administrators."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """By method alone."""
        return request.method in permissions.SAFE_METHODS or is_administrator(request.user)


class AdministratorsOnly(permissions.BasePermission):
    """Reading and writing are for administrators."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Whatever the method."""
        return is_administrator(request.user)


class ColleaguesWrite(permissions.BasePermission):
    """Reading is for every member; writing for all of them but viewers."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """By method and access."""
        if request.method in permissions.SAFE_METHODS or request.user.is_superuser:
            return True
        return getattr(member_of(request.user), "access", "viewer") != "viewer"


def view_action(view: APIView) -> str:
    """The name of the action that a viewset runs; empty for a plain view."""
    return str(getattr(view, "action", "") or "")


class ApiThrottle(throttling.SimpleRateThrottle):
    """So many requests in a period, for each log-in and for each address without one (settings API_RATES)."""

    scope = "user"

    def get_rate(self) -> str | None:
        """Read when asked, so that a deployment (and a test) may change it; None means no limit."""
        return settings.API_RATES.get(self.scope)

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        """One counter per log-in."""
        user = request.user
        return f"api-rate-user-{user.pk}" if user and user.is_authenticated else None


class AnonymousThrottle(ApiThrottle):
    """For those who could not say who they are, per address: a guesser of tokens is slowed down."""

    scope = "anonymous"

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        """One counter per address."""
        return f"api-rate-address-{self.get_ident(request)}"
