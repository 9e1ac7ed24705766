"""What moved a score between two days, in one line: the measure that carried most of it, or another definition."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from accounts.models import Account
from health.definition import Definition, Measure
from health.explaining import band_of, number_in_words
from health.history import newest_rows
from health.models import Band, BandChange, HealthConfigVersion, HealthDay, HealthOverride
from health.recalling import lenient, versions_of, wholes_of
from health.rescoring import Wholes, mostly_the_version, rescored, whole_score
from segments.questions import Reader

Cause = BandChange.Cause
Pair = tuple[HealthDay | None, HealthDay]


@dataclass(frozen=True)
class ChangeTold:
    """A change of band with why: the line behind its cause."""

    change: BandChange
    why: str

    @property
    def title(self) -> str:
        """ "Health fell from Good 74 to Poor 38"."""
        change = self.change
        if change.cause == Cause.FIRST:
            return f"Health first scored: {_said(change.after, change.score_after)}"
        ranks = {Band.POOR: 0, Band.AVERAGE: 1, Band.GOOD: 2}
        before, after = ranks.get(Band(change.before)), ranks.get(Band(change.after))
        verb = "changed" if before is None or after is None else "fell" if after < before else "rose"
        by_hand = change.cause == Cause.OVERRIDE  # what the score was is beside the point
        said = [
            _said(band, None if by_hand else score)
            for band, score in ((change.before, change.score_before), (change.after, change.score_after))
        ]
        return f"Health {verb} from {said[0]} to {said[1]}"

    @property
    def short(self) -> str:
        """ "fell from Good 74 to Poor 38", after the name of the account."""
        return self.title.removeprefix("Health ")

    @property
    def line(self) -> str:
        """The cause, and why."""
        return f"{self.change.get_cause_display()}: {self.why}" if self.why else self.change.get_cause_display()


def _said(band: str, score: Decimal | None) -> str:
    label = str(Band(band).label)
    return label if score is None else f"{label} {score:.0f}"


def told_changes(changes: Sequence[BandChange], reader: Reader) -> list[ChangeTold]:
    """Changes of band (of any accounts) with why, in the same few statements however many they are."""
    zone = reader.moment.zone
    days = {change.pk: change.at.astimezone(zone).date() for change in changes}
    moved = [change for change in changes if change.cause in (Cause.DATA, Cause.TIME)]
    rows = newest_rows([(one.account_id, days[one.pk]) for one in moved], 2)
    pairs = {key: (pair[1] if len(pair) > 1 else None, pair[0]) for key, pair in rows.items()}
    moves = Moves(pairs.values(), reader)
    saved = {change.config_id for change in changes if change.cause in (Cause.VERSION, Cause.CONFIG)}
    versions = HealthConfigVersion.objects.filter(config__in=saved).select_related("config") if saved else []
    said = {(row.config_id, row.number): row for row in versions}
    by_hand = {change.account_id for change in changes if change.cause == Cause.OVERRIDE}
    hands = list(HealthOverride.objects.filter(account__in=by_hand).select_related("author__member")) if by_hand else []
    found = []
    for change in changes:
        why, version = "", said.get((change.config_id or 0, change.version))
        if change.cause == Cause.VERSION and version:
            why = version.reason
        elif change.cause == Cause.CONFIG and version:
            why = f"now {version.config.name}"
        elif change.cause == Cause.OVERRIDE:
            why = _hand_at(change, hands)
        elif pair := pairs.get((change.account_id, days[change.pk])):
            why = moves.main(*pair)
        found.append(ChangeTold(change, why))
    return found


def _hand_at(change: BandChange, hands: Sequence[HealthOverride]) -> str:
    mine = [hand for hand in hands if hand.account_id == change.account_id and hand.created_at <= change.at]
    newest = max(mine, key=lambda hand: hand.pk, default=None)
    if newest is None or newest.band != change.after or (newest.ended_at and newest.ended_at <= change.at):
        return "left to the score again"
    return f"{newest.reason} ({newest.who})"


def reasons_of_moves(accounts: Iterable[Account], days: int, reader: Reader) -> dict[int, str]:
    """What moved the scores of accounts over so many days, by primary key; two statements, and one more where a new
    version has other percentages."""
    today = reader.moment.today
    then = today - dt.timedelta(days=days)
    ids = [account.pk for account in accounts]
    rows = newest_rows([(pk, day) for pk in ids for day in (then, today)])
    pairs: dict[int, Pair] = {}
    for pk in ids:
        before, after = (rows.get((pk, day), [None])[0] for day in (then, today))
        if after is not None:
            pairs[pk] = before, after
    moves = Moves(pairs.values(), reader)
    return {pk: moves.main(*pairs[pk]) if pk in pairs else "" for pk in ids}


class Moves:
    """Tells pairs of rows of accounts apart: the versions that they were scored by are read once for all of them."""

    def __init__(self, pairs: Iterable[Pair], reader: Reader) -> None:
        both = [(before, after) for before, after in pairs if before is not None]
        saved = versions_of({(row.config_id, row.version) for pair in both for row in pair})
        self.versions = {(row.config_id, row.number): row for row in saved}
        self.definitions = {key: lenient(row.definition, reader) for key, row in self.versions.items()}
        newer = [after for before, after in both if self.new_version(before, after)]
        used = [self.definitions[row.config_id or 0, row.version] for row in newer]
        self.wholes: Wholes = wholes_of([row.account_id for row in newer], used, reader) if newer else {}

    def new_version(self, before: HealthDay, after: HealthDay) -> bool:
        """Whether the second row was scored by another version of the same config, both of which can be read."""
        known = all((row.config_id, row.version) in self.definitions for row in (before, after))
        return known and before.config_id == after.config_id and before.version != after.version

    def main(self, before: HealthDay | None, after: HealthDay) -> str:
        """What moved the score most between two rows: "Active users 14, was 61", or "new version 3: fewer licences"."""
        new = self.definitions.get((after.config_id or 0, after.version))
        old = self.definitions.get((before.config_id or 0, before.version)) if before else None
        if before is None or old is None or new is None:
            return ""
        if before.config_id != after.config_id:
            return "scored by another config"
        was = list(before.measures)
        if self.new_version(before, after):
            was = rescored(before, after, old, new, self.wholes)
            if mostly_the_version(before.score, whole_score(new, was), after.score):
                version = self.versions[after.config_id or 0, after.version]
                return f"new version {version.number}{f': {version.reason}' if version.reason else ''}"
        values = dict(zip((measure.key for measure in old.measures), before.values, strict=False))
        return _largest(before, after, new, was, values)


def _largest(
    before: HealthDay,
    after: HealthDay,
    definition: Definition,
    was: Sequence[Decimal | None],
    values: Mapping[str, Decimal | None],
) -> str:
    """The measure that moved most of a score, by one definition; `was` has the scores before, `values` the numbers."""
    start = whole_score(definition, was)
    moves = []
    for place, (measure, weight, score, value) in enumerate(_weighed(definition, after)):
        earlier = was[place] if place < len(was) else None
        if (score, earlier) == (None, None):
            continue
        # What is missing is left out of the mean, as if it were the mean.
        moved = _or(score, after.score) - _or(earlier, start)
        moves.append((weight * moved, measure, score, value, earlier))
    if not moves:
        return ""
    fell = (after.score or 0) < (before.score or 0)
    _, measure, score, value, earlier = (min if fell else max)(moves, key=lambda move: move[0])
    if score is None:
        return f"{measure.name} is not known any more"
    now = f"{measure.name} {'' if value is not None else 'is '}{_words(measure, value, score, definition)}"
    known = earlier not in (None, score)
    return f"{now}, was {_words(measure, values.get(measure.key), earlier, definition)}" if known else now


def _or(score: Decimal | None, mean: Decimal | None) -> Decimal:
    return score if score is not None else mean if mean is not None else Decimal(0)


def _weighed(definition: Definition, row: HealthDay) -> list[tuple[Measure, Decimal, Decimal | None, Decimal | None]]:
    """Each measure with its share of the whole, its score and its number."""
    found, place = [], 0
    for dimension in definition.dimensions:
        whole = sum(measure.weight for measure in dimension.measures)
        for measure in dimension.measures:
            score = row.measures[place] if place < len(row.measures) else None
            value = row.values[place] if place < len(row.values) else None
            found.append((measure, dimension.weight * measure.weight / whole, score, value))
            place += 1
    return found


def _words(measure: Measure, value: Decimal | None, score: Decimal | None, definition: Definition) -> str:
    return number_in_words(value, measure) if value is not None else str(Band(band_of(score, definition)).label)
