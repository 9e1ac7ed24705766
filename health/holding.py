"""Which measures a silent feed holds: their scores stand still until it is back, the others go on.

Otherwise every account would fall by what the feed does not say, and alerts on health would be false by the dozen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from health.definition import Definition, DefinitionError, Measure, fields_of_measure, read_definition
from health.models import HealthConfig
from segments.holding.holds import Holds, in_words
from segments.holding.others import Held, find_held_with
from segments.questions import Reader
from segments.rules.nodes import events_of
from usage.feeds.models import FeedSilence


def held_measures(definition: Definition, holds: Holds) -> dict[int, list[FeedSilence]]:
    """The places of the measures that are held, each with the silences for which it is."""
    if not holds.silences.open:
        return {}
    found = {place: _of(measure, holds) for place, measure in enumerate(definition.measures) if not measure.problem}
    return {place: held for place, held in found.items() if held}


def _of(measure: Measure, holds: Holds) -> list[FeedSilence]:
    rules = [question.rule for question in (measure.good_rule, measure.poor_rule) if question is not None]
    return holds.of_reads(fields_of_measure(measure), {name for rule in rules for name in events_of(rule)})


def held_words(definition: Definition, held: Mapping[int, list[FeedSilence]]) -> str:
    """Why measures are held, and which; empty if none is."""
    if not held:
        return ""
    silences = {one.pk: one for found in held.values() for one in found}
    names = ", ".join(definition.measures[place].name for place in held)
    return f"{in_words(silences.values())} Scores stand still for: {names}."


@find_held_with
def _configs(holds: Holds, reader: Reader) -> Iterable[Held]:
    for config in HealthConfig.objects.filter(active=True).select_related("author"):
        try:
            definition = read_definition(config.definition, reader, lenient=True)
        except DefinitionError:
            continue
        silences = {one.pk: one for found in held_measures(definition, holds).values() for one in found}
        yield Held(f"Health config: {config.name}", config.author, list(silences.values()))
