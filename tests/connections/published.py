"""What Stripe and HubSpot publish of their answers: the fields of each object, and of which type they are.

Stripe's are those of API version 2025-08-27.basil (the types of stripe-python 12.5.0, which are made of Stripe's
OpenAPI description); HubSpot's those of its OpenAPI descriptions of companies, contacts and properties v3 and of
associations v4. A field is `name:type`, with `?` where it may be null and `~` before it where it may be missing.

An account of our own with either was not at hand. What real servers answer besides is taken, as facts, from answers
that others recorded and published: a `customer.subscription.updated` of version 2025-08-27.basil of September 2025 and
lists of events and customers of 2024 to 2025 (among the fixtures of public projects, Zulip's for one), and notes of
what HubSpot answered to requests of 2024 to 2026. `RECORDED` holds the fields that these have; `test_published`
compares the stand-in with it. They differ from what is published in this: a subscription of one item has its `plan`
and `quantity` too, lists within objects count (`total_count`), HubSpot's records have a `url` and always three
properties, an association's error has neither `errors` nor `links`, and a 429 names no category.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "text": (str,), "whole": (int,), "number": (int, float), "flag": (bool,), "object": (dict,), "list": (list,),
    "text/object": (str, dict), "text/whole": (str, int),
}  # fmt: skip
STRIPE = {
    "list": "object:text data:list has_more:flag url:text ~total_count:whole",
    "customer": """
        id:text object:text address:object? balance:whole created:whole currency:text? default_source:text/object?
        delinquent:flag? description:text? discount:object? email:text? invoice_prefix:text? invoice_settings:object
        livemode:flag metadata:object name:text? next_invoice_sequence:whole phone:text? preferred_locales:list?
        shipping:object? tax_exempt:text? test_clock:text/object? ~cash_balance:object? ~invoice_credit_balance:object
        ~sources:object ~subscriptions:object ~tax:object ~tax_ids:object""",
    "customer deleted": "id:text object:text deleted:flag",
    "subscription": """
        id:text object:text application:text/object? application_fee_percent:number? automatic_tax:object
        billing_cycle_anchor:whole billing_cycle_anchor_config:object? billing_mode:object billing_thresholds:object?
        cancel_at:whole? cancel_at_period_end:flag canceled_at:whole? cancellation_details:object?
        collection_method:text created:whole currency:text customer:text/object days_until_due:whole?
        default_payment_method:text/object? default_source:text/object? default_tax_rates:list? description:text?
        discounts:list ended_at:whole? invoice_settings:object items:object latest_invoice:text/object? livemode:flag
        metadata:object next_pending_invoice_item_invoice:whole? on_behalf_of:text/object? pause_collection:object?
        payment_settings:object? pending_invoice_item_interval:object? pending_setup_intent:text/object?
        pending_update:object? schedule:text/object? start_date:whole status:text test_clock:text/object?
        transfer_data:object? trial_end:whole? trial_settings:object? trial_start:whole? ~plan:object?
        ~quantity:whole?""",
    "subscription_item": """
        id:text object:text billing_thresholds:object? created:whole current_period_end:whole
        current_period_start:whole discounts:list metadata:object plan:object price:object ~quantity:whole
        subscription:text tax_rates:list?""",
    "price": """
        id:text object:text active:flag billing_scheme:text created:whole currency:text custom_unit_amount:object?
        livemode:flag lookup_key:text? metadata:object nickname:text? product:text/object recurring:object?
        tax_behavior:text? tiers_mode:text? transform_quantity:object? type:text unit_amount:whole?
        unit_amount_decimal:text? ~currency_options:object ~tiers:list""",
    "plan": """
        id:text object:text active:flag amount:whole? amount_decimal:text? billing_scheme:text created:whole
        currency:text interval:text interval_count:whole livemode:flag metadata:object? meter:text? nickname:text?
        product:text/object? tiers_mode:text? transform_usage:object? trial_period_days:whole? usage_type:text
        ~tiers:list""",
    "coupon": """
        id:text object:text amount_off:whole? created:whole currency:text? duration:text duration_in_months:whole?
        livemode:flag max_redemptions:whole? metadata:object? name:text? percent_off:number? redeem_by:whole?
        times_redeemed:whole valid:flag ~applies_to:object ~currency_options:object""",
    "discount": """
        id:text object:text checkout_session:text? coupon:object customer:text/object? end:whole? invoice:text?
        invoice_item:text? promotion_code:text/object? start:whole subscription:text? subscription_item:text?""",
    "product": """
        id:text object:text active:flag created:whole default_price:text/object? description:text? images:list
        livemode:flag marketing_features:list metadata:object name:text package_dimensions:object? shippable:flag?
        statement_descriptor:text? tax_code:text/object? ~type:text unit_label:text? updated:whole url:text?""",
    "event": """
        id:text object:text ~account:text api_version:text? ~context:text created:whole data:object livemode:flag
        pending_webhooks:whole request:object? type:text""",
    "error": "type:text ~message:text ~param:text ~code:text ~doc_url:text ~request_log_url:text",
}
CHOICES = {
    ("subscription", "status"): "active canceled incomplete incomplete_expired past_due paused trialing unpaid",
    ("coupon", "duration"): "forever once repeating",
    ("price", "billing_scheme"): "per_unit tiered",
    ("price", "type"): "one_time recurring",
    ("plan", "interval"): "day month week year",
    ("plan", "usage_type"): "licensed metered",
}
HUBSPOT = {
    "collection": "results:list ~paging:object ~total:whole",
    "record": """
        id:text properties:object createdAt:text updatedAt:text ~archived:flag ~archivedAt:text
        ~propertiesWithHistory:object ~associations:object ~objectWriteTraceId:text ~url:text""",
    "next": "after:text ~link:text",
    "property": """
        name:text label:text type:text fieldType:text groupName:text description:text options:list ~hidden:flag
        ~hubspotDefined:flag ~calculated:flag ~archived:flag ~displayOrder:whole ~formField:flag ~hasUniqueValue:flag
        ~externalOptions:flag ~modificationMetadata:object""",
    "batch": """
        status:text results:list startedAt:text completedAt:text ~requestedAt:text ~links:object ~numErrors:whole
        ~errors:list""",
    "associations": "from:object to:list ~paging:object",
    "associated": "toObjectId:text/whole associationTypes:list",
    "kind": "category:text typeId:whole label:text?",
    "batch error": """
        status:text category:text message:text context:object ~errors:list ~links:object ~subCategory:text ~id:text""",
    "error": """
        message:text correlationId:text ~category:text ~status:text ~subCategory:text ~context:object ~links:object
        ~errors:list ~errorType:text ~policyName:text ~groupName:text""",
}
# What recorded answers have (see above), by the object; nothing is said of fields that are null there.
RECORDED = {
    "subscription": """
        application application_fee_percent automatic_tax billing_cycle_anchor billing_cycle_anchor_config billing_mode
        billing_thresholds cancel_at cancel_at_period_end canceled_at cancellation_details collection_method created
        currency customer days_until_due default_payment_method default_source default_tax_rates description discounts
        ended_at id invoice_settings items latest_invoice livemode metadata next_pending_invoice_item_invoice object
        on_behalf_of pause_collection payment_settings pending_invoice_item_interval pending_setup_intent pending_update
        plan quantity schedule start_date status test_clock transfer_data trial_end trial_settings trial_start""",
    "items": "object data has_more total_count url",
    "subscription_item": """
        billing_thresholds created current_period_end current_period_start discounts id metadata object plan price
        quantity subscription tax_rates""",
    "price": """
        active billing_scheme created currency custom_unit_amount id livemode lookup_key metadata nickname object
        product recurring tax_behavior tiers_mode transform_quantity type unit_amount unit_amount_decimal""",
    "recurring": "interval interval_count meter trial_period_days usage_type",
    "plan": """
        active amount amount_decimal billing_scheme created currency id interval interval_count livemode metadata meter
        nickname object product tiers_mode transform_usage trial_period_days usage_type""",
    "customer": """
        address balance created currency default_source delinquent description discount email id invoice_prefix
        invoice_settings livemode metadata name next_invoice_sequence object phone preferred_locales shipping
        tax_exempt test_clock""",
    "event": "api_version created data id livemode object pending_webhooks request type",
    "resource_missing": "code doc_url message param request_log_url type",
    "record": "archived createdAt id properties updatedAt url",
    "company": "createdate hs_lastmodifieddate hs_object_id",
    "contact": "createdate hs_object_id lastmodifieddate",
    "batch": "completedAt errors numErrors results startedAt status",
    "batch error": "category context message status subCategory",
    "next": "after link",
    "too many": "correlationId errorType groupName message policyName status",
    "unauthorised": "category correlationId message status",
}  # fmt: skip
_FIELD = re.compile(r"(~?)(\w+):([a-z/]+)(\??)")


def differences(path: str, status: int, body: Any) -> list[str]:
    """Where an answer is not as published."""
    found = _stripe(body) if path.startswith("/v1/") else _hubspot(path, status, body)
    return [f"{path}: {text}" for text in found]


def _compare(name: str, fields: str, given: Any) -> Iterator[str]:
    if not isinstance(given, dict):
        yield f"{name} is not an object"
        return
    known = {field: (may_miss, kind, may_be_null) for may_miss, field, kind, may_be_null in _FIELD.findall(fields)}
    for field in given.keys() - known.keys():
        yield f"{name} has no field {field}"
    for field, (may_miss, kind, may_be_null) in known.items():
        if field not in given:
            if not may_miss:
                yield f"{name} lacks {field}"
            continue
        value = given[field]
        fits = isinstance(value, _TYPES[kind]) and (kind == "flag" or not isinstance(value, bool))
        allowed = CHOICES.get((name, field))
        if not (fits or value is None and may_be_null) or allowed and value not in allowed.split():
            yield f"{name}.{field} is {value!r}"


def _stripe(body: Any) -> Iterator[str]:
    """Every object within an answer; those within an event are of the version of the account."""
    if isinstance(body, list):
        for one in body:
            yield from _stripe(one)
    if not isinstance(body, Mapping):
        return
    if "error" in body:
        yield from _compare("error", STRIPE["error"], body["error"])
        return
    name = str(body.get("object") or "")
    if name in STRIPE:
        yield from _compare(name, STRIPE["customer deleted" if body.get("deleted") else name], body)
    if name != "event":
        for value in body.values():
            yield from _stripe(value)


def _hubspot(path: str, status: int, body: dict[str, Any]) -> Iterator[str]:
    if status >= 400:
        yield from _compare("error", HUBSPOT["error"], body)
    elif "/associations/" in path:
        yield from _compare("batch", HUBSPOT["batch"], body)
        for one in body["results"]:
            yield from _compare("associations", HUBSPOT["associations"], one)
            yield from _next(one)
            for to in one["to"]:
                yield from _compare("associated", HUBSPOT["associated"], to)
                for kind in to["associationTypes"]:
                    yield from _compare("kind", HUBSPOT["kind"], kind)
        for error in body.get("errors", []):
            yield from _compare("batch error", HUBSPOT["batch error"], error)
    else:
        kind = "property" if "/properties/" in path else "record"
        yield from _compare("collection", HUBSPOT["collection"], body)
        yield from _next(body)
        for one in body["results"]:
            yield from _compare(kind, HUBSPOT[kind], one)
            values = one.get("properties", {}).items()
            yield from (f"{name} is {value!r}" for name, value in values if not isinstance(value, str | None))


def _next(body: dict[str, Any]) -> Iterator[str]:
    if "paging" in body:
        yield from _compare("next", HUBSPOT["next"], body["paging"].get("next"))
