"""Every stored score beside plain Python over the rows of the tables.

The figures of usage are counted here from the events themselves, the scores by the judge of tests/health; neither
shares code with the application.
"""

from __future__ import annotations

import datetime as dt
import json
import zoneinfo
from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db import connection

from tests.health import calculator

Row = dict[str, Any]


def rows(sql: str) -> list[Row]:
    """What a statement finds, as dictionaries."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def ratio(above: Any, below: Any) -> Decimal | None:
    """To one decimal; nothing where there is nothing to divide by."""
    if below in (None, 0):
        return None
    return (Decimal(above) / Decimal(below)).quantize(Decimal("0.1"), ROUND_HALF_UP)


def usage_of(days: list[Row], today: dt.date) -> Row:
    """The figures of one account from its days: user (or nobody), event, day."""

    def within(longest: int, least: int = 0) -> list[Row]:
        return [row for row in days if least <= (today - row["day"]).days < longest]

    def users(found: list[Row]) -> set[int]:
        return {row["user_id"] for row in found if row["user_id"]}

    def active(found: list[Row]) -> set[dt.date]:
        return {row["day"] for row in found}

    busy: dict[int, set[dt.date]] = defaultdict(set)
    for row in within(90):
        if row["user_id"]:
            busy[row["user_id"]].add(row["day"])
    half = sorted(active(within(180)))
    span = (half[-1] - half[0]).days if half else None
    now_90, before_90 = len(active(within(90))), len(active(within(180, 90)))
    now_30, before_30 = len(active(within(30))), len(active(within(60, 30)))
    return {
        "account.active_users_30d": len(users(within(30))),
        "account.active_users_90d": len(users(within(90))),
        "account.active_days_30d": now_30,
        "account.active_days_90d": now_90,
        "account.active_days_180d": len(half),
        "account.event_kinds_30d": len({row["name_id"] for row in within(30)}),
        "account.event_kinds_90d": len({row["name_id"] for row in within(90)}),
        "account.users_kept_90d": ratio(100 * len(users(within(90))), len(users(within(365)))),
        "account.busiest_user_90d": ratio(
            100 * max(map(len, busy.values()), default=0), sum(map(len, busy.values())) or None
        ),
        "account.active_days_change_90d": ratio(100 * (now_90 - before_90), before_90),
        "account.active_days_change_30d": ratio(100 * (now_30 - before_30), before_30),
        "account.usual_gap": ratio(span, max(len(half), 1) - 1) if span is not None else None,
    }


def said_by(told: list[Row], day: dt.date, zone: dt.tzinfo) -> list[str]:
    """What was told by the end of a day, the newest last."""
    return [row["new"] for row in told if row["at"].astimezone(zone).date() <= day]


def worth_on(sold: list[Row], told: dict[tuple[int, str], list[Row]], day: dt.date, zone: dt.tzinfo) -> Decimal | None:
    """What the subscriptions of one account were worth on a day; nothing before the first of them began."""
    begun = [row for row in sold if row["starts_on"] and row["starts_on"] <= day]
    worth = Decimal(0)
    for row in begun:
        if row["ends_on"] and row["ends_on"] < day:
            continue
        statuses, amounts = told[row["id"], "status"], told[row["id"], "mrr"]
        first = row["kinds"][statuses[0]["new"] if statuses else row["status"]]
        known = said_by(statuses, day, zone)
        kind = row["kinds"][known[-1]] if known else "active" if first in ("cancelled", "suspended") else first
        amount = (said_by(amounts, day, zone) or [one["new"] for one in amounts[:1]] or [row["mrr"]])[-1]
        if kind == "active" and row["rate"] is not None:
            worth += (Decimal(amount) * row["rate"]).quantize(Decimal("0.01"), ROUND_HALF_UP)
    return worth if begun else None


def worths(today: dt.date, zone: dt.tzinfo) -> dict[int, Decimal | None]:
    """By how many percent each account is worth more than 90 days ago."""
    told: dict[tuple[int, str], list[Row]] = defaultdict(list)
    for row in rows(
        "SELECT object_id, key, at, new #>> '{}' AS new FROM accounts_attributechange"
        " WHERE subject = 'subscription' AND key IN ('status', 'mrr') ORDER BY at, id"
    ):
        told[row["object_id"], row["key"]].append(row)
    kinds = {row["key"]: row["kind"] for row in rows("SELECT key, kind FROM accounts_subscriptionstatus")}
    sold: dict[int, list[Row]] = defaultdict(list)
    for row in rows(
        "SELECT s.*, r.rate FROM accounts_subscription s LEFT JOIN accounts_exchangerate r ON r.currency = s.currency"
    ):
        sold[row["account_id"]].append(row | {"kinds": kinds})
    found: dict[int, Decimal | None] = {}
    for row in rows("SELECT id, mrr FROM accounts_account"):
        before = worth_on(sold[row["id"]], told, today - dt.timedelta(days=90), zone)
        share = None if row["mrr"] is None else ratio(100 * row["mrr"], before)
        found[row["id"]] = None if share is None else share - 100
    return found


def values(now: dt.datetime) -> dict[int, Row]:
    """What each live account has, by the key of its field."""
    zone = zoneinfo.ZoneInfo(rows("SELECT time_zone FROM core_workspace")[0]["time_zone"])
    today = now.astimezone(zone).date()
    happened: dict[int, list[Row]] = defaultdict(list)
    last: dict[int, dt.datetime] = {}
    for row in rows(
        "SELECT account_id, user_id, name_id, (at AT TIME ZONE (SELECT time_zone FROM core_workspace))::date AS day,"
        " max(at) AS at FROM usage_event WHERE active AND account_id IS NOT NULL GROUP BY 1, 2, 3, 4"
    ):
        if row["day"] <= today:
            happened[row["account_id"]].append(row)
        seen = row["at"].astimezone(zone)
        last[row["account_id"]] = max(seen, last.get(row["account_id"], seen))
    spoken = rows("SELECT account_id, max(at) AS at FROM accounts_note WHERE kind <> 'note' GROUP BY account_id")
    touched = {row["account_id"]: row["at"].astimezone(zone) for row in spoken}
    felt = {row["account_id"]: row["value"] for row in rows("SELECT account_id, value FROM health_pulse ORDER BY at")}
    accounts = rows(
        "SELECT id, licences, renews_on, trial_ends_on, attributes::text FROM accounts_account"
        " WHERE archived_at IS NULL"
    )
    champions = rows("SELECT account_id FROM accounts_relationship WHERE ended_at IS NULL AND lower(role) = 'champion'")
    with_champion = {row["account_id"] for row in champions}
    worth = worths(today, zone)
    return {
        row["id"]: usage_of(happened[row["id"]], today)
        | {
            "account.licences": row["licences"],
            "account.renews_on": row["renews_on"],
            "account.trial_ends_on": row["trial_ends_on"],
            "account.last_touchpoint_at": touched.get(row["id"]),
            "account.last_seen_at": last.get(row["id"]),
            "account.pulse": felt.get(row["id"]),
            "account.mrr_change_90d": worth[row["id"]],
            "champion": row["id"] in with_champion,
        }
        | {f"account.custom.{key}": value for key, value in json.loads(row["attributes"]).items()}
        for row in accounts
    }


def champion(has: Row) -> calculator.Holds:
    """The only question that the demo's measures by rules ask: whether anybody, or nobody, is a champion."""

    def holds(rule: dict[str, Any]) -> bool:
        (asked,) = rule["rules"]
        (role,) = asked["where"]["rules"]
        assert (role["field"], role["op"], role["value"]) == ("relationship.role", "is", "champion")
        return has["champion"] == {"any": True, "none": False}[asked["users"]]

    return holds


