"""A CRM that was read once, for the pages about connections; it is off, so that nobody is asked for anything."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from core.clock import Moment
from integrations.connections.applying import Applier
from integrations.connections.mapping import mapping_of
from integrations.connections.records import Page, Record
from integrations.connections.secrets import PREFIX
from integrations.demo.company import Customer
from integrations.models import Connection, ConnectionLink, ConnectionRun

NAME, COMPANIES = "HubSpot", 30
STRANGER = ("Norrholm Timber", "norrholm-timber.example")  # a company there that is no account here


def connect_crm(customers: Sequence[Customer], author: Any, present: Moment) -> None:
    """Companies that were found by their domains, and one that waits to be matched by hand; written once."""
    if Connection.objects.exists():
        return
    at = present.now - dt.timedelta(hours=3)
    crm = Connection.objects.create(
        kind=Connection.Kind.HUBSPOT, name=NAME, secret_env=f"{PREFIX}HUBSPOT", active=False, since=at, full_at=at,
        checked_at=at, author=author,
    )  # fmt: skip
    run = ConnectionRun.objects.create(
        connection=crm, trigger=ConnectionRun.Trigger.HAND, full=True, state=ConnectionRun.State.RUNNING,
        created_at=at, started_at=at,
    )  # fmt: skip
    told = [(one.name, one.domain, {"industry": one.industry}) for one in customers[:COMPANIES]]
    told.append((*STRANGER, {}))
    page = Page(
        [
            Record(ConnectionLink.Kind.COMPANY, str(9_000 + place), name, values, at=at, domain=domain)
            for place, (name, domain, values) in enumerate(told)
        ],
        next=None,
    )
    counts = Applier(run, mapping_of(crm), present).apply(page)
    run.read, run.updated, run.unmatched = counts.read, counts.updated, counts.unmatched
    run.unchanged = run.read - run.updated - run.unmatched
    run.state, run.finished_at = ConnectionRun.State.DONE, at + dt.timedelta(seconds=4)
    run.save()
