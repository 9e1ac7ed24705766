"""Stripe's side of the stand-in: customers, subscriptions, events, prices and products as the API gives them."""

from __future__ import annotations

import copy
from typing import Any

KEY = "sk_test_standin_0001"
NOW = 1_795_600_000  # 2026-11-25, in seconds
MONTH = 2_592_000
Asked = list[tuple[str, str]]
Answer = tuple[int, Any]


def price(id_: str = "price_1", amount: int | None = 5_000, interval: str = "month", **more: Any) -> dict[str, Any]:
    """A recurring, licensed price in dollars."""
    recurring = {
        "interval": interval,
        "interval_count": more.pop("count", 1),
        "usage_type": more.pop("usage", "licensed"),
    }
    found = {
        "id": id_, "object": "price", "active": True, "billing_scheme": "per_unit", "currency": "usd",
        "nickname": None, "product": "prod_1", "recurring": recurring, "tiers_mode": None, "transform_quantity": None,
        "type": "recurring", "unit_amount": amount, "unit_amount_decimal": None if amount is None else str(amount),
    }  # fmt: skip
    return found | more


def item(
    of: dict[str, Any], quantity: int | None = 1, discounts: list[Any] | None = None, **more: Any
) -> dict[str, Any]:
    """A subscription's item."""
    found = {"id": f"si_{of['id']}", "object": "subscription_item", "price": of, "discounts": discounts or []}
    found |= {"current_period_start": NOW, "current_period_end": NOW + MONTH}
    return found | ({} if quantity is None else {"quantity": quantity}) | more


def discount(duration: str = "forever", **coupon: Any) -> dict[str, Any]:
    """A discount with its coupon, as it stands in the pinned version."""
    whole = {"id": "co", "object": "coupon", "duration": duration, "percent_off": None, "amount_off": None} | coupon
    return {"id": "di_1", "object": "discount", "coupon": whole, "start": NOW, "end": None}


