"""The definitions of a config through time: what changed from one to the next, in words, and how to go back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from core.versions import Change, VersionChange, tell_versions, version_of
from health.definition import (
    GOOD_FROM,
    LEAST_COVERAGE,
    POOR_BELOW,
    Definition,
    DefinitionError,
    Measure,
    read_definition,
)
from health.editing import save_config
from health.explaining import limits_in_words
from health.models import HealthConfig
from segments.questions import Reader


def versions_of(config: HealthConfig, reader: Reader, numbers: Iterable[int] | None = None) -> list[VersionChange]:
    """The versions of a config (or those of some numbers), newest first, each with what changed in it."""
    rows = config.versions.select_related("author__member")
    return tell_versions(rows, lambda before, after: differences(before.definition, after.definition, reader), numbers)


def restore_version(config: HealthConfig, number: int, *, author: Any = None) -> HealthConfig:
    """Make an earlier definition the present one, as a version of its own. Raises UnknownVersion, and DefinitionError
    if it names something that is gone."""
    earlier = version_of(config, number)
    return save_config(
        config,
        name=config.name,
        definition=earlier.definition,
        segment=config.segment,
        active=config.active,
        author=author,
        reason=f"Version {number} restored",
        expected_version=config.version,
    )


def differences(before: Any, after: Any, reader: Reader) -> list[Change]:
    """What was removed, changed, added and moved between two stored definitions; they need not be valid any more.

    Dimensions and measures are told apart by their keys.
    """
    found = _of_dimensions(before, after)
    old, new = dict(_measures(before)), dict(_measures(after))
    words = _Words(before, reader), _Words(after, reader)
    for key in old.keys() - new.keys():
        found.append(Change("removed", f"{_name(old[key][1])}: {words[0].of(key)}"))
    for key, (dimension, measure) in new.items():
        if key not in old:
            found.append(Change("added", f"{_name(measure)}, in {dimension}: {words[1].of(key)}"))
            continue
        found += _of_measure(old[key], (dimension, measure), words[0].of(key), words[1].of(key))
    found += _of_bands(before, after)
    if not found and _text(before) != _text(after):
        found.append(Change("moved", "the same measures in another order"))
    return found


def _of_dimensions(before: Any, after: Any) -> list[Change]:
    old, new = _keyed(_list(before, "dimensions")), _keyed(_list(after, "dimensions"))
    found = [Change("removed", f"dimension {_name(one)}") for key, one in old.items() if key not in new]
    for key, one in new.items():
        was = old.get(key)
        if was is None:
            found.append(Change("added", f"dimension {_name(one)}, {one.get('weight')} % of the score"))
            continue
        if _name(was) != _name(one):
            found.append(Change("changed", f"dimension {_name(was)} → {_name(one)}"))
        if was.get("weight") != one.get("weight"):
            found.append(Change("changed", f"{_name(one)} {was.get('weight')} % → {one.get('weight')} % of the score"))
    return found


def _of_measure(
    before: tuple[str, Mapping[str, Any]], after: tuple[str, Mapping[str, Any]], was: str, now: str
) -> Iterator[Change]:
    (old_home, old), (home, new) = before, after
    if _name(old) != _name(new):
        yield Change("changed", f"{_name(old)} → {_name(new)}")
    if old_home != home:
        yield Change("moved", f"{_name(new)} from {old_home} to {home}")
    if old.get("weight", 1) != new.get("weight", 1):
        yield Change("changed", f"{_name(new)}: weight {old.get('weight', 1)} → {new.get('weight', 1)}")
    if any(_text(old.get(side)) != _text(new.get(side)) for side in ("field", "good", "poor", "better")):
        yield Change("changed", f"{_name(new)}: {was} → {now}")


def _of_bands(before: Any, after: Any) -> Iterator[Change]:
    places = (
        ("Good from", "good", GOOD_FROM, "bands"),
        ("Poor below", "poor", POOR_BELOW, "bands"),
        ("Least coverage", "least_coverage", LEAST_COVERAGE, ""),
    )
    for label, key, default, inside in places:
        was, now = ((_dict(_dict(data).get(inside)) if inside else _dict(data)).get(key) for data in (before, after))
        was, now = (default if value is None else value for value in (was, now))
        if was != now:
            yield Change("changed", f"{label} {was} → {now}")


class _Words:
    """What the measures of a stored definition look at, in words; those that cannot be read any more say so."""

    def __init__(self, data: Any, reader: Reader) -> None:
        try:
            read = read_definition(data, reader, lenient=True)
        except DefinitionError:
            read = Definition(())
        self.measures = {measure.key: measure for measure in read.measures}

    def of(self, key: str) -> str:
        """One measure."""
        measure = self.measures.get(key)
        return "cannot be read any more" if measure is None or measure.problem else sides(measure)


def sides(measure: Measure) -> str:
    """A measure in one line: “Licences, Good 70 % of Seats, Poor 10 % of Seats”."""
    if measure.good_rule and measure.poor_rule:
        return f"Good when {measure.good_rule.words}; Poor when {measure.poor_rule.words}"
    if measure.field is None or measure.good is None or measure.poor is None:
        return ""
    good, poor = limits_in_words(measure)
    return f"{measure.field.label}, Good {good}, Poor {poor}"


def _measures(data: Any) -> Iterator[tuple[str, tuple[str, Mapping[str, Any]]]]:
    for dimension in _list(data, "dimensions"):
        for key, measure in _keyed(_list(dimension, "measures")).items():
            yield key, (_name(dimension), measure)


def _keyed(rows: list[Any]) -> dict[str, Mapping[str, Any]]:
    return {str(row.get("key", "")): row for row in rows if isinstance(row, dict)}


def _list(data: Any, name: str) -> list[Any]:
    found = _dict(data).get(name)
    return found if isinstance(found, list) else []


def _dict(data: Any) -> dict[str, Any]:
    return data if isinstance(data, dict) else {}


def _name(row: Mapping[str, Any]) -> str:
    return str(row.get("name") or row.get("key") or "unnamed")


def _text(data: Any) -> str:
    return json.dumps(data, sort_keys=True, default=str)
