"""HubSpot's side of the stand-in: companies, contacts, their associations, search and property definitions."""

from __future__ import annotations

import datetime as dt
from typing import Any

TOKEN = "pat-eu1-standin-0001"
START = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
CHANGED = {"companies": "hs_lastmodifieddate", "contacts": "lastmodifieddate"}
MOST_FOUND = 10_000
Asked = list[tuple[str, str]]
Answer = tuple[int, Any]


class Side:
    """The objects by id. Time goes on by a second with each change, unless it stands still."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, dict[str, Any]]] = {"companies": {}, "contacts": {}}
        self.links: dict[str, list[str]] = {}
        self.clock = START
        self.stands = False

    def put(self, name: str, id_: str, companies: list[str] | None = None, /, **properties: Any) -> None:
        """Make or change a company or contact; a contact may be given its companies."""
        if not self.stands:
            self.clock += dt.timedelta(seconds=1)
        row = self.tables[name].setdefault(id_, {"id": id_, "properties": {}, "archived": False})
        row["updatedAt"] = self.clock.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        row["createdAt"] = row.get("createdAt", row["updatedAt"])
        row["properties"] |= {**properties, "hs_object_id": id_, CHANGED[name]: row["updatedAt"]}
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
            return 401, {
                "status": "error",
                "message": "Authentication credentials not found.",
                "category": "INVALID_AUTHENTICATION",
            }
        parts = path.strip("/").split("/")
        match [method, *parts]:
            case ["GET", "crm", "v3", "properties", name]:
                keys = {key for row in self.tables[name].values() for key in row["properties"]} | {
                    "name",
                    "lifecyclestage",
                }
                return 200, {"results": [{"name": key, "label": key, "type": "string"} for key in sorted(keys)]}
            case ["GET", "crm", "v3", "objects", name]:
                return self._list(name, dict(asked))
            case ["POST", "crm", "v3", "objects", name, "search"]:
                return self._search(name, body)
            case ["POST", "crm", "v4", "associations", "contacts", "companies", "batch", "read"]:
                return self._associations(body["inputs"])
        return 404, {"status": "error", "message": "Not found"}

    def _list(self, name: str, given: dict[str, str]) -> Answer:
        archived = given.get("archived") == "true"
        rows = [
            row
            for row in self._sorted(name)
            if row["archived"] == archived and int(row["id"]) > int(given.get("after", 0))
        ]
        return 200, self._page(rows, int(given.get("limit", 10)), given.get("properties", "").split(","))

    def _search(self, name: str, body: dict[str, Any]) -> Answer:
        if len(body["filterGroups"]) > 5 or body["limit"] > 200:
            return 400, {"status": "error", "message": "Too many groups", "category": "VALIDATION_ERROR"}
        start = int(body.get("after") or 0)
        if start + body["limit"] > MOST_FOUND:
            return 400, {"status": "error", "message": "Paging beyond 10,000 results", "category": "VALIDATION_ERROR"}
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
        results, errors = [], []
        for one in inputs:
            found = self.links.get(one["id"]) or []
            start = int(one.get("after") or 0)
            to = [{"toObjectId": int(id_), "associationTypes": []} for id_ in found[start : start + 2]]
            if not found:
                errors.append(
                    {"status": "error", "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND", "message": "none"}
                )
                continue
            result: dict[str, Any] = {"from": {"id": one["id"]}, "to": to}
            if len(found) > start + 2:
                result["paging"] = {"next": {"after": str(start + 2)}}
            results.append(result)
        body: dict[str, Any] = {"status": "COMPLETE", "results": results}
        return (207, body | {"errors": errors, "numErrors": len(errors)}) if errors else (200, body)

    def _sorted(self, name: str) -> list[dict[str, Any]]:
        return sorted(self.tables[name].values(), key=lambda row: int(row["id"]))

    def _page(self, rows: list[dict[str, Any]], limit: int, properties: list[str]) -> dict[str, Any]:
        shown = [
            row | {"properties": {key: row["properties"].get(key) for key in {*properties, "hs_object_id"}}}
            for row in rows[:limit]
        ]
        found: dict[str, Any] = {"results": shown}
        if len(rows) > limit:
            found["paging"] = {"next": {"after": rows[limit - 1]["id"], "link": "https://example.com"}}
        return found
