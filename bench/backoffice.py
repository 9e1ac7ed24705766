"""What the Django admin costs on the server: every list, its search, and the form of one record."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from statistics import median
from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.test import RequestFactory
from django.urls import reverse

from bench.asking import Ask, asked_in_turn, signed_in
from bench.listing import prepare

GOAL_MS = 1_000  # people wait for a list of the back office as for any page; the whole of it, nothing kept from before


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Ask for every page in turn; milliseconds of the whole view, the slowest pages first."""
    prepare(asked)
    client = signed_in()
    addresses = dict(_pages(get_user_model().objects.get(username="bench")))
    times, _, notes = asked_in_turn({name: _asking(one) for name, one in addresses.items()}, client, asked.rounds)
    slowest = sorted(times, key=lambda name: -median(times[name]))
    return {
        "measured": "admin",
        "accounts": asked.accounts,
        "pages": len(addresses),
        "p50_ms": round(median(one for values in times.values() for one in values), 1),
        "slowest_ms": round(median(times[slowest[0]]), 1),
        "goal_slowest_ms": GOAL_MS,
        "slowest": {
            name: {
                "ms": round(median(times[name]), 1),
                "statements": notes[name].number,
                "slowest_statement_ms": round(notes[name].slowest, 1),
                "slowest_statement": notes[name].text[:200],
            }
            for name in slowest[:10]
        },
    }


def _asking(address: str) -> Ask:
    return lambda client: client.get(address, secure=True, follow=True)  # what exists once has no list


def _pages(person: User) -> Iterator[tuple[str, str]]:
    """Name and address of every list, of its search where it has one, and of the form of its newest record."""
    request = RequestFactory().get("/admin/")
    request.user = person
    for model, shown in admin.site._registry.items():
        if not shown.has_view_permission(request):
            continue
        label = f"{model._meta.app_label}_{model._meta.model_name}"
        address = reverse(f"admin:{label}_changelist")
        yield label, address
        if shown.search_fields:
            yield f"{label}, search", f"{address}?q=labs"
        newest = model._default_manager.order_by("-pk").values_list("pk", flat=True).first()
        if newest is not None and shown.has_change_permission(request):
            yield f"{label}, form", reverse(f"admin:{label}_change", args=[newest])
