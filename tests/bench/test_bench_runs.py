"""The measurements run, agree with the SQL by hand, and leave no database behind."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection
from psycopg.conninfo import make_conninfo

from bench import database
from bench.goals import missed
from tests.committing import is_test_database

ROOT = Path(__file__).resolve().parent.parent.parent
NAME = f"csbox_bench_test_{os.getpid()}"


def environment(dbname: str = "postgres") -> dict[str, str]:
    """A process on the server of the tests."""
    found = connection.settings_dict
    address = make_conninfo(
        host=found["HOST"], port=found["PORT"] or 5432, user=found["USER"], password=found["PASSWORD"], dbname=dbname
    )
    return os.environ | {"CSBOX_NO_BOOTSTRAP": "1", "DATABASE_URL": address, "CSBOX_DEBUG": "1"}


def bench(*arguments: str) -> dict[str, Any]:
    """Run one measurement on the server of the tests; the JSON that it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "bench", *arguments, "--database", NAME, "--template", f"{NAME}_template"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    return json.loads(done.stdout)


def _copy_own_database() -> None:
    own = connection.settings_dict["NAME"]
    connection.close()
    with connection._nodb_cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{NAME}_template" TEMPLATE "{own}"')
    # The settings of the tests need no table of the cache.
    command = [sys.executable, str(ROOT / "manage.py"), "createcachetable"]
    subprocess.run(command, env=environment(f"{NAME}_template"), check=True, capture_output=True)


