"""What the pages of health cost on the server: Portfolio, Health 360, an account's health, with half a year behind them."""

from __future__ import annotations

import argparse
import datetime as dt
import json
from collections.abc import Callable
from statistics import median, quantiles
from typing import Any

from django.db import connection
from django.http import HttpResponse
from django.test import Client

from accounts.models import Account, TeamMember
from accounts.mrr_history import keep_mrr
from alerts.editing import save_alert_rule
from alerts.models import Task
from alerts.raising import raise_alerts
from bench import data
from bench.asking import asked_in_turn, signed_in, summary
from bench.listing import company
from bench.questions import all_, is_
from core.clock import Moment, moment
from health.editing import override_health, save_config, take_pulse
from health.mixes import MOST_DAYS, keep_mixes
from health.models import HealthConfig
from health.refresh import refresh_health
from health.stock import DEFAULT, ONBOARDING, STRATEGIC
from segments.models import Segment
from segments.refresh import refresh_due

GOAL_MS = 300  # of each page that is not about all accounts, at the 95th percentile
DAYS_AGO = (182, 120, 60, 31, 8, 3, 1, 0)  # of the scorings, oldest first
OF_SEGMENTS = (ONBOARDING, STRATEGIC)
TASKS, BY_HAND = 20_000, 60
PART = {"HX-Request": "true"}
# Half a year of refreshes would have kept the mixes of every day; here earlier days have those of the last two weeks.
_COLUMNS = "segment_id, config_id, good, average, poor, none, scored, score, good_mrr, average_mrr, poor_mrr, none_mrr"
_EARLIER = f"""
INSERT INTO health_healthmix (day, {_COLUMNS})
SELECT day - %(step)s * back, {_COLUMNS} FROM health_healthmix, generate_series(1, %(times)s) AS back
ON CONFLICT DO NOTHING
"""
Ask = Callable[[Client], HttpResponse]


def prepare(asked: argparse.Namespace) -> None:
    """The company with three configs, scores of half a year in which some changed, tasks, alerts and words of people."""
    company(asked)
    with connection.cursor() as cursor:  # nobody came into a segment only today
        cursor.execute("UPDATE segments_accountmembership SET entered_at = entered_at - interval '200 days'")
    present = moment()
    for segment, definition in zip(Segment.objects.order_by("position")[1:3], OF_SEGMENTS, strict=True):
        save_config(None, name=segment.name, segment=segment, definition=definition)
    save_config(None, name="", definition=DEFAULT)
    keep_mrr(present)
    for number, back in enumerate(DAYS_AGO):
        if number:
            data.change(number)
        refresh_health(now=Moment(present.now - dt.timedelta(days=back), present.zone))
    keep_mixes(present)
    _work(present)
    with connection.cursor() as cursor:
        cursor.execute(_EARLIER, {"step": MOST_DAYS, "times": DAYS_AGO[0] // MOST_DAYS})
        cursor.execute("VACUUM ANALYZE")


def _work(now: Moment) -> None:
    """What colleagues have to do and what they said."""
    poor = all_(is_("health.band", "is", "poor"), is_("account.mrr", "at_least", 15_000))
    save_alert_rule(None, name="Poor and large", condition=poor, message="{{ account.name }} is Poor")
    refresh_due(now=now)
    raise_alerts(now)
    ids = list(Account.objects.order_by("pk").values_list("pk", flat=True)[:TASKS])
    people = list(TeamMember.objects.order_by("pk"))
    Task.objects.bulk_create(
        Task(account_id=pk, title=f"Call them {n}", assignee=people[n % len(people)],
             due_on=now.today + dt.timedelta(days=n % 90 - 30))
        for n, pk in enumerate(ids)
    )  # fmt: skip
    for account in Account.objects.order_by("pk")[:BY_HAND]:
        override_health(account, band="average", reason="They promised to stay.")
        take_pulse(account, 3)


def pages() -> dict[str, Ask]:
    """What is asked for, by name."""

    def of(address: str, part: str = "") -> Ask:
        headers = PART | {"HX-Target": part} if part else {}
        return lambda client: client.get(address, secure=True, headers=headers)

    found: dict[str, Ask] = {}
    for name, who in (("a colleague", "member:person-1"), ("everybody", "everybody")):
        book = f"/portfolio/?who={who}"
        found |= {
            f"portfolio of {name}": of(book),
            f"portfolio of {name}, its weeks": of(book, "course"),
            f"portfolio of {name}, movers of 7 days": of(f"{book}&days=7", "movers"),
            f"portfolio of {name}, changes of 30 days": of(f"{book}&since=30", "changes"),
            f"portfolio of {name}, a past day": of(f"/portfolio/day/?who={who}&day={_week_ago()}&band=poor"),
        }
    first = HealthConfig.objects.exclude(segment=None).first()
    account = Account.objects.filter(health__config=first).order_by("-mrr").first()
    if first is None or account is None:
        raise SystemExit("No account is scored by a config of a segment.")
    body = json.dumps({"definition": DEFAULT | {"bands": {"good": 60, "poor": 45}}, "config": _default()})
    return found | {
        "Health 360": of(f"/health/?config={first.pk}"),
        "Health 360, over a year": of(f"/health/trend/?config={first.pk}&days=365", "health-trend"),
        "Health 360, over a month": of("/health/trend/?days=30"),
        "conflicts": of("/health/conflicts/"),
        "overrides": of("/health/overrides/"),
        "config editor": of(f"/health/configs/{_default()}/"),
        "effect of a draft": lambda client: client.post(
            "/api/v1/health-configs/effect/", body, content_type="application/json", secure=True
        ),
        "account": of(f"/accounts/{account.pk}/"),
        "account, score over a year": of(f"/accounts/{account.pk}/?span=12m", "health-course"),
        "account, why": of(f"/accounts/{account.pk}/health/why/", "why"),
    }


def of_everybody(name: str) -> bool:
    """Whether a page looks at all accounts at once, so that it grows with them; it has no goal of its own."""
    return "everybody" in name or name in ("effect of a draft", "Health 360, over a year", "Health 360, over a month")


def _week_ago() -> str:
    return (moment().today - dt.timedelta(days=7)).isoformat()


def _default() -> int:
    return HealthConfig.objects.get(is_default=True).pk


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Ask for every page in turn; milliseconds of the whole view, and how many statements it sends."""
    prepare(asked)
    times, efforts, notes = asked_in_turn(pages(), signed_in(), asked.rounds * 5)
    told = {name: summary(times[name], efforts[name], notes[name]) for name in times}
    return {
        "measured": "pages",
        "accounts": asked.accounts,
        "p50_ms": round(median(one for values in times.values() for one in values), 1),
        "p95_ms": round(quantiles([one for values in times.values() for one in values], n=20)[-1], 1),
        "goal_p95_ms_of_each": GOAL_MS,
        "pages": {name: one for name, one in told.items() if not of_everybody(name)},
        "of_everybody": {name: one for name, one in told.items() if of_everybody(name)},
    }
