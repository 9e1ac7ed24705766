"""System checks: settings with which the application would lose or repeat work are refused before it starts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from email.utils import parseaddr
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Tags, Warning, register
from django.db import DatabaseError, connections

MINIMUM = 150_000


def smallest_retry(timeout: int, workers: int, queue_limit: int) -> int:
    """Seconds after which a task may be offered again.

    The lock begins when a task is fetched, not when it starts: it waits behind those fetched before it, and behind one
    more that the fetching process holds in its hand.
    """
    return timeout * (math.ceil((queue_limit + 1) / workers) + 1) + 30


@register(Tags.compatibility)
def queue_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterable[CheckMessage]:
    """Refuse what makes django-q2 run tasks twice, replay an outage, or let a statement outlive its task."""
    q = settings.Q_CLUSTER
    least = smallest_retry(q["timeout"], q["workers"], q["queue_limit"])
    if q["workers"] < 1:
        yield Error("There must be at least one worker.", hint="Mend CSBOX_WORKERS.", id="csbox.E001")
    if q["retry"] < least:
        yield Error(
            f"Q_CLUSTER retry {q['retry']} is too small: tasks would run twice.",
            hint=f"At least {least} for these workers and this timeout.",
            id="csbox.E002",
        )
    if q.get("catch_up", True) or q.get("save_limit", 250) > 0 or q.get("bulk", 1) != 1:
        yield Error("Q_CLUSTER needs catch_up False, save_limit 0 and bulk 1.", id="csbox.E003")
    if q["timeout"] * 1000 <= settings.WORKER_STATEMENT_TIMEOUT_MS:
        yield Error(
            "A worker's statement could outlive its task.",
            hint=f"CSBOX_WORKER_STATEMENT_TIMEOUT_MS must be below {q['timeout'] * 1000}.",
            id="csbox.E004",
        )


@register(Tags.compatibility)
def connection_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterable[CheckMessage]:
    """Refuse psycopg's pool: forked workers share its sockets and read each other's answers."""
    for alias, database in settings.DATABASES.items():
        if database.get("OPTIONS", {}).get("pool"):
            yield Error(f"Database “{alias}” uses a connection pool, which the worker cannot share.", id="csbox.E005")
        if "postgres" not in database["ENGINE"]:
            yield Error(f"Database “{alias}” is not PostgreSQL.", id="csbox.E006")


@register(Tags.security, deploy=True)
def mail_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Iterable[CheckMessage]:
    """Say what keeps e-mail from being sent, or lets a password go in the clear."""
    if settings.EMAIL_SECURITY not in ("starttls", "tls", "none"):
        yield Error(f"CSBOX_EMAIL_TLS must be starttls, tls or none, not “{settings.EMAIL_SECURITY}”.", id="csbox.E008")
    if not settings.EMAIL_HOST:
        hint = "Set CSBOX_EMAIL_HOST and CSBOX_EMAIL_FROM; until then people are told on their pages only."
        yield Info("No mail server is named.", hint=hint, id="csbox.I001")
        return
    _, at, domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")
    if not at or domain in ("", "localhost"):
        yield Warning(
            "E-mail has no sender that others would accept.",
            hint="Set CSBOX_EMAIL_FROM, for example “csbox <csbox@example.com>”.",
            id="csbox.W001",
        )
    if bool(settings.EMAIL_HOST_USER) != bool(settings.EMAIL_HOST_PASSWORD):
        yield Warning(
            "Of CSBOX_EMAIL_USER and CSBOX_EMAIL_PASSWORD only one is set, so the mail server is asked without either.",
            id="csbox.W002",
        )
    elif settings.EMAIL_HOST_PASSWORD and settings.EMAIL_SECURITY == "none":
        yield Warning(
            "The password of the mail server is sent in the clear.", hint="Mend CSBOX_EMAIL_TLS.", id="csbox.W003"
        )


@register(Tags.database)
def server_version(
    app_configs: Sequence[AppConfig] | None, databases: Iterable[str] | None = None, **kwargs: Any
) -> Iterable[CheckMessage]:
    """Refuse a server older than the oldest one that the tests run on."""
    for alias in databases or ():
        try:
            connections[alias].ensure_connection()
            version = connections[alias].connection.info.server_version
        except DatabaseError:
            continue  # the command itself will say that the server is away
        if version < MINIMUM:
            yield Error(
                f"Database “{alias}” is PostgreSQL {version // 10_000}; csbox needs 15 or newer.", id="csbox.E007"
            )
