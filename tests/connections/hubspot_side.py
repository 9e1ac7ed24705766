"""HubSpot's side of the stand-in: companies, contacts, their associations, search and property definitions.

Field names, types and limits are those of the OpenAPI descriptions that HubSpot publishes (CRM, companies, contacts and
properties v3, associations v4), and of answers that others recorded; `published.py` compares every answer with them and
says where they come from.
"""

from __future__ import annotations

import base64
import datetime as dt
from typing import Any
from urllib.parse import quote, unquote

TOKEN = "pat-eu1-standin-0001"
START = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
CHANGED = {"companies": "hs_lastmodifieddate", "contacts": "lastmodifieddate"}
MOST_FOUND = 10_000
MOST_GROUPS, MOST_FILTERS, MOST_LISTED, MOST_SEARCHED, MOST_INPUTS = 5, 6, 100, 200, 1_000
Asked = list[tuple[str, str]]
Answer = tuple[int, Any]


class Side:
    """The objects by id. Time goes on by a second with each change, unless it stands still."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, dict[str, Any]]] = {"companies": {}, "contacts": {}}
        self.links: dict[str, list[str]] = {}
        self.clock = START
        self.stands = False
        self.missing: list[str] = []  # rights that the token lacks

    def put(self, name: str, id_: str, companies: list[str] | None = None, /, **properties: Any) -> None:
        """Make or change a company or contact; a contact may be given its companies."""
        if not self.stands:
            self.clock += dt.timedelta(seconds=1)
        row = self.tables[name].setdefault(id_, {"id": id_, "properties": {}, "archived": False})
        row["updatedAt"] = self.clock.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        row["createdAt"] = row.get("createdAt", row["updatedAt"])
        row["url"] = f"https://app.hubspot.com/contacts/1/record/{name}/{id_}"
        always = {"hs_object_id": id_, "createdate": row["createdAt"], CHANGED[name]: row["updatedAt"]}
        row["properties"] |= properties | always
        if companies is not None:
            self.links[id_] = companies

    def archive(self, name: str, id_: str) -> None:
        """Put a record into the bin."""
        self.tables[name][id_] |= {"archived": True, "archivedAt": self.clock.isoformat()}

    def merge(self, name: str, winner: str, loser: str) -> None:
        """Merge one record into another."""
        del self.tables[name][loser]
        merged = self.tables[name][winner]["properties"].get("hs_merged_object_ids")
        self.put(name, winner, hs_merged_object_ids=f"{merged};{loser}" if merged else loser)

    def answer(self, method: str, path: str, asked: Asked, body: Any, headers: dict[str, str]) -> Answer:
        """What HubSpot would say."""
        if headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, error("Authentication credentials not found.", "INVALID_AUTHENTICATION")
        if self.missing:
            detail = {"message": "All are required.", "context": {"requiredGranularScopes": self.missing}}
            return 403, error("This app hasn't been granted all required scopes.", "MISSING_SCOPES", errors=[detail])
        parts = path.strip("/").split("/")
        match [method, *parts]:
            case ["GET", "crm", "v3", "properties", name]:
                keys = {key for row in self.tables[name].values() for key in row["properties"]} | {
                    "name",
                    "lifecyclestage",
                }
                return 200, {"results": [_definition(key) for key in sorted(keys)]}
            case ["GET", "crm", "v3", "objects", name]:
                return self._list(name, dict(asked))
            case ["POST", "crm", "v3", "objects", name, "search"]:
                return self._search(name, body)
            case ["POST", "crm", "v4", "associations", "contacts", "companies", "batch", "read"]:
                return self._associations(body["inputs"])
        return 404, error("resource not found", "OBJECT_NOT_FOUND")

    def _list(self, name: str, given: dict[str, str]) -> Answer:
        archived = given.get("archived") == "true"
        rows = [
            row
            for row in self._sorted(name)
            if row["archived"] == archived and int(row["id"]) > _place(given.get("after"))
        ]
        limit = int(given.get("limit", 10))
        if limit > MOST_LISTED:
            return 400, error(f"limit must be at most {MOST_LISTED}", "VALIDATION_ERROR")
        return 200, self._page(rows, limit, given.get("properties", "").split(","))

    def _search(self, name: str, body: dict[str, Any]) -> Answer:
        groups = body["filterGroups"]
        if len(groups) > MOST_GROUPS or any(len(group["filters"]) > MOST_FILTERS for group in groups):
            return 400, error("Too many filters", "VALIDATION_ERROR")
        if body["limit"] > MOST_SEARCHED:
            return 400, error(f"limit must be at most {MOST_SEARCHED}", "VALIDATION_ERROR")
        start = int(body.get("after") or 0)
        if start + body["limit"] > MOST_FOUND:
            return 400, error("Paging beyond 10,000 results", "VALIDATION_ERROR")
        assert body["sorts"] == [{"propertyName": "hs_object_id", "direction": "ASCENDING"}]
        rows = [
            row
            for row in self._sorted(name)
            if not row["archived"] and self._fits(row, body["filterGroups"][0]["filters"])
        ]
        found = self._page(rows[start:], body["limit"], body["properties"])
        if found.get("paging"):
            found["paging"]["next"]["after"] = str(start + body["limit"])
        return 200, found | {"total": len(rows)}

    def _fits(self, row: dict[str, Any], filters: list[dict[str, str]]) -> bool:
        for one in filters:
            told = row["properties"][one["propertyName"]]
            if one["propertyName"] == "hs_object_id":
                assert one["operator"] == "GT"
                if not int(told) > int(one["value"]):
                    return False
            else:
                assert one["operator"] == "GTE"
                if dt.datetime.fromisoformat(told.replace("Z", "+00:00")).timestamp() * 1_000 < int(one["value"]):
                    return False
        return True

    def _associations(self, inputs: list[dict[str, str]]) -> Answer:
        if len(inputs) > MOST_INPUTS:
            return 400, error(f"at most {MOST_INPUTS} inputs", "VALIDATION_ERROR")
        results, errors = [], []
        plain = {"category": "HUBSPOT_DEFINED", "typeId": 279, "label": None}
        primary = {"category": "HUBSPOT_DEFINED", "typeId": 1, "label": "Primary"}
        for one in inputs:
            found = self.links.get(one["id"]) or []
            start = _place(one.get("after"))
            # A text in the published description, a whole number in what was recorded; `from` has a text in both.
            to = [
                {"toObjectId": id_ if int(id_) % 2 else int(id_),
                 "associationTypes": [plain] if place else [plain, primary]}
                for place, id_ in enumerate(found[start : start + 2], start)
            ]  # fmt: skip
            if not found:
                errors.append(_no_company(one["id"]))
                continue
            result: dict[str, Any] = {"from": {"id": one["id"]}, "to": to}
            if len(found) > start + 2:
                result["paging"] = {"next": _next(start + 2)}
            results.append(result)
        when = self.clock.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        body: dict[str, Any] = {"status": "COMPLETE", "results": results, "startedAt": when, "completedAt": when}
        return (207, body | {"errors": errors, "numErrors": len(errors)}) if errors else (200, body)

    def _sorted(self, name: str) -> list[dict[str, Any]]:
        return sorted(self.tables[name].values(), key=lambda row: int(row["id"]))

    def _page(self, rows: list[dict[str, Any]], limit: int, properties: list[str]) -> dict[str, Any]:
        shown = []
        for row in rows[:limit]:
            asked = {*properties, "hs_object_id", "createdate", *(set(CHANGED.values()) & row["properties"].keys())}
            shown.append(row | {"properties": {key: row["properties"].get(key) for key in asked}})
        found: dict[str, Any] = {"results": shown}
        if len(rows) > limit:
            found["paging"] = {"next": _next(int(rows[limit - 1]["id"]))}
        return found


def error(message: str, category: str, **more: Any) -> dict[str, Any]:
    """What HubSpot says when it does not do what it was asked."""
    told = {"status": "error", "message": message, "correlationId": "aeb5f871-7f07-4993-9211-075dc63e7cbf"}
    return told | {"category": category} | more


def too_many(policy: str = "TEN_SECONDLY_ROLLING") -> dict[str, Any]:
    """The body of a 429."""
    message = f"You have reached your {policy.lower()} limit."
    found = error(message, "RATE_LIMITS", errorType="RATE_LIMIT", policyName=policy)
    del found["category"]
    return found | {"groupName": "publicapi:private-apps-api-calls"}


def _no_company(contact: str) -> dict[str, Any]:
    context = {"fromObjectId": [contact], "fromObjectType": ["contact"], "toObjectType": ["company"]}
    told = {"status": "error", "category": "OBJECT_NOT_FOUND", "message": f"No company is associated with {contact}."}
    told |= {"subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND"}
    return told | {"context": context}


def _definition(name: str) -> dict[str, Any]:
    found = {"name": name, "label": name, "description": "", "groupName": "companyinformation", "type": "string"}
    return found | {"fieldType": "text", "options": [], "hidden": False, "hubspotDefined": True, "calculated": False}


def _next(place: int) -> dict[str, str]:
    """A cursor says nothing to those who get it, and is sent back as it came, with its per cent signs."""
    token = quote(base64.b64encode(f"{place}\n".encode()).decode(), safe="")
    return {"after": token, "link": f"https://api.hubapi.com/crm/v3/objects/contacts?after={token}"}


def _place(token: str | None) -> int:
    return int(base64.b64decode(unquote(token))) if token else 0
