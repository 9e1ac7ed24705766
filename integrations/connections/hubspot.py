"""HubSpot as a source of companies and contacts: /crm/v3/objects, search for changes, associations v4.

Lists are walked by HubSpot's own `after`. A search ends at 10,000 results however it is paged, so changes are walked by
id: everything changed since a moment whose id is greater than the last one, which no number of records with the same
time can stop. Search has no associations; they are read in batches.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from integrations.connections.http import Http
from integrations.connections.records import Cursor, Page, Record

PAGE = 100
CHANGED = {"companies": "hs_lastmodifieddate", "contacts": "lastmodifieddate"}
KIND = {"companies": "company", "contacts": "contact"}
MERGED = "hs_merged_object_ids"
_MILLISECONDS, _EPOCH = re.compile(r"-?\d{9,14}"), dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
FULL_NAME = "full_name"  # not a property of HubSpot's: first and last name in one


class HubSpot:
    """One HubSpot account, read with the token of a private app."""

    def __init__(
        self, base: str, credential: str, mapping: Mapping[str, Any], dated: Mapping[str, Collection[str]]
    ) -> None:
        self.http = Http("HubSpot", base, {"Authorization": f"Bearer {credential}"})
        self.mapping, self.dated = mapping, dated

    def close(self) -> None:
        """Let the connections go."""
        self.http.close()

    def steps(self, full: bool) -> tuple[str, ...]:
        """Companies first, because contacts belong to them."""
        return ("companies", "contacts")

    def kinds_of(self, step: str) -> tuple[str, ...]:
        """Each step reads one kind."""
        return (KIND[step],)

    def check(self) -> dict[str, list[str]]:
        """Read one of each, and what their properties are called."""
        found = {}
        for name, kind in KIND.items():
            self.http.get(f"/crm/v3/objects/{name}", [("limit", 1)])
            rows = self.http.get(f"/crm/v3/properties/{name}").get("results") or []
            found[kind] = sorted(row["name"] for row in rows if not row.get("hidden") and not row.get("archived"))[
                :2_000
            ]
        found["contact"] = [FULL_NAME, *found["contact"]]
        return found

    def page(self, step: str, cursor: Cursor | None, since: dt.datetime | None) -> Page:
        """One page of a hundred."""
        rows, place = self._listed(step, cursor) if since is None else self._changed(step, cursor, since)
        companies, problems = self._companies_of(rows) if step == "contacts" else ({}, [])
        return Page([self._record(step, row, companies) for row in rows], place, problems=problems)

    def _properties(self, step: str) -> list[str]:
        wanted = set(self.mapping["account" if step == "companies" else "user"].values())
        wanted |= {self.mapping.get("id_key" if step == "companies" else "user_key") or ""}
        wanted |= {"domain", "name"} if step == "companies" else {"email", "firstname", "lastname"}
        return sorted(wanted - {"", FULL_NAME} | {CHANGED[step], MERGED})

    def _listed(self, step: str, cursor: Cursor | None) -> tuple[list[dict[str, Any]], Cursor | None]:
        asked: list[tuple[str, str | int]] = [("limit", PAGE), ("archived", "false")]
        asked.append(("properties", ",".join(self._properties(step))))
        if cursor:
            asked.append(("after", cursor["after"]))
        answer = self.http.get(f"/crm/v3/objects/{step}", asked)
        after = ((answer.get("paging") or {}).get("next") or {}).get("after")
        return answer.get("results") or [], {"after": after} if after else None

    def _changed(
        self, step: str, cursor: Cursor | None, since: dt.datetime
    ) -> tuple[list[dict[str, Any]], Cursor | None]:
        filters = [{"propertyName": CHANGED[step], "operator": "GTE", "value": str(int(since.timestamp() * 1_000))}]
        if cursor:
            filters.append({"propertyName": "hs_object_id", "operator": "GT", "value": cursor["above"]})
        answer = self.http.post(
            f"/crm/v3/objects/{step}/search",
            {
                "filterGroups": [{"filters": filters}],
                "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
                "properties": self._properties(step),
                "limit": PAGE,
            },
        )
        rows = answer.get("results") or []
        more = bool(((answer.get("paging") or {}).get("next") or {}).get("after")) and bool(rows)
        return rows, {"above": str(rows[-1]["id"])} if more else None

    def _companies_of(self, rows: Sequence[Mapping[str, Any]]) -> tuple[dict[str, tuple[str, ...]], list[str]]:
        """The companies of each contact, by the contacts' ids."""
        if not rows:
            return {}, []
        found: dict[str, list[str]] = {str(row["id"]): [] for row in rows}
        inputs: list[dict[str, str]] = [{"id": str(row["id"])} for row in rows]
        problems: list[str] = []
        while inputs:
            answer = self.http.post("/crm/v4/associations/contacts/companies/batch/read", {"inputs": inputs})
            inputs = []
            for one in answer.get("results") or []:
                from_id = str(one["from"]["id"])
                found.setdefault(from_id, []).extend(str(to["toObjectId"]) for to in one.get("to") or [])
                after = ((one.get("paging") or {}).get("next") or {}).get("after")
                if after:
                    inputs.append({"id": from_id, "after": after})
            # A contact without a company is answered as an error of its own; it is none.
            for error in answer.get("errors") or []:
                if error.get("subCategory") != "crm.associations.NO_ASSOCIATIONS_FOUND":
                    problems.append(f"Companies of some contacts could not be read: {error.get('message', '')}"[:300])
        return {key: tuple(dict.fromkeys(ids)) for key, ids in found.items()}, problems

    def _record(self, step: str, row: Mapping[str, Any], companies: Mapping[str, tuple[str, ...]]) -> Record:
        told = dict(row.get("properties") or {})
        told[FULL_NAME] = " ".join(part for part in (told.get("firstname"), told.get("lastname")) if part) or None
        is_company = step == "companies"
        subject = "account" if is_company else "user"
        fields, dated = self.mapping[subject], self.dated[subject]
        id_ = str(row["id"])
        key = told.get(self.mapping.get("id_key" if is_company else "user_key") or "")
        label = (told.get("name") or told.get("domain")) if is_company else (told[FULL_NAME] or told.get("email"))
        return Record(
            KIND[step],
            id_,
            str(label or id_)[:255],
            {ours: _date(told.get(theirs)) if ours in dated else told.get(theirs) for ours, theirs in fields.items()},
            _instant(row.get("updatedAt")),
            tuple(str(k) for k in (key, f"hubspot:{id_}") if k),  # a bare number could be anybody's id
            domain=str(told.get("domain") or ""),
            email=str(told.get("email") or ""),
            parents=companies.get(id_, ()),
            merged=tuple(part.strip() for part in str(told.get(MERGED) or "").split(";") if part.strip()),
            gone=bool(row.get("archived")),
        )


def _date(value: Any) -> Any:
    """A date as HubSpot tells it, which is in ISO form or in milliseconds (midnight UTC for a day)."""
    if isinstance(value, str) and _MILLISECONDS.fullmatch(value):
        return (_EPOCH + dt.timedelta(milliseconds=int(value))).isoformat()
    return value


def _instant(text: Any) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(str(text).replace("Z", "+00:00")) if text else None
    except ValueError:
        return None
