"""Stripe as a source of customers and subscriptions: /v1/customers, /v1/subscriptions and, for changes, /v1/events.

Written against API version 2025-08-27.basil, which is pinned: the newest in which a discount carries its coupon, and
one in which `current_period_end` stands with the items. An event names what changed; the object itself is then fetched
as it is, because an event's own copy is as old as the event and in the version of Stripe's account.

Plain requests instead of stripe-python: three lists are read, for which 31 MB and an API version that moves with every
release of the library are a high price. hubspot-api-client was last released in May 2025.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from integrations.connections.http import Http, Params, Refused
from integrations.connections.mrr import monthly, mrr_of
from integrations.connections.records import Cursor, Page, Record

VERSION = "2025-08-27.basil"
PAGE = 100
EVENTS_KEPT = dt.timedelta(days=29)  # Stripe answers for 30 days
STATUSES = {
    "active": "active", "past_due": "active", "trialing": "trial", "incomplete": "future", "paused": "suspended",
    "unpaid": "suspended", "canceled": "cancelled", "incomplete_expired": "cancelled",
}  # fmt: skip
TYPES = (
    "customer.created", "customer.updated", "customer.deleted", "customer.discount.created",
    "customer.discount.updated", "customer.discount.deleted", "customer.subscription.created",
    "customer.subscription.updated", "customer.subscription.deleted", "customer.subscription.paused",
    "customer.subscription.resumed", "customer.subscription.pending_update_applied",
)  # fmt: skip
FIELDS = (
    "name", "email", "phone", "description", "currency", "delinquent", "balance", "created", "address.country",
    "address.city", "address.state", "address.postal_code", "preferred_locales",
)  # fmt: skip
# A coupon tells its products and its amounts in other currencies to those who ask only, and nobody can ask for what
# lies more than four levels deep: the coupons of customers and of items are read by themselves (`_complete`).
_COUPON = ("applies_to", "currency_options")
_EXPANDED = (*(f"discounts.coupon.{name}" for name in _COUPON), "items.data.discounts", "customer")
REMEMBERED = 2_000
PLACES = 10  # ids of the last page that a cursor remembers, in case the newest of them is deleted meanwhile


class Stripe:
    """One Stripe account, read with a secret or restricted key."""

    def __init__(self, base: str, credential: str, mapping: Mapping[str, Any], zone: ZoneInfo) -> None:
        headers = {"Authorization": f"Bearer {credential}", "Stripe-Version": VERSION}
        self.http = Http("Stripe", base, headers)
        self.mapping, self.zone = mapping, zone
        self._known: dict[str, Any] = {}

    def close(self) -> None:
        """Let the connections go."""
        self.http.close()

    def steps(self, full: bool) -> tuple[str, ...]:
        """Everything by kind; changes by Stripe's own events."""
        return ("customers", "subscriptions") if full else ("changes",)

    def kinds_of(self, step: str) -> tuple[str, ...]:
        """A full run's steps read one kind each."""
        return {"customers": ("customer",), "subscriptions": ("subscription",)}.get(step, ())

    def check(self) -> dict[str, list[str]]:
        """Read one of each; the fields of customers, with the metadata keys that the newest ones have."""
        customers = self.http.get("/v1/customers", [("limit", PAGE)])["data"]
        self.http.get("/v1/subscriptions", [("limit", 1), ("status", "all")])
        for path in ("/v1/events", "/v1/prices", "/v1/products", "/v1/coupons"):
            self.http.get(path, [("limit", 1)])
        keys = {f"metadata.{key}" for one in customers for key in one.get("metadata") or {}}
        return {"customer": [*FIELDS, *sorted(keys)[:200]]}

    def page(self, step: str, cursor: Cursor | None, since: dt.datetime | None) -> Page:
        """One page of a hundred."""
        if step == "customers":
            rows, place = self._list("/v1/customers", [], cursor)
            return Page([self._customer(row) for row in rows], place)
        if step == "subscriptions":
            asked: list[tuple[str, str | int]] = [("status", "all"), *(("expand[]", f"data.{n}") for n in _EXPANDED)]
            rows, place = self._list("/v1/subscriptions", asked, cursor)
            found, others = self._subscriptions({row["id"]: row for row in rows}, {})
            return Page(found, place, others)
        return self._changes(cursor, since)

    def _list(self, path: str, asked: Params, cursor: Cursor | None) -> tuple[list[dict[str, Any]], Cursor | None]:
        """A page after the cursor's place. Lists are newest first: what is new meanwhile is found by the next run."""
        places = list((cursor or {}).get("after") or [])
        answer: Any = None
        while answer is None:
            after: list[tuple[str, str | int]] = [("starting_after", places[0])] if places else []
            try:
                answer = self.http.get(path, [("limit", PAGE), *asked, *after])
            except Refused as error:
                # The place itself was deleted meanwhile: go on from the one before it, or from the beginning.
                if not places or error.status not in (400, 404) or _parameter(error.body) != "starting_after":
                    raise
                places = places[1:]
        rows = list(answer.get("data") or [])
        more = bool(answer.get("has_more")) and bool(rows)
        return rows, {"after": [row["id"] for row in rows[-PLACES:]][::-1]} if more else None

    def _changes(self, cursor: Cursor | None, since: dt.datetime | None) -> Page:
        start = int((since or dt.datetime.now(dt.UTC) - EVENTS_KEPT).timestamp())
        asked: list[tuple[str, str | int]] = [("created[gte]", start), *(("types[]", name) for name in TYPES)]
        events, place = self._list("/v1/events", asked, cursor)
        times: dict[str, dict[str, dt.datetime]] = {"customer": {}, "subscription": {}}
        for event in events:
            for kind, id_ in _touched(event["data"]["object"]):
                at = _instant(event["created"])
                times[kind][id_] = max(at, times[kind].get(id_, at))
        customers = [
            self._customer(row, at) for id_, at in times["customer"].items() for row in self._one("customers", id_)
        ]
        expand: Params = [("expand[]", name) for name in _EXPANDED]
        rows = {id_: row for id_ in times["subscription"] for row in self._one("subscriptions", id_, expand)}
        found, others = self._subscriptions(rows, times["subscription"])
        return Page([*customers, *found], place, [one for one in others if one.id not in times["customer"]])

    def _one(self, name: str, id_: str, asked: Params = ()) -> list[dict[str, Any]]:
        """The object as it is now; nothing if it is gone."""
        try:
            return [self.http.get(f"/v1/{name}/{id_}", asked)]
        except Refused as error:
            if error.status == 404:
                return []
            raise

    def _customer(self, row: Mapping[str, Any], at: dt.datetime | None = None) -> Record:
        if row.get("deleted"):
            return Record("customer", row["id"], at=at, gone=True)
        metadata = row.get("metadata") or {}
        key = str(metadata.get(self.mapping.get("id_key") or "") or "")
        email = str(row.get("email") or "")
        values = {ours: _value(row, theirs) for ours, theirs in self.mapping["account"].items()}
        label = str(row.get("name") or row.get("description") or email or row["id"])
        return Record(
            "customer", row["id"], label[:255], values, at, tuple(k for k in (key, row["id"]) if k),
            domain=email.rpartition("@")[2], email=email,
        )  # fmt: skip

    def _subscriptions(
        self, rows: Mapping[str, dict[str, Any]], times: Mapping[str, dt.datetime]
    ) -> tuple[list[Record], list[Record]]:
        """The subscriptions, and their customers as far as they came along."""
        found, customers = [], {}
        for id_, row in rows.items():
            self._complete(row)
            customer = row["customer"]
            if isinstance(customer, Mapping):
                if not customer.get("deleted"):
                    customers[customer["id"]] = self._customer(customer)
                customer = customer["id"]
            found.append(Record("subscription", id_, id_, self._values(row), times.get(id_), parents=(customer,)))
        return found, list(customers.values())

    def _complete(self, row: dict[str, Any]) -> None:
        """Bring what an answer leaves out: items beyond the first page, tiers, the product's name, coupons in full."""
        if (row.get("items") or {}).get("has_more"):
            asked: Params = [("subscription", row["id"]), ("expand[]", "data.discounts")]
            items, cursor = self._list("/v1/subscription_items", asked, None)
            while cursor:
                more, cursor = self._list("/v1/subscription_items", asked, cursor)
                items += more
            row["items"]["data"] = items
        for item in row["items"]["data"]:
            price = item["price"]
            if price.get("billing_scheme") == "tiered" and "tiers" not in price:
                asked = [("expand[]", "tiers")]
                price["tiers"] = self._remembered(f"/v1/prices/{price['id']}", asked).get("tiers") or []
            if not price.get("nickname") and isinstance(price.get("product"), str):
                price["product_name"] = self._remembered(f"/v1/products/{price['product']}", ()).get("name")
        customer = row["customer"]
        loose = [found for item in row["items"]["data"] for found in item.get("discounts") or []]
        if isinstance(customer, Mapping) and not row.get("discounts"):
            loose.append(customer.get("discount"))
        for discount in loose:
            if isinstance(discount, dict) and (coupon := discount.get("coupon")) and coupon["duration"] == "forever":
                asked = [("expand[]", name) for name in _COUPON]
                found = self._remembered(f"/v1/coupons/{quote(coupon['id'], safe='')}", asked)
                discount["coupon"] = {**coupon, **{name: found.get(name) for name in _COUPON}}

    def _remembered(self, path: str, asked: Params) -> Mapping[str, Any]:
        """Prices, products and coupons are few and are asked for once a run; what was deleted says nothing more."""
        if path not in self._known:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            try:
                self._known[path] = self.http.get(path, asked)
            except Refused as error:
                if error.status != 404:
                    raise
                self._known[path] = {}
        return dict(self._known[path])

    def _values(self, row: Mapping[str, Any]) -> dict[str, Any]:
        items = row["items"]["data"]
        licensed = [item for item in items if item["price"]["recurring"].get("usage_type") != "metered"]
        largest = max(items, key=monthly, default=None)
        ends = row.get("ended_at") or row.get("cancel_at")
        periods = [item["current_period_end"] for item in items if item.get("current_period_end")]
        period_end = min(periods, default=row.get("current_period_end"))
        over = row["status"] in ("canceled", "incomplete_expired", "unpaid", "incomplete")
        renews = None if over or row.get("cancel_at_period_end") or not period_end else period_end
        status = {**STATUSES, **self.mapping.get("statuses", {})}.get(row["status"], "suspended")
        starts = self._day(row.get("start_date"))
        ends_on = self._day(ends)
        return {
            "plan": _plan(largest["price"]) if largest else None,
            "status": status,
            "mrr": mrr_of(row),
            "currency": str(row["currency"]).upper(),
            "quantity": sum(item.get("quantity") or 0 for item in licensed) if licensed else None,
            "billing_period": _period(largest["price"]["recurring"]) if largest else None,
            "starts_on": starts,
            "ends_on": max(starts, ends_on) if starts and ends_on else ends_on,
            "trial_starts_on": self._day(row.get("trial_start")),
            "trial_ends_on": self._day(row.get("trial_end")),
            "renews_on": self._day(renews),
            "auto_renew": not (over or row.get("cancel_at_period_end") or row.get("cancel_at")),
        }

    def _day(self, seconds: int | None) -> dt.date | None:
        return None if seconds is None else _instant(seconds).astimezone(self.zone).date()


