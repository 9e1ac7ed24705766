"""Scorings are asked for and answered by the worker: nobody waits for one, none is lost, ten requests end in one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django_q.models import OrmQ

from accounts.models import Account, TouchedAccount
from core.locks import xact_lock
from csbox import pipeline
from csbox.tasks import tick
from health.editing import end_override, override_health, reorder_configs, save_config, take_pulse
from health.explaining import explain_health
from health.models import AccountHealth, BandChange, HealthConfig, ScoringRequest
from health.refresh import refresh_health
from health.requesting import is_scoring_due, score_requested
from segments.editing import save_segment
from segments.models import Segment
from segments.refresh import refresh_due
from tests import factories
from tests.committing import at_once, committed
from tests.conftest import ROOT
from tests.health.test_scores import BOTH, SEEN, USED, an_account, by_number, by_rules, definition, of, only

__all__ = ["at_once", "committed"]


def _is(industry: str) -> dict[str, Any]:
    return {"field": "account.industry", "op": "is", "value": industry}


def worker() -> None:
    """What the worker does until nothing is left to do."""
    while is_scoring_due():
        score_requested()
    while pipeline.refresh_touched() is not None:
        pass


@pytest.mark.django_db
class TestRequests:
    def test_a_person_is_believed_at_once_and_the_score_follows(self) -> None:
        one = factories.account(industry="Retail")
        save_config(None, name="", definition=only(by_rules("industry", _is("Retail"), _is("Mining"))))
        worker()
        assert of(one).band == "good"
        override_health(one, band="poor", reason="Their sponsor left.")
        told = explain_health(one)
        assert (told.band, told.overridden, told.reason) == ("poor", True, "Set to Poor by hand")
        assert of(one).band == "good", "nothing is scored in the request"
        worker()
        assert (of(one).band, of(one).overridden) == ("poor", True)
        assert BandChange.objects.filter(account=one).first().cause == "override"
        end_override(one)
        assert explain_health(one).band == "good" and of(one).band == "poor"
        worker()
        assert (of(one).band, of(one).overridden) == ("good", False)

    def test_a_word_about_an_account_that_was_never_scored_counts_too(self) -> None:
        one = factories.account()
        override_health(one, band="average", reason="New, and slow to begin.")
        assert explain_health(one).band == "average" and explain_health(one).overridden

    def test_a_pulse_is_scored_by_the_worker(self) -> None:
        one = an_account(1, 1)
        save_config(None, name="", definition=only(by_number("pulse", "account.pulse", 5, 1)))
        worker()
        take_pulse(one, 4)
        assert of(one).band == "none"
        worker()
        assert (of(one).score, of(one).band) == (75, "good")

    def test_many_requests_are_one_scoring_and_the_tick_finds_what_was_lost(self) -> None:
        an_account(10, 100)
        config = save_config(None, name="", definition=BOTH)
        for number in range(5):
            save_config(config, name=f"Name {number}", definition=BOTH)
        reorder_configs([config.pk])
        assert ScoringRequest.objects.count() == 7 and not AccountHealth.objects.exists()
        OrmQ.objects.all().delete()  # every wake-up is lost
        tick()
        assert any(row.func() == "health.tasks.score" for row in OrmQ.objects.all())
        score_requested()
        assert not is_scoring_due() and AccountHealth.objects.count() == 1
        scored_at = HealthConfig.objects.get().scored_at
        score_requested()  # the other wake-ups
        assert HealthConfig.objects.get().scored_at == scored_at

    def test_segments_that_read_health_are_asked_for(self) -> None:
        an_account(0, None, seen=60)
        poor = factories.segment("Poor", {"field": "health.band", "op": "is", "value": "poor"})
        save_config(None, name="", definition=only(SEEN))
        score_requested()
        assert Segment.everything.get(pk=poor.pk).due

    def test_a_segment_that_came_with_its_config_has_its_members_first(self) -> None:
        one = factories.account(mrr=100)
        paying = factories.segment("Paying", {"field": "account.mrr", "op": "at_least", "value": 1}, refreshed=False)
        config = save_config(None, name="", segment=paying, definition=only(SEEN))
        score_requested()
        assert of(one).config_id == config.pk

    def test_whoever_moves_with_the_rule_of_a_segment_is_scored_by_its_config(self) -> None:
        one = factories.account(mrr=100)
        paying = factories.segment("Paying", {"field": "account.mrr", "op": "at_least", "value": 1})
        named = factories.segment("Named", {"field": "account.mrr", "op": "at_least", "value": 1})
        other = factories.segment("Other", {"field": "account.mrr", "op": "at_least", "value": 1})
        inside = by_rules("named", {"segment": named.key, "op": "in"}, {"segment": named.key, "op": "not_in"})
        config = save_config(None, name="", segment=paying, definition=only(inside))
        worker()
        assert (of(one).config_id, of(one).band) == (config.pk, "good")
        dearer = factories.rule({"field": "account.mrr", "op": "at_least", "value": 1_000})
        save_segment(other, name="Other", rule=dearer)
        refresh_due()
        assert not is_scoring_due(), "no config asks for it"
        save_segment(named, name="Named", rule=dearer)
        refresh_due()
        worker()
        assert of(one).band == "poor"
        save_segment(paying, name="Paying", rule=dearer)
        refresh_due()
        worker()
        assert of(one).config_id is None
        assert BandChange.objects.filter(account=one).first().cause == "config"
        save_segment(paying, name="Paying", rule=paying.rule)
        OrmQ.objects.all().delete()
        score_requested()
        assert not is_scoring_due(), "nothing is due before the segment has its members"
        refresh_due()
        worker()
        assert of(one).config_id == config.pk and not is_scoring_due()

    def test_a_request_is_part_of_the_save(self) -> None:
        with transaction.atomic():
            save_config(None, name="", definition=BOTH)
            transaction.set_rollback(True)
        assert not is_scoring_due()


@pytest.fixture
def company(committed: None) -> Iterator[Account]:
    """An account that was scored, whose rows other processes see."""
    _clear()
    one = an_account(70, 100, seen=1)
    save_config(None, name="", definition=definition(("a", 100, [USED, SEEN])))
    score_requested()
    yield one
    _clear()


def _clear() -> None:
    HealthConfig.objects.all().delete()
    ScoringRequest.objects.all().delete()


WORKER = """
import sys
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
import django
django.setup()
print("ready", flush=True)
from csbox.pipeline import refresh_touched
from health.requesting import score_requested
score_requested() if sys.argv[2] == "all" else refresh_touched()
"""


def _waits_for_health() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return bool(cursor.fetchone()[0])


@pytest.mark.machine
class TestAtOnce:
    def test_nobody_waits_for_a_scoring_that_is_under_way(
        self, company: Account, at_once: Callable[..., list[Any]]
    ) -> None:
        """The rows of every account are being written, and their lock is held, all the while."""
        with transaction.atomic():
            xact_lock("health")
            AccountHealth.objects.update(coverage=1)

            def by_hand() -> float:
                with connection.cursor() as cursor:
                    cursor.execute("SET statement_timeout = '3s'")
                started = time.perf_counter()
                override_health(company, band="poor", reason="They said so.")
                take_pulse(company, 2)
                save_config(HealthConfig.objects.get(), name="New name", definition=BOTH)
                return time.perf_counter() - started

            (took,) = at_once(by_hand)
            assert isinstance(took, float), took
            transaction.set_rollback(True)
        assert TouchedAccount.objects.exists() and is_scoring_due()
        worker()
        assert of(company).band == "poor"

    @pytest.mark.parametrize("what", ["all", "one"])
    def test_nothing_is_lost_by_a_worker_that_is_killed(self, company: Account, what: str) -> None:
        override_health(company, band="poor", reason="They said so.")
        save_config(HealthConfig.objects.get(), name="", definition=only(USED))
        command = [sys.executable, "-c", WORKER, str(connection.settings_dict["NAME"]), what]
        environment = os.environ | {"DJANGO_SETTINGS_MODULE": "csbox.settings"}
        with transaction.atomic():
            xact_lock("health")  # so that it is killed in the middle
            with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) as child:
                assert child.stdout and child.stdout.readline()
                while not _waits_for_health():
                    time.sleep(0.02)
                os.kill(child.pid, signal.SIGKILL)
        assert is_scoring_due() and TouchedAccount.objects.exists() and of(company).band != "poor"
        deadline = time.monotonic() + 10
        while (is_scoring_due() or TouchedAccount.objects.exists()) and time.monotonic() < deadline:
            worker()
        assert (of(company).band, of(company).version) == ("poor", 2)
        assert not is_scoring_due() and not TouchedAccount.objects.exists()
        assert refresh_health().changed == 0
