"""Opening a connection: from the stored row to something that can be asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.utils import timezone

from accounts.models import Subject
from core.models import Workspace
from integrations.connections.http import Passing, Refused
from integrations.connections.hubspot import HubSpot
from integrations.connections.mapping import dated, mapping_of
from integrations.connections.records import Service
from integrations.connections.secrets import NoCredentials, credential_of, renew
from integrations.connections.stripe import Stripe
from integrations.models import Connection

# An answer that is not shaped as its documentation says ends in one of these, at the place that reads it.
MALFORMED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)


@contextmanager
def opened(connection: Connection) -> Iterator[Service]:
    """The system behind a connection, for as long as the block lasts. Raises NoCredentials."""
    renew(connection)
    base, credential = settings.CONNECTION_URLS[connection.kind], credential_of(connection)
    mapping = mapping_of(connection)
    service: Service
    if connection.kind == Connection.Kind.STRIPE:
        service = Stripe(base, credential, mapping, Workspace.get().zone)
    else:
        service = HubSpot(base, credential, mapping, {name: dated(Subject(name)) for name in ("account", "user")})
    try:
        yield service
    finally:
        service.close()


def check(connection: Connection) -> bool:
    """Try the credential, and remember the outcome and the names of the other side's fields; True if it works."""
    try:
        with opened(connection) as service:
            connection.properties = service.check()
        connection.error, connection.checked_at = "", timezone.now()
    except (NoCredentials, Passing, Refused) as error:
        connection.error = str(error)[:500]
    except MALFORMED:
        connection.error = f"{connection.get_kind_display()} sent an answer of an unknown form."
    connection.save(update_fields=["properties", "error", "checked_at", "updated_at"])
    return not connection.error