def read_parts(row: Row) -> dict[str, Decimal | None]:
    """The score of each dimension, as decimals."""
    return {
        key: None if value is None else Decimal(value)
        for key, value in json.loads(row["parts"], parse_float=str).items()
    }


def by_hand(now: dt.datetime) -> dict[int, str]:
    """The bands that people gave and that count on that day."""
    given = rows("SELECT account_id, band, until FROM health_healthoverride WHERE ended_at IS NULL")
    return {row["account_id"]: row["band"] for row in given if row["until"] is None or row["until"] >= now.date()}


def agree(now: dt.datetime) -> set[str]:
    """Compare every stored score with the judge's, its dimensions, its band and the day's row of its history; the bands
    that scores gave."""
    zone = zoneinfo.ZoneInfo(rows("SELECT time_zone FROM core_workspace")[0]["time_zone"])
    today, known = now.astimezone(zone).date(), values(now)
    configs = rows("SELECT id, segment_id, definition::text FROM health_healthconfig ORDER BY is_default, position, id")
    members: dict[int, set[int]] = defaultdict(set)
    for row in rows("SELECT segment_id, account_id FROM segments_accountmembership WHERE left_at IS NULL"):
        members[row["segment_id"]].add(row["account_id"])
    stored, days = ({row["account_id"]: row for row in rows(sql)} for sql in (
        "SELECT *, dimensions::text AS parts FROM health_accounthealth",
        "SELECT DISTINCT ON (account_id) *, dimensions::text AS parts FROM health_healthday"
        " ORDER BY account_id, day DESC",
    ))  # fmt: skip
    given = by_hand(now.astimezone(zone))
    bands = set()
    for account, has in known.items():
        config = next(one for one in configs if one["segment_id"] is None or account in members[one["segment_id"]])
        score, band, parts, coverage = calculator.score(json.loads(config["definition"]), has, today, champion(has))
        row, day = stored[account], days[account]
        judged = (config["id"], score, given.get(account, band), coverage, parts)
        for one in (row, day):  # the newest row of the history holds until today
            said = (one["config_id"], one["score"], one["band"], one["coverage"], read_parts(one))
            assert said == judged, (account, has, said, judged)
        assert (row["computed_band"], row["overridden"]) == (band, account in given)
        assert row["measures"] == day["measures"] and row["values"] == day["values"]
        bands.add(band)
    assert len(known) == len([one for one in stored if one in known]) > 30
    return bands
