"""Stripe's side of the stand-in: customers, subscriptions, events, prices, products and coupons as the API gives them.

The fields of each object are all those that Stripe publishes for the pinned version, and those that answers recorded by
others have besides; `published.py` compares every answer with them and says where they come from. What can be expanded
is not there until it is asked for.
"""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any

KEY = "sk_test_standin_0001"
NOW = 1_795_600_000  # 2026-11-25, in seconds
MONTH = 2_592_000
MOST_INSIDE = 10  # rows of a list that stands in an object
MOST_TYPES = 20
EVENT_TYPES = {
    f"customer.{name}"
    for name in (
        "created", "deleted", "updated", "discount.created", "discount.deleted", "discount.updated", "source.created",
        "source.deleted", "source.expiring", "source.updated", "subscription.created", "subscription.deleted",
        "subscription.paused", "subscription.pending_update_applied", "subscription.pending_update_expired",
        "subscription.resumed", "subscription.trial_will_end", "subscription.updated", "tax_id.created",
        "tax_id.deleted", "tax_id.updated",
    )
}  # fmt: skip
ON_DEMAND = {"coupon": ("applies_to", "currency_options"), "price": ("tiers", "currency_options")}
Asked = list[tuple[str, str]]
Answer = tuple[int, Any]


def price(id_: str = "price_1", amount: int | None = 5_000, interval: str = "month", **more: Any) -> dict[str, Any]:
    """A recurring, licensed price in dollars."""
    recurring = {
        "interval": interval,
        "interval_count": more.pop("count", 1),
        "meter": None,
        "trial_period_days": None,
        "usage_type": more.pop("usage", "licensed"),
    }
    found = {
        "id": id_, "object": "price", "active": True, "billing_scheme": "per_unit", "created": NOW, "currency": "usd",
        "custom_unit_amount": None, "livemode": True, "lookup_key": None, "metadata": {}, "nickname": None,
        "product": "prod_1", "recurring": recurring, "tax_behavior": "unspecified", "tiers_mode": None,
        "transform_quantity": None, "type": "recurring", "unit_amount": amount,
        "unit_amount_decimal": None if amount is None else str(amount),
    }  # fmt: skip
    return found | more


def item(
    of: dict[str, Any], quantity: int | None = 1, discounts: list[Any] | None = None, **more: Any
) -> dict[str, Any]:
    """A subscription's item."""
    found = {
        "id": f"si_{of['id']}", "object": "subscription_item", "billing_thresholds": None, "created": NOW,
        "current_period_start": NOW, "current_period_end": NOW + MONTH, "discounts": discounts or [], "metadata": {},
        "plan": _plan(of), "price": of, "subscription": "sub", "tax_rates": [],
    }  # fmt: skip
    return found | ({} if quantity is None else {"quantity": quantity}) | more


def _plan(of: dict[str, Any]) -> dict[str, Any]:
    """The older form of a price, which comes along with it."""
    recurring = of["recurring"]
    return {
        "id": of["id"], "object": "plan", "active": True, "amount": of["unit_amount"],
        "amount_decimal": of["unit_amount_decimal"], "billing_scheme": of["billing_scheme"], "created": NOW,
        "currency": of["currency"], "interval": recurring["interval"], "interval_count": recurring["interval_count"],
        "livemode": True, "metadata": {}, "meter": None, "nickname": of["nickname"], "product": of["product"],
        "tiers_mode": of["tiers_mode"], "transform_usage": None, "trial_period_days": None,
        "usage_type": recurring["usage_type"],
    }  # fmt: skip


def discount(duration: str = "forever", **coupon: Any) -> dict[str, Any]:
    """A discount with its coupon, as it stands in the pinned version."""
    said = hashlib.sha256(json.dumps([duration, coupon]).encode()).hexdigest()[:8]
    whole = {
        "id": f"co_{said}", "object": "coupon", "amount_off": None, "created": NOW, "currency": None,
        "duration": duration, "duration_in_months": 3 if duration == "repeating" else None, "livemode": True,
        "max_redemptions": None, "metadata": {}, "name": None, "percent_off": None, "redeem_by": None,
        "times_redeemed": 1, "valid": True,
    }  # fmt: skip
    return {
        "id": f"di_{said}", "object": "discount", "checkout_session": None, "coupon": whole | coupon, "customer": None,
        "end": None, "invoice": None, "invoice_item": None, "promotion_code": None, "start": NOW, "subscription": None,
        "subscription_item": None,
    }  # fmt: skip


