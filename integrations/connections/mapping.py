"""What maps to what: which field of the other system becomes which of ours, and how records find their accounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accounts.facts import ACCOUNT, USER
from accounts.facts.shapes import Form
from accounts.models import AttributeDefinition, Subject, SubscriptionStatus
from core.intake import BadValue, clean_text, short
from integrations.connections.hubspot import FULL_NAME
from integrations.connections.stripe import STATUSES
from integrations.models import Connection

Kind = Connection.Kind
LIST, CREATE = "list", "create"
MOST = 60
# What decides an account's billing comes from subscriptions, and an account is archived by what happens to its record.
_NOT_MAPPED = {"parent", "archived_at"}
DEFAULTS: dict[str, dict[str, Any]] = {
    Kind.STRIPE: {
        "id_key": "account_id",
        "by_domain": True,
        "unmatched": LIST,
        "account": {},
        "statuses": STATUSES,
    },
    Kind.HUBSPOT: {
        "id_key": "",
        "user_key": "",
        "by_domain": True,
        "unmatched": LIST,
        "account": {"name": "name", "domain": "domain", "industry": "industry", "country": "country"},
        "user": {"name": FULL_NAME, "email": "email", "title": "jobtitle"},
    },
}


def mapping_of(connection: Connection) -> dict[str, Any]:
    """The connection's mapping, with the defaults for what it does not say."""
    return {**DEFAULTS[connection.kind], **connection.mapping}


def targets(subject: Subject) -> dict[str, str]:
    """The fields that may be filled, `{key: label}`: columns, then custom attributes."""
    shape = ACCOUNT if subject == Subject.ACCOUNT else USER
    columns = [name for name in shape.columns if name not in _NOT_MAPPED]
    found = {name: name.replace("_", " ").replace("mrr", "MRR").capitalize() for name in columns}
    attributes = AttributeDefinition.objects.filter(subject=subject, active=True)
    return found | {f"custom.{item.key}": item.name for item in attributes}


def dated(subject: Subject) -> set[str]:
    """Those of the fields that hold a day or an instant."""
    shape = ACCOUNT if subject == Subject.ACCOUNT else USER
    columns = {name for name, column in shape.columns.items() if column.form in (Form.DATE, Form.DATETIME)}
    attributes = AttributeDefinition.objects.filter(subject=subject, kind__in=("date", "datetime"))
    return columns | {f"custom.{key}" for key in attributes.values_list("key", flat=True)}


def read_mapping(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping that was sent by a page or the API, checked. Raises BadValue with the place in its sentence."""
    known = DEFAULTS[kind]
    if strange := sorted(set(given) - set(known)):
        raise BadValue(f"“{short(strange[0])}” is not part of a mapping. Allowed: {', '.join(known)}.")
    found: dict[str, Any] = {}
    for name in ("id_key", "user_key"):
        if name in given:
            found[name] = clean_text(given[name] or "", 255)
    if "by_domain" in given:
        if not isinstance(given["by_domain"], bool):
            raise BadValue("by_domain is true or false.")
        found["by_domain"] = given["by_domain"]
    if "unmatched" in given:
        if given["unmatched"] not in (LIST, CREATE):
            raise BadValue(f"unmatched is {LIST} or {CREATE}.")
        found["unmatched"] = given["unmatched"]
    for name, subject in (("account", Subject.ACCOUNT), ("user", Subject.USER)):
        if name in given:
            found[name] = _read_fields(given[name], targets(subject), name)
    if "statuses" in given:
        found["statuses"] = _read_statuses(given["statuses"])
    return found


def _read_fields(given: Any, allowed: Mapping[str, str], name: str) -> dict[str, str]:
    if not isinstance(given, Mapping) or len(given) > MOST:
        raise BadValue(f"{name} is an object of at most {MOST} fields: our field, then theirs.")
    found = {}
    for ours, theirs in given.items():
        if ours not in allowed:
            raise BadValue(f"{name}: there is no field “{short(ours)}”. Add the custom attribute first.")
        text = clean_text(theirs or "", 255)
        if "," in text:
            raise BadValue(f"{name}: “{short(text)}” is not the name of one field.")
        if text:
            found[str(ours)] = text
    return found


def _read_statuses(given: Any) -> dict[str, str]:
    known = set(SubscriptionStatus.objects.values_list("key", flat=True))
    if not isinstance(given, Mapping) or set(given) - set(STATUSES):
        raise BadValue(f"statuses names some of: {', '.join(STATUSES)}.")
    for theirs, ours in given.items():
        if ours not in known:
            raise BadValue(f"statuses: “{short(ours)}”, for {theirs}, is not one of: {', '.join(sorted(known))}.")
    return dict(given)
