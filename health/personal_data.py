"""What health holds about an account, and where its free texts may name a person."""

from __future__ import annotations

from django.contrib.admin.models import LogEntry
from django.db.models import QuerySet

from accounts.personal_data import dropping_lines, empty_log, lines_of, logged, mentions_in, of_account, redacting
from accounts.privacy.holdings import ACCOUNT, USER, Holding, Subject, exempt, hold
from accounts.privacy.redacting import ERASED
from health.backtest.models import BackTest
from health.backtest.report import LISTS
from health.models import AccountHealth, BandChange, HealthDay, HealthOverride, Pulse

_SCORE = {
    "score": "score", "band": "band", "coverage": "coverage", "dimensions": "dimensions", "config": "config__name",
    "version": "version",
}  # fmt: skip


def _log(subject: Subject) -> QuerySet[LogEntry]:
    models = (HealthOverride, Pulse, BandChange)
    found = logged(AccountHealth, [subject.pk])
    for model in models:
        found |= logged(model, model._default_manager.filter(account=subject.pk).values_list("pk", flat=True))
    return LogEntry.objects.filter(found).exclude(object_repr=ERASED)


hold(
    Holding(
        key="health_log", label="Entries of the back office’s log about health (words removed)", model=LogEntry,
        order=20, find={ACCOUNT: _log}, erase=empty_log,
    ),
    Holding(
        key="pulse_mentions", label="Notes of a pulse that name the person (name, e-mail and id removed)", model=Pulse,
        order=30, find={USER: mentions_in(Pulse, "note")}, erase=redacting("pulse_mentions", "note"),
        columns={"at": "at", "account": "account__external_id", "note": "note"},
    ),
    Holding(
        key="override_mentions", label="Reasons of a health by hand that name the person (likewise)",
        model=HealthOverride, order=30, find={USER: mentions_in(HealthOverride, "reason")},
        erase=redacting("override_mentions", "reason"),
        columns={"at": "created_at", "account": "account__external_id", "reason": "reason"},
    ),
    Holding(
        key="health", label="Health", model=AccountHealth, find={ACCOUNT: of_account(AccountHealth)},
        columns={**_SCORE, "computed_band": "computed_band", "since": "band_since"},
    ),
    Holding(
        key="health_days", label="History of health", model=HealthDay, find={ACCOUNT: of_account(HealthDay)},
        columns={"day": "day", **_SCORE},
    ),
    Holding(
        key="band_changes", label="Changes of the band", model=BandChange, find={ACCOUNT: of_account(BandChange)},
        columns={"at": "at", "before": "before", "after": "after", "cause": "cause"},
    ),
    Holding(
        key="health_overrides", label="Health by hand", model=HealthOverride,
        find={ACCOUNT: of_account(HealthOverride)},
        columns={
            "band": "band", "reason": "reason", "until": "until", "created_at": "created_at", "ended_at": "ended_at",
        },
    ),
    Holding(
        key="back_tests", label="Back-tests of health that name the account (the lines are removed)", model=BackTest,
        find={ACCOUNT: lines_of(BackTest, *LISTS)}, erase=dropping_lines("back_tests", *LISTS),
        columns={"first_day": "first_day", "last_day": "last_day"},
    ),
    Holding(
        key="pulses", label="Pulses", model=Pulse, find={ACCOUNT: of_account(Pulse)},
        columns={"at": "at", "value": "value", "note": "note"},
    ),
)  # fmt: skip
exempt({"health.BackTestDay": "Numbers of rows, kept only until the back-test of them has ended, which takes minutes."})
