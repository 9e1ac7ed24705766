"""Which account a customer or company is: by its id, by its domain, by hand, or by making one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Q

from accounts.facts import Fact, record_accounts
from accounts.models import Account, EndUser
from core.intake import BadValue, clean_id, fold
from integrations.connections.mapping import CREATE
from integrations.connections.records import Record
from integrations.models import Connection, ConnectionLink, ConnectionRun

# Domains that belong to nobody’s company.
FREE_MAIL = {
    "gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "msn.com", "yahoo.com", "icloud.com",
    "me.com", "aol.com", "gmx.com", "gmx.net", "gmx.de", "web.de", "mail.com", "proton.me", "protonmail.com",
    "yandex.com", "zoho.com", "fastmail.com", "qq.com", "163.com",
}  # fmt: skip
Pairs = Sequence[tuple[Record, ConnectionLink]]


def host_of(text: str) -> str:
    """A company's domain as it is compared: without scheme, path and www; empty for a free mail provider's."""
    host = fold(text).split("//")[-1].split("/")[0].split("@")[-1].removeprefix("www.").rstrip(".")
    return "" if host in FREE_MAIL or "." not in host else host


def key_of(link: ConnectionLink) -> str:
    """The id that an account or user gets that is made for a record: the last one of the record's keys."""
    prefix = "hubspot:" if link.connection.kind == Connection.Kind.HUBSPOT else ""
    return f"{prefix}{link.remote_id}"


def match_accounts(connection: Connection, run: ConnectionRun, pairs: Pairs, mapping: Mapping[str, Any]) -> int:
    """Give the links their accounts, where one can be told; returns how many accounts were made.

    An id decides, also later on; a domain decides only if exactly one live account has it. What was matched by hand
    stays.
    """
    known = _by_keys(pairs)
    open_ones = [(record, link) for record, link in pairs if not link.by_hand]
    for record, link in open_ones:
        found = next((known[key] for key in record.keys if key in known), None)
        if found and found != link.account_id:
            give(link, found)
    if mapping["by_domain"]:
        _match_domains([(record, link) for record, link in open_ones if link.account_id is None])
    made = 0
    if mapping["unmatched"] == CREATE:
        made = _make(connection, run, [(record, link) for record, link in open_ones if link.account_id is None])
    for _, link in pairs:
        link.note = "" if link.account_id else link.note or "No account has its id."
    _choose_speakers(connection, [link for _, link in pairs if link.account_id])
    return made


def give(link: ConnectionLink, account: int | None) -> None:
    """Match a link anew: what it told the former account is told again (unsaved)."""
    link.account_id, link.seen, link.made, link.primary = account, {}, False, True  # type: ignore[assignment]


def _by_keys(pairs: Pairs) -> dict[str, int]:
    wanted = set()
    for record, _ in pairs:
        for key in record.keys:
            try:
                wanted.add(clean_id(key))
            except BadValue:
                continue
    return dict(Account.objects.filter(external_id__in=wanted).values_list("external_id", "pk"))


def _match_domains(pairs: Pairs) -> None:
    hosts = {host for record, _ in pairs if (host := host_of(record.domain))}
    found: dict[str, list[int]] = {}
    if hosts:
        # Accounts are told with and without www by different sources.
        texts = [*hosts, *(f"www.{host}" for host in hosts)]
        rows = Account.objects.live().filter(folded__domain__in=texts).order_by()
        for pk, domain in rows.values_list("pk", "domain"):
            found.setdefault(host_of(domain), []).append(pk)
    for record, link in pairs:
        candidates = found.get(host_of(record.domain), [])
        if len(candidates) == 1:
            give(link, candidates[0])
        elif candidates:
            link.note = f"{len(candidates)} accounts have the domain {host_of(record.domain)}."[:255]
        else:
            host = host_of(record.domain)
            link.note = (f"No account has its id or the domain {host}." if host else "No account has its id.")[:255]


def _make(connection: Connection, run: ConnectionRun, pairs: Pairs) -> int:
    facts = [
        Fact(record.keys[0], {"name": record.label}, min(record.at or run.created_at, run.created_at))
        for record, _ in pairs
        if record.keys
    ]
    if not facts:
        return 0
    outcome = record_accounts(facts, source=connection.source)
    known = _by_keys(pairs)
    for record, link in pairs:
        if record.keys and record.keys[0] in known:
            give(link, known[record.keys[0]])
            link.made = link.account_id in outcome.created
    return len(outcome.created)


def _choose_speakers(connection: Connection, links: Sequence[ConnectionLink]) -> None:
    """Of several records of one account the first one fills its fields."""
    taken: dict[tuple[str, Any], Any] = {}
    rows = ConnectionLink.objects.filter(
        connection=connection, account__in={link.account_id for link in links}, primary=True, gone_at__isnull=True
    )
    for kind, account, remote_id in rows.values_list("kind", "account_id", "remote_id"):
        taken[kind, account] = remote_id
    for link in links:
        speaker = taken.setdefault((link.kind, link.account_id), link.remote_id)
        link.primary = speaker == link.remote_id


def users_of(pairs: Pairs) -> dict[str, str]:
    """The external id of the user that each contact is, by its remote id: linked, by id, by e-mail, or new."""
    keys = {key for record, _ in pairs for key in record.keys}
    emails = {fold(record.email) for record, link in pairs if record.email and link.user_id is None}
    linked = dict(
        EndUser.objects.filter(pk__in=[link.user_id for _, link in pairs if link.user_id]).values_list(
            "pk", "external_id"
        )
    )
    asked = EndUser.objects.filter(Q(external_id__in=keys) | Q(folded__email__in=list(emails))).order_by()
    known: set[str] = set()
    by_email: dict[str, list[str]] = {}
    for external_id, email in asked.values_list("external_id", "email"):
        known.add(external_id)
        by_email.setdefault(fold(email), []).append(external_id)
    found = {}
    for record, link in pairs:
        same = by_email.get(fold(record.email), []) if record.email else []
        if link.user_id:
            found[record.id] = linked[link.user_id]
        else:
            by_id = next((key for key in record.keys if key in known), None)
            found[record.id] = by_id or (same[0] if len(same) == 1 else record.keys[0])
    return found