def subscription(id_: str, customer: str, *items: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An active subscription that began a month ago."""
    rows = [row | {"subscription": id_} for row in items or (item(price()),)]
    found = {
        "id": id_, "object": "subscription", "application": None, "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": NOW - MONTH, "billing_cycle_anchor_config": None,
        "billing_mode": {"flexible": None, "type": "classic"}, "billing_thresholds": None, "cancel_at": None,
        "cancel_at_period_end": False, "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically", "created": NOW - MONTH, "currency": "usd", "customer": customer,
        "days_until_due": None, "default_payment_method": None, "default_source": None, "default_tax_rates": [],
        "description": None, "discounts": [], "ended_at": None,
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": {
            "object": "list", "data": rows, "has_more": False, "total_count": len(rows),
            "url": f"/v1/subscription_items?subscription={id_}",
        },
        "latest_invoice": None, "livemode": True, "metadata": {}, "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None, "pause_collection": None, "payment_settings": None,
        "pending_invoice_item_interval": None, "pending_setup_intent": None, "pending_update": None, "schedule": None,
        "start_date": NOW - MONTH, "status": "active", "test_clock": None, "transfer_data": None, "trial_end": None,
        "trial_settings": None, "trial_start": None,
    }  # fmt: skip
    if len(rows) == 1:  # the older form of a subscription, which comes along where it can
        found |= {"plan": rows[0]["plan"], "quantity": rows[0].get("quantity")}
    return found | more


def customer(id_: str, **more: Any) -> dict[str, Any]:
    """A customer."""
    found = {
        "id": id_, "object": "customer", "address": None, "balance": 0, "created": NOW - MONTH, "currency": "usd",
        "default_source": None, "delinquent": False, "description": None, "discount": None,
        "email": f"billing@{id_.replace('_', '-')}.example", "invoice_prefix": "A1B2C3D4", "invoice_settings": {},
        "livemode": True, "metadata": {}, "name": f"Customer {id_}", "next_invoice_sequence": 1, "phone": None,
        "preferred_locales": [], "shipping": None, "tax_exempt": "none", "test_clock": None,
    }  # fmt: skip
    return found | more


class Side:
    """The objects by id, oldest first, and the events about them."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Any]] = {"customers": {}, "subscriptions": {}, "prices": {}, "events": {}}
        self.tables |= {"products": {"prod_1": _product("prod_1", "Growth")}, "coupons": {}}
        self.deleted: set[str] = set()
        self.clock = NOW

    def put(self, *things: dict[str, Any]) -> None:
        """Make or change objects, with an event each."""
        for thing in things:
            table = self.tables[thing["object"] + "s"]
            verb = "updated" if thing["id"] in table else "created"
            table[thing["id"]] = thing
            rows = (thing.get("items") or {}).get("data", [])
            for one in rows:
                self.tables["prices"][one["price"]["id"]] = one["price"]
            for holder in (thing, *rows):
                for given in (*(holder.get("discounts") or []), holder.get("discount")):
                    if given and "coupon" in given:
                        self.tables["coupons"][given["coupon"]["id"]] = given["coupon"]
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
        data = {"object": copy.deepcopy(thing)} | ({"previous_attributes": {}} if type_.endswith(".updated") else {})
        self.tables["events"][id_] = {
            "id": id_, "object": "event", "type": type_, "created": self.clock, "api_version": "2020-08-27",
            "data": data, "livemode": True, "pending_webhooks": 0,
            "request": {"id": None, "idempotency_key": None},
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
        if method != "GET" or parts[0] not in (*self.tables, "subscription_items"):
            return 404, _error("Unrecognized request URL")
        types = [value for name, value in asked if name.startswith("types[")]
        if set(types) - EVENT_TYPES or len(types) > MOST_TYPES:
            return 400, _error("These are not at most 20 types of events.", "types")
        if not 1 <= int(given.get("limit", 10)) <= 100:
            return 400, _error("This value must be between 1 and 100.", "limit")
        if len(parts) == 2:
            return self._one(parts[0], parts[1], expand)
        return self._list(parts[0], asked, given, expand)

    def _one(self, name: str, id_: str, expand: list[str]) -> Answer:
        if name == "customers" and id_ in self.deleted:
            return 200, {"id": id_, "object": "customer", "deleted": True}
        if id_ not in self.tables[name]:
            return 404, _error(f"No such {name[:-1]}: '{id_}'", "id", "resource_missing")
        return 200, self._shown(self.tables[name][id_], expand)

    def _list(self, name: str, asked: Asked, given: dict[str, str], expand: list[str]) -> Answer:
        if name == "subscription_items":
            rows = list(self.tables["subscriptions"][given["subscription"]]["items"]["data"])
        else:
            rows = list(reversed(self.tables[name].values()))
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
                return 400, _error(f"No such {name[:-1]}: '{after}'", "starting_after", "resource_missing")
            rows = rows[ids.index(after) + 1 :]
        limit = int(given.get("limit", 10))
        inner = [path.removeprefix("data.") for path in expand]
        shown = [self._shown(row, inner) for row in rows[:limit]]
        return 200, {"object": "list", "url": f"/v1/{name}", "has_more": len(rows) > limit, "data": shown}

    def _shown(self, thing: dict[str, Any], expand: list[str]) -> dict[str, Any]:
        """The object with what is expanded in full, and the rest by id."""
        found: dict[str, Any] = copy.deepcopy(thing)
        if found["object"] == "subscription":
            if "customer" in expand:
                id_ = found["customer"]
                whole = self.tables["customers"].get(id_)
                found["customer"] = (
                    copy.deepcopy(whole) if whole else {"id": id_, "object": "customer", "deleted": True}
                )
            if not any(path.split(".")[0] == "discounts" for path in expand):
                found["discounts"] = [one["id"] for one in found["discounts"]]
            if "items.data.discounts" not in expand:
                for one in found["items"]["data"]:
                    one["discounts"] = [each["id"] for each in one["discounts"]]
            found["items"]["has_more"] = len(found["items"]["data"]) > MOST_INSIDE
            del found["items"]["data"][MOST_INSIDE:]
        if found["object"] == "subscription_item" and "discounts" not in expand:
            found["discounts"] = [each["id"] for each in found["discounts"]]
        _hide(found, "", {path for path in expand})
        return found


def _hide(thing: Any, path: str, expand: set[str]) -> None:
    """Leave out of an object, and of those in it, what was not asked for by its path."""
    if isinstance(thing, list):
        for one in thing:
            _hide(one, path, expand)
    if not isinstance(thing, dict):
        return
    for name in ON_DEMAND.get(str(thing.get("object")), ()):
        if f"{path}{name}" not in expand:
            thing.pop(name, None)
    for name, value in thing.items():
        _hide(value, f"{path}{name}.", expand)


def _product(id_: str, name: str) -> dict[str, Any]:
    return {
        "id": id_, "object": "product", "active": True, "created": NOW, "default_price": None, "description": None,
        "images": [], "livemode": True, "marketing_features": [], "metadata": {}, "name": name,
        "package_dimensions": None, "shippable": None, "statement_descriptor": None, "tax_code": None,
        "type": "service", "unit_label": None, "updated": NOW, "url": None,
    }  # fmt: skip


def _error(message: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    told: dict[str, Any] = {"message": message, "type": "invalid_request_error"}
    if param or code:
        told["request_log_url"] = "https://dashboard.stripe.com/acct_1/test/workbench/logs?object=req_1"
    if param:
        told["param"] = param
    if code:
        told |= {"code": code, "doc_url": f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"}
    return {"error": told}
