"""The manual's page about the ready-made alert rules, written from the figures."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from alerts.stock import STOCK
from health.stock import DEFAULT

HEAD = """# Alert quality: how the ready-made rules did

This page is written by `make alert-quality DATA=<folder of the data sets>`, which measures everything on it in one run and needs
the two real data sets.

**How it is measured.** Each history is loaded week by week through the usual load path, and after each week the usual refresh
runs, and raises alerts, with its clock set to that week's last evening. What happened later is not in the database, so an alert
is what a customer-success manager would have seen then. The rules are those of `alerts/stock.py` as they are, with the ready-made
health config; they were fixed in advance and are fitted to neither history. They are saved before the first week. Nobody closes
an alert, and every account counts as live, which neither data set says of all of them.

An alert is **judged** if its horizon is over and its account was there to lose: with a running subscription that is no trial, or
seen within 180 days. It is **right** if the account is lost after it, within the horizon; **precision** is the share of the right
ones among the judged. The **base rate** is that share among all weeks of all accounts that were there to lose: a rule that draws
its accounts by chance has it as its precision. Beside it stands that share among the weeks of accounts that had an event within 30
days: an alert opens when something begins, and says what was not plain before. **Lead time** is the median number of days from a
right alert to the loss. **Caught** are the losses that had an alert within the horizon before. A rule that raises no alert here asks
for something that the data set does not have: a renewal, a stage, a trial, licences with the people who use them.
"""
WHAT = {
    "openstack-nova": "An account is lost on the day on which 180 days without any event are complete; the horizon is"
    " 180 days. So an alert about an account that falls silent is right if the silence lasts. The base rate counts every"
    " week of a silence until it is complete (weeks in which nobody needs to be told any more), an alert only the week in"
    " which it begins; so the rate that an alert is to be held against is that of accounts in use. “Usage halved” opens"
    " while there still is use, months before a silence can be complete.",
    "ravenstack": "An account is lost on the day of its churn event; the horizon is 90 days. This history is invented, and"
    " its usage seems to be drawn without regard to who leaves (see [foresight.md](foresight.md)): no rule can do better"
    " than the base rate, and none does by more than chance.",
}


def measured_rules() -> str:
    """The line that names the rules that were measured, and the health that one of them reads, so that a page of other
    ones can be told (SHA-256, 12 digits)."""
    rules = [[one.name, one.condition, one.clear, one.times] for one in STOCK]
    text = json.dumps([rules, DEFAULT], sort_keys=True, ensure_ascii=False)
    return f"The rules that were measured have the digest `{hashlib.sha256(text.encode()).hexdigest()[:12]}`."


def write(found: dict[str, Any]) -> str:
    """The whole page."""
    return "\n".join([HEAD, measured_rules(), "", *(_section(name, one) for name, one in found.items())])


def _section(name: str, one: dict[str, Any]) -> str:
    rows = [*one["rules"].items(), ("All of them", one["together"])]
    lines = [
        f"## {one['title'].partition(':')[0]}", "", WHAT[name], "",
        f"{one['accounts']:,} accounts over {one['weeks']:,} weeks from {one['first']} to {one['last']},"
        f" {one['losses']:,} losses. Base rate: {_percent(one['base'])},"
        f" of accounts in use {_percent(one['base_in_use'])}.", "",
        "| Rule | Alerts | Judged | Right | Precision | Lead time | Caught |", "|---|---|---|---|---|---|---|",
        *(
            f"| {label} | {row['alerts']:,} | {row['judged']:,} | {row['right']:,} | {_percent(row['precision'])}"
            f" | {_days(row['lead_days'])} | {row['caught']:,} of {one['losses']:,} |"
            for label, row in rows
        ),
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def _days(value: float | None) -> str:
    return "–" if value is None else f"{value:g} days"