def subscription(id_: str, customer: str, *items: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An active subscription that began a month ago."""
    found = {
        "id": id_, "object": "subscription", "customer": customer, "status": "active", "currency": "usd",
        "created": NOW - MONTH, "start_date": NOW - MONTH, "cancel_at": None, "cancel_at_period_end": False,
        "canceled_at": None, "ended_at": None, "trial_start": None, "trial_end": None, "discounts": [],
        "pause_collection": None, "metadata": {},
        "items": {"object": "list", "data": list(items or (item(price()),)), "has_more": False},
    }  # fmt: skip
    return found | more


def customer(id_: str, **more: Any) -> dict[str, Any]:
    """A customer."""
    found = {
        "id": id_, "object": "customer", "name": f"Customer {id_}", "email": f"billing@{id_.replace('_', '-')}.example",
        "phone": None, "description": None, "address": None, "currency": "usd", "delinquent": False, "balance": 0,
        "created": NOW - MONTH, "metadata": {}, "discount": None,
    }  # fmt: skip
    return found | more


class Side:
    """The objects by id, oldest first, and the events about them."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Any]] = {"customers": {}, "subscriptions": {}, "prices": {}, "events": {}}
        self.tables |= {"products": {"prod_1": {"id": "prod_1", "object": "product", "name": "Growth"}}}
        self.tables["coupons"] = {}
        self.deleted: set[str] = set()
        self.clock = NOW

    def put(self, *things: dict[str, Any]) -> None:
        """Make or change objects, with an event each."""
        for thing in things:
            table = self.tables[thing["object"] + "s"]
            verb = "updated" if thing["id"] in table else "created"
            table[thing["id"]] = thing
            for one in (thing.get("items") or {}).get("data", []):
                self.tables["prices"][one["price"]["id"]] = one["price"]
            name = {"customer": "customer", "subscription": "customer.subscription"}.get(thing["object"])
            if name:
                self.event(f"{name}.{verb}", thing)

    def drop(self, id_: str) -> None:
        """Delete a customer."""
        gone = self.tables["customers"].pop(id_)
        self.deleted.add(id_)
        self.event("customer.deleted", gone)

    def event(self, type_: str, thing: dict[str, Any]) -> None:
        """Something happened, one second after the last thing."""
        self.clock += 1
        id_ = f"evt_{self.clock}"
        snapshot = copy.deepcopy(thing)
        self.tables["events"][id_] = {
            "id": id_, "object": "event", "type": type_, "created": self.clock, "api_version": "2020-08-27",
            "data": {"object": snapshot},
        }  # fmt: skip

    def answer(self, method: str, path: str, asked: Asked, body: Any, headers: dict[str, str]) -> Answer:
        """What Stripe would say."""
        if headers.get("Authorization") != f"Bearer {KEY}":
            return 401, _error("Invalid API Key provided: ****")
        if not headers.get("Stripe-Version", "").startswith("20"):
            return 400, _error("No version")
        parts = path.removeprefix("/v1/").split("/")
        given = dict(asked)
        expand = [value for name, value in asked if name.startswith("expand[")]
        if any(name.count(".") > 3 for name in expand):
            return 400, _error("You cannot expand more than 4 levels of a property.")
        if method != "GET" or parts[0] not in self.tables:
            return 404, _error("Unrecognized request URL")
        if len(parts) == 2:
            return self._one(parts[0], parts[1], expand)
        return self._list(parts[0], asked, given, expand)

    def _one(self, name: str, id_: str, expand: list[str]) -> Answer:
        if name == "customers" and id_ in self.deleted:
            return 200, {"id": id_, "object": "customer", "deleted": True}
        if id_ not in self.tables[name]:
            return 404, _error(f"No such {name[:-1]}: '{id_}'", "id")
        return 200, self._shown(self.tables[name][id_], expand)

    def _list(self, name: str, asked: Asked, given: dict[str, str], expand: list[str]) -> Answer:
        rows = [row for row in reversed(self.tables[name].values())]
        if name == "subscriptions" and given.get("status") != "all":
            rows = [row for row in rows if row["status"] not in ("canceled", "incomplete_expired")]
        if "created[gte]" in given:
            rows = [row for row in rows if row["created"] >= int(given["created[gte]"])]
        types = [value for key, value in asked if key.startswith("types[")]
        if types:
            rows = [row for row in rows if row["type"] in types]
        if after := given.get("starting_after"):
            ids = [row["id"] for row in rows]
            if after not in ids:
                return 400, _error(f"No such {name[:-1]}: '{after}'", "starting_after")
            rows = rows[ids.index(after) + 1 :]
        limit = int(given.get("limit", 10))
        inner = [path.removeprefix("data.") for path in expand]
        shown = [self._shown(row, inner) for row in rows[:limit]]
        return 200, {"object": "list", "url": f"/v1/{name}", "has_more": len(rows) > limit, "data": shown}

    def _shown(self, thing: dict[str, Any], expand: list[str]) -> dict[str, Any]:
        """The object with what is expanded in full, and the rest by id."""
        found = copy.deepcopy(thing)
        if found["object"] == "subscription":
            if "customer" in expand:
                id_ = found["customer"]
                whole = self.tables["customers"].get(id_)
                found["customer"] = (
                    copy.deepcopy(whole) if whole else {"id": id_, "object": "customer", "deleted": True}
                )
            if "discounts" not in expand:
                found["discounts"] = [one["id"] for one in found["discounts"]]
            for one in found["items"]["data"]:
                one["price"].pop("tiers", None)  # five levels deep in a list, so it can only be asked for by itself
                if "items.data.discounts" not in expand:
                    one["discounts"] = [each["id"] for each in one["discounts"]]
        if found["object"] == "price" and "tiers" not in expand:
            found.pop("tiers", None)
        return found


def _error(message: str, param: str | None = None) -> dict[str, Any]:
    return {"error": {"type": "invalid_request_error", "message": message, "param": param}}
