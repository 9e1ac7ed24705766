"""What could not be known of the past, said in the report of a back-test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from health.backtest.models import BackTest
from health.backtest.replay import Replay
from health.definition import Measure, fields_of_measure
from segments.rules.nodes import Node, walk
from segments.unknown_days import Gap, Reads, gaps_of


def find_gaps(test: BackTest, replay: Replay, undated: int) -> list[Gap]:
    """Everything that is to be said of a back-test; `undated` accounts left nobody knows when."""
    found = list(_measures(replay))
    measures = [measure for one in replay.definitions for measure in one.measures]
    keys = {key for measure in measures for key in fields_of_measure(measure)}
    reads = Reads.of(keys, [node for one in measures for node in _nodes(one)], replay.reader.vocabulary)
    found += gaps_of(reads, replay.past.segments, test.days[0], test.last_day, replay.reader.moment)
    if undated:
        note = "They were cancelled when csbox first heard of them, without a day. They are left out."
        found.append(Gap("When some accounts left", note, None, undated))
    return found


def _measures(replay: Replay) -> Iterator[Gap]:
    names = {measure.key: measure.name for one in replay.definitions for measure in one.measures}
    for key, reason in sorted(replay.problems.items()):
        yield Gap(names.get(key, key), f"The measure was left out. {reason}")


def _nodes(measure: Measure) -> Iterable[Node]:
    for question in (measure.good_rule, measure.poor_rule):
        yield from walk(question.rule) if question else ()
