"""A data set in the database for a whole module, taken back at its end, and questions at a frozen moment."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction

from accounts.billing import roll_up_billing
from core.clock import moment
from segments.questions import Reader
from tests.integrations.reading import data_set, run
from usage.metrics import refresh_metrics

TABLES = (
    "accounts_account", "accounts_enduser", "accounts_relationship", "accounts_subscription",
    "accounts_attributechange", "usage_event", "usage_dailyusage", "usage_useractivity", "usage_accountusage",
)  # fmt: skip


@contextmanager
def loaded(name: str, now: dt.datetime) -> Iterator[None]:
    """Load a data set by its command, with the figures as they were at `now`."""
    with transaction.atomic():
        run("load_dataset", name, data_set(name))
        refigure(now)
        with connection.cursor() as cursor:
            # Once, not after each test again; and plans of today, not of what earlier tests left in the statistics.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED; ANALYZE")
        yield
        transaction.set_rollback(True)


def refigure(now: dt.datetime) -> None:
    """Bring billing and usage figures to a moment."""
    roll_up_billing(moment(now))
    refresh_metrics(moment(now))


def fingerprint() -> dict[str, str]:
    """What stands in every table, to the last byte."""
    found = {}
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT count(*) || md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t")
            found[table] = cursor.fetchone()[0]
    return found


def ask(now: dt.datetime, *rules: dict[str, Any], match: str = "all") -> set[str]:
    """The external ids of the accounts that a rule matches at a moment."""
    question = Reader.now(moment(now)).read({"match": match, "rules": list(rules)})
    return set(question.accounts().values_list("external_id", flat=True))


def condition(field: str, op: str, value: Any = None) -> dict[str, Any]:
    """One comparison."""
    return {"field": field, "op": op} | ({} if value is None else {"value": value})
