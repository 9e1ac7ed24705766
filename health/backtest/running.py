"""Starting and working on back-tests, day by day."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any, Literal, NamedTuple

from django.db import transaction
from django.utils import timezone

from core.clock import moment
from core.refusals import Problem
from core.reports import SLICE, begin_report, finish_report, take_report, working_on
from core.working import give_sign, let_go, still_mine
from health.backtest.models import BackTest, BackTestDay
from health.backtest.replay import ConfigGone, Replay, replay_of
from health.backtest.report import make_report
from health.definition import DefinitionError, read_definition
from health.models import HealthConfig, HealthConfigVersion
from segments.models import Segment
from segments.questions import Reader

DAILY_UP_TO = 62  # days of a span; a longer one is looked at week by week
SHORTEST, LONGEST = 14, 1_100  # days
SILENT = (7, 365)
DEFAULT = "Default"
GONE = "The config or its segment was deleted while the back-test ran."


def start_back_test(
    config: HealthConfig | None,
    *,
    segment: Segment | None | Literal["as saved"] = "as saved",
    name: str = "",
    first_day: dt.date,
    last_day: dt.date,
    cancelled: bool = True,
    silent_days: int | None = None,
    draft: Any = None,
    compare_with: int | None = None,
    author: Any = None,
) -> BackTest:
    """Let the saved definition of a config be tested, or a draft beside the saved one; a draft may be that of a new
    config (None), beside the default one, which scores its accounts until it is saved.

    `segment` is whose accounts are scored, None as by the default config. `compare_with` is an earlier version to set
    beside the saved definition. Raises DefinitionError with every problem: of a draft below /definition, of the rest
    below /first_day and the like; NotNow with too many at once.
    """
    if segment == "as saved":
        segment = config.segment if config else None
    problems = _span_problems(first_day, last_day) + _churn_problems(cancelled, silent_days)
    beside = _against(config, segment, draft, compare_with, problems)
    definition = config.definition if draft is None and config else draft
    problems += _asked_problems(definition, segment, lenient=draft is None)
    if problems:
        raise DefinitionError(problems)
    who = author if getattr(author, "pk", None) else None
    name = name or (config.name if config else segment.name if segment else DEFAULT)
    test = BackTest(
        config=config, is_new=config is None, segment=segment, of_segment=segment.name if segment else "",
        name=name[:120], definition=definition, version=config.version if config and draft is None else None,
        against=beside.definition, against_version=beside.version, against_name=beside.name,
        first_day=first_day, last_day=last_day, cancelled=cancelled, silent_days=silent_days, author=who,
        started_at=timezone.now(),
        step_days=1 if (last_day - first_day).days <= DAILY_UP_TO else 7,
    )  # fmt: skip
    test.steps = len(test.days)
    with transaction.atomic():
        begin_report(test)
    return test


class _Beside(NamedTuple):
    """What is compared with: a definition and its version, and whose it is where it is another config's."""

    definition: Any = None
    version: int | None = None
    name: str = ""


def _against(
    config: HealthConfig | None, segment: Segment | None, draft: Any, number: int | None, problems: list[Problem]
) -> _Beside:
    """Of a draft the saved definition, of a new config the default one, of the saved one an earlier version if one is
    named."""
    if config is None:
        default = HealthConfig.objects.filter(is_default=True, active=True).first() if segment else None
        return _Beside(default.definition, default.version, default.name) if default else _Beside()
    if draft is not None:
        return _Beside(config.definition, config.version)
    if number is None:
        return _Beside()
    version = HealthConfigVersion.objects.filter(config=config, number=number).first()
    if version is None or number == config.version:
        problems.append(Problem("/compare_with", "unknown-version", f"There is no earlier version {number}."))
        return _Beside()
    return _Beside(version.definition, version.number)


def _asked_problems(definition: Any, segment: Segment | None, *, lenient: bool) -> list[Problem]:
    """What is wrong with what is to be tested, and with whom it is to score."""
    found = []
    if segment is not None and segment.subject != Segment.Subject.ACCOUNT:
        found.append(Problem("/segment", "wrong-subject", f"{segment.name} is about users. Accounts are scored."))
    if definition is None:
        return [*found, Problem("/definition", "required", "Give the definition of the new config.")]
    try:
        read_definition(definition, Reader.now(), lenient=lenient)
    except DefinitionError as error:
        found += [Problem(f"/definition{one.pointer}", one.code, one.message, one.allowed) for one in error.problems]
    return found


def _span_problems(first_day: dt.date, last_day: dt.date) -> list[Problem]:
    length, today = (last_day - first_day).days + 1, moment().today
    if last_day >= today:
        return [Problem("/last_day", "out-of-range", "The last day must be over. Give yesterday or an earlier day.")]
    if not SHORTEST <= length <= LONGEST:
        text = f"The span has {length:,} days. Give {SHORTEST} to {LONGEST:,}."
        return [Problem("/first_day", "out-of-range", text)]
    return []


def _churn_problems(cancelled: bool, silent_days: int | None) -> list[Problem]:
    if not cancelled and silent_days is None:
        return [Problem("/cancelled", "required", "Say what leaving means: cancelled, silent for some days, or both.")]
    if silent_days is not None and not SILENT[0] <= silent_days <= SILENT[1]:
        return [Problem("/silent_days", "out-of-range", f"Give {SILENT[0]} to {SILENT[1]} days.")]
    return []


def work(pk: int, seconds: float = SLICE) -> None:
    """Work on a back-test for a while; does nothing if somebody else does or nothing is to be done."""
    test: BackTest | None = take_report(BackTest, pk)
    if test is None:
        return
    with working_on(test, _reason), replay_of(test) as replay:
        if _walk(test, replay, time.monotonic() + seconds):
            finish_report(test, make_report(test, replay))
        else:
            let_go(test, test.task)


def _reason(error: Exception) -> str | None:
    if isinstance(error, ConfigGone):
        return GONE
    return str(error) if isinstance(error, DefinitionError) else None


def _walk(test: BackTest, replay: Replay, until: float) -> bool:
    """Day after day, at least one; False if the time was over before the last one."""
    replay.problems = {**test.problems, **replay.problems}
    first = test.done
    for number, day in enumerate(test.days[first:], start=first):
        if number > first and time.monotonic() >= until:
            return False
        found = replay.day(day)
        with transaction.atomic():
            still_mine(test)
            BackTestDay.objects.create(
                test=test, day=day, accounts=found.accounts, letters=found.letters, against=found.against
            )
            test.problems = replay.problems
            give_sign(test, number + 1, "problems")
    return True