def _instant(seconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def _touched(thing: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What an event is about: itself, or the customer and the subscription that a discount belongs to."""
    if thing["object"] in ("customer", "subscription"):
        return [(thing["object"], thing["id"])]
    return [(kind, thing[kind]) for kind in ("customer", "subscription") if isinstance(thing.get(kind), str)]


def _parameter(body: Any) -> str:
    return str(((body or {}).get("error") or {}).get("param") or "") if isinstance(body, dict) else ""


def _value(row: Mapping[str, Any], path: str) -> Any:
    """A value by its path; keys of metadata may hold points themselves."""
    first, _, rest = path.partition(".")
    found = row.get(first)
    if rest:
        found = found.get(rest) if isinstance(found, Mapping) else None
    if path == "created" and isinstance(found, int):
        return _instant(found)
    return ";".join(map(str, found)) if isinstance(found, list) else found


def _plan(price: Mapping[str, Any]) -> str:
    return str(price.get("nickname") or price.get("product_name") or price["id"])[:120]


def _period(recurring: Mapping[str, Any]) -> str:
    span = (recurring["interval"], recurring.get("interval_count") or 1)
    known = {("month", 1): "monthly", ("month", 3): "quarterly", ("month", 12): "yearly", ("year", 1): "yearly"}
    return known.get(span, "other")
