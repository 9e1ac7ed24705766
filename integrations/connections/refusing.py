"""Keeping the records of erased accounts and users out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from accounts.models import Account, EndUser
from accounts.privacy.gate import Refusal, erased_among
from integrations.connections.matching import key_of
from integrations.connections.records import Record
from integrations.models import Connection, ConnectionLink

Kind = ConnectionLink.Kind
SUBJECTS = {Kind.CUSTOMER: "account", Kind.COMPANY: "account", Kind.SUBSCRIPTION: "account", Kind.CONTACT: "user"}


def refused_records(
    connection: Connection,
    records: Sequence[Record],
    links_of: Callable[[], Mapping[tuple[str, str], ConnectionLink]],
) -> dict[tuple[str, str], Refusal]:
    """The records, by kind and id, that are about somebody who was erased, and a subscription of such an account.

    An erasure keeps out the id that a record of its subject would get, so a record is known again without its link.
    """
    ids: dict[tuple[str, str], set[str]] = {}

    def named() -> dict[str, set[str]]:
        links = links_of()
        pairs = [(record, links[record.kind, record.id]) for record in records]
        accounts = dict(_external_ids(Account, {link.account_id for _, link in pairs}))
        users = dict(_external_ids(EndUser, {link.user_id for _, link in pairs}))
        found: dict[str, set[str]] = {"account": set(), "user": set()}
        for record, link in pairs:
            of = [ConnectionLink(connection=connection, kind=record.kind, remote_id=record.id)]
            if record.kind == Kind.SUBSCRIPTION:
                of = [
                    ConnectionLink(connection=connection, kind=Kind.CUSTOMER, remote_id=id_) for id_ in record.parents
                ]
            told = {key_of(one) for one in of} | {key.strip() for key in record.keys}
            told |= {accounts.get(link.account_id or 0, ""), users.get(link.user_id or 0, "")} - {""}
            ids[record.kind, record.id] = told
            found[SUBJECTS[Kind(record.kind)]] |= told
        return found

    erased = erased_among(named)
    refused = {}
    for (kind, id_), told in ids.items():
        why = next((erased[key] for name in sorted(told) if (key := (SUBJECTS[Kind(kind)], name)) in erased), None)
        if why is not None:
            refused[kind, id_] = why
    return refused


def _external_ids(model: type[Account] | type[EndUser], pks: set[int | None]) -> list[tuple[int, str]]:
    wanted = {pk for pk in pks if pk}
    return list(model._default_manager.filter(pk__in=wanted).values_list("pk", "external_id")) if wanted else []