@pytest.fixture(scope="module")
def _template(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """One migrated database that every measurement copies: the tests' own has the same tables and is at rest."""
    with django_db_blocker.unblock():
        connection.ensure_connection()  # which starts an embedded server that is not running, and learns its address
        if not connection.settings_dict.get("HOST"):
            pytest.skip("the server of the tests has no address that another process could be given")
        if is_test_database():  # else, or while somebody uses it, the first measurement migrates one
            with contextlib.suppress(OperationalError):
                _copy_own_database()
    yield
    with django_db_blocker.unblock(), connection._nodb_cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{NAME}_template"')


@pytest.fixture(autouse=True)
def _leaves_nothing_behind(_template: None, django_db_blocker: Any) -> Iterator[None]:
    yield
    with django_db_blocker.unblock(), connection._nodb_cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_database WHERE datname = %s", [NAME])
        assert cursor.fetchone() == (0,)
    connection.close()


def test_a_refresh_is_measured_beside_sql_by_hand_with_the_same_members() -> None:
    # Thirty, so that every shape of rule is compared with its SQL; the command ends with an error if they differ.
    found = bench("refresh", "--accounts", "300", "--segments", "30", "--rounds", "2")
    assert found["rows"]["account"] == 300
    for phase in ("first_fill", "nothing_changed", "one_percent_changed"):
        assert found[phase]["ours_ms"] > 0 < found[phase]["hand_ms"]
        assert found[phase]["ratio"] > 0
        assert 0 < found[phase]["smallest_segment"] <= found[phase]["largest_segment"] < 300
        assert len(found[phase]["worst"]) == 5


def test_the_list_of_accounts_is_measured_in_every_state() -> None:
    found = bench("list", "--accounts", "500", "--segments", "5", "--rounds", "1")
    assert found["requests"] == 10 * len(found["states"])
    assert 0.4 < found["in_segment"] / found["accounts"] < 0.6
    assert 0 < found["p50_ms"] <= found["p95_ms"]
    for state in found["states"].values():
        assert state["statements"] <= 30
        assert 0 < state["slowest_statement_ms"] <= state["p95_ms"] + 1_000


def test_conditions_on_events_are_measured_with_their_plans() -> None:
    found = bench("events", "--accounts", "300", "--rounds", "1")
    assert found["rows"]["account"] == 300
    for name, one in found["conditions"].items():
        assert one["elapsed_ms"] >= 0 < one["blocks"], name  # a tenth of a millisecond is told as none
        # Grouped once for all accounts and joined, never looked up for each.
        assert "Join" in one["plan"] or "Nested Loop" in one["plan"], name
    never, once = found["conditions"]["typical, never"], found["conditions"]["typical, at least once"]
    assert never["accounts"] + once["accounts"] == 300


def test_previews_are_measured_and_all_of_them_counted() -> None:
    found = bench("preview", "--accounts", "100", "--rounds", "1", "--every", "4")
    for kind in ("attributes", "users and events"):
        assert found[kind]["not_counted"] == []
        assert found[kind]["goal_p95_ms"] == 300 and 0 < found[kind]["p50_ms"] <= found[kind]["p95_ms"]
        assert len(found[kind]["rules"]) >= 4


def test_scoring_is_measured_beside_sql_by_hand_that_says_the_same() -> None:
    found = bench("health", "--accounts", "400", "--rounds", "1")
    for phase in ("first", "nothing_changed", "one_percent_changed"):
        assert found[phase]["ours_ms"] > 0 < found[phase]["hand_ms"]
    assert (found["configs"], found["measures"], found["goal_ratio"]) == (5, 8, 2)


def test_alert_rules_are_measured_beside_segments_that_ask_the_same() -> None:
    found = bench("alerts", "--accounts", "300", "--rounds", "1")
    assert (found["rules"], found["questions_of_rules"], found["goal_ratio"]) == (30, 36, 1.5)
    for phase in ("nothing_changed", "one_percent_changed"):
        assert found[phase]["rules_ms"] >= found[phase]["of_which_raising_ms"] > 0 < found[phase]["segments_ms"]


def test_telling_a_destination_is_measured_beside_the_same_messages_by_hand() -> None:
    found = bench("sync", "--accounts", "100", "--rounds", "1")
    for phase in ("first", "nothing_changed", "one_percent_changed", "one_percent_narrowed"):
        assert found[phase]["ours_ms"] > 0 < found[phase]["hand_ms"]
    assert found["first"]["messages"] > 300 and found["nothing_changed"]["messages"] == 0
    assert found["sent"]["messages"] >= found["first"]["messages"] and found["sent"]["ratio"] > 0


def test_a_back_test_is_measured_beside_sql_by_hand_with_the_same_bands() -> None:
    found = bench("backtest", "--accounts", "60", "--check")
    assert found["days"] == 53 and found["seconds"] > 0 < found["hand_seconds"]


def test_a_goal_that_is_missed_is_told() -> None:
    met = {"first_fill": {"ratio": 3.0}, "nothing_changed": {"ratio": 1.2}, "rows": {"account": 5}}
    assert missed("refresh", met) == []
    assert missed("refresh", met | {"nothing_changed": {"ratio": 3.1}}) == [
        "nothing_changed.ratio is 3.1, the goal is at most 3"
    ]
    assert missed("refresh", {}) == ["*.ratio was not measured"]
    assert missed("ingest", {"share_of_copy": 0.1, "batch_of_100_during_a_refresh": {"p95_ms": 20}}) == [
        "share_of_copy is 0.1, the goal is at least 0.125"
    ]


def test_no_other_database_can_be_named() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "list", "--database", "postgres"],
        cwd=ROOT,
        env=os.environ | {"CSBOX_NO_BOOTSTRAP": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    assert "csbox_bench" in done.stderr


def test_messages_over_http_are_measured_beside_copy() -> None:
    found = bench("ingest", "--accounts", "200", "--events", "500", "--rounds", "1")
    assert found["stored"] == 500 + 500 + 500  # to warm up, a round, and while a refresh runs
    assert 0 < found["share_of_copy"] < 2
    assert found["batch_of_100_during_a_refresh"]["batches"] == 5
    assert found["batch_of_100_during_a_refresh"]["refresh_went_on"]


def test_a_template_is_made_once_and_every_measurement_gets_a_copy(
    django_db_blocker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a template that exists, the first one migrates; its rows are in both copies, and theirs not in it."""
    made: list[str] = []

    def migrate() -> None:
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE note AS SELECT current_database()::text AS name")
        made.append(connection.settings_dict["NAME"])

    def names() -> list[str]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT name FROM note")
            return [name for (name,) in cursor.fetchall()]

    monkeypatch.setattr(database, "_migrate", migrate)
    template = f"{NAME}_once"
    with django_db_blocker.unblock():
        try:
            for _ in range(2):
                with database.own_database(NAME, template):
                    assert connection.settings_dict["NAME"] == NAME and names() == [template]
                    with connection.cursor() as cursor:
                        cursor.execute("INSERT INTO note VALUES ('a measurement')")
            assert made == [template]
        finally:
            connection.close()
            with connection._nodb_cursor() as cursor:
                cursor.execute(f'DROP DATABASE IF EXISTS "{template}"')
