"""Making, changing and ending connections, and matching their records by hand."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.facts import Fact, record_accounts
from accounts.models import Account
from core.intake import BadValue, clean_id, clean_text
from integrations.connections.mapping import read_mapping
from integrations.connections.matching import give
from integrations.connections.opening import check
from integrations.connections.secrets import keep, keep_name
from integrations.models import Connection, ConnectionLink, ConnectionRun


def connect(*, kind: str, name: str, credential: str = "", variable: str = "", author: Any = None) -> Connection:
    """Store a new connection and try its credential; a wrong one is kept, with `error` saying why. Raises BadValue."""
    if kind not in Connection.Kind.values:
        raise BadValue(f"The kind is one of: {', '.join(Connection.Kind.values)}.")
    connection = Connection(kind=kind, name=_name(name), author=author if getattr(author, "pk", None) else None)
    _credential(connection, credential, variable, required=True)
    _save(connection)
    check(connection)
    return connection


def change(
    connection: Connection,
    *,
    name: str | None = None,
    credential: str = "",
    variable: str = "",
    active: bool | None = None,
    every_minutes: int | None = None,
) -> Connection:
    """Change what is given. A new credential is tried at once. Raises BadValue."""
    if name is not None:
        connection.name = _name(name)
    if every_minutes is not None:
        if not 5 <= every_minutes <= 10_080:
            raise BadValue("Minutes between runs: from 5 to 10,080 (a week).")
        connection.every_minutes = every_minutes
    if active is not None:
        connection.active = active
    renewed = _credential(connection, credential, variable, required=False)
    _save(connection)
    if renewed:
        check(connection)
    return connection


def change_mapping(connection: Connection, given: dict[str, Any]) -> None:
    """Replace parts of the mapping; the next run reads everything, so that the new mapping holds for every record.

    Raises BadValue.
    """
    found = {**connection.mapping, **read_mapping(connection.kind, given)}
    if found != connection.mapping:
        connection.mapping, connection.full_at = found, None
        connection.save(update_fields=["mapping", "full_at", "updated_at"])


def disconnect(connection: Connection) -> None:
    """Forget the connection, its credential, its links and its runs; what was imported stays, with its origin."""
    connection.delete()


def match_by_hand(link: ConnectionLink, external_id: str) -> Account:
    """Say which account a record is. The next run reads everything, and brings its values. Raises BadValue."""
    wanted = clean_id(external_id)
    account = Account.objects.filter(external_id=wanted).first()
    if account is None:
        raise BadValue(f"There is no account with the id “{wanted}”.")
    _match(link, account, made=False)
    return account


def make_account(link: ConnectionLink) -> Account:
    """Make an account for a record that is none yet."""
    name = link.remote_id if link.connection.kind == Connection.Kind.STRIPE else f"hubspot:{link.remote_id}"
    with transaction.atomic():
        fact = Fact(name, {"name": link.label or name}, timezone.now())
        outcome = record_accounts([fact], source=link.connection.source)
        account = Account.objects.get(external_id=name)
        _match(link, account, made=account.pk in outcome.created)
    return account


def _match(link: ConnectionLink, account: Account, *, made: bool) -> None:
    with transaction.atomic():
        held = ConnectionLink.objects.select_for_update().get(pk=link.pk)
        give(held, account.pk)
        held.by_hand, held.made, held.note = True, made, ""
        spoken = ConnectionLink.objects.filter(connection=held.connection_id, kind=held.kind, account=account)
        held.primary = not spoken.filter(primary=True, gone_at__isnull=True).exclude(pk=held.pk).exists()
        held.save()
        Connection.objects.filter(pk=held.connection_id).update(full_at=None)


def open_run(connection: Connection) -> ConnectionRun | None:
    """The run that is waiting or at work."""
    return connection.runs.open().first()


def _name(text: str) -> str:
    found = clean_text(text, 60)
    if not found:
        raise BadValue("Give the connection a name.")
    return found


def _credential(connection: Connection, credential: str, variable: str, *, required: bool) -> bool:
    if credential and variable:
        raise BadValue("Enter the credential or name the variable that holds it, not both.")
    if credential:
        keep(connection, credential)
    elif variable:
        keep_name(connection, variable)
    elif required:
        raise BadValue("Enter the credential, or name the variable that holds it.")
    return bool(credential or variable)


def _save(connection: Connection) -> None:
    try:
        with transaction.atomic():
            connection.save()
    except IntegrityError as error:
        raise BadValue(f"There is already a connection called “{connection.name}”.") from error
