"""The health card of an account: every measure on its line from Poor to Good, and the score of twelve weeks."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from accounts.models import Account
from health.conflicts import other_configs_of
from health.definition import GOOD_FROM, POOR_BELOW
from health.explaining import HealthTold, explain_health
from health.history import weekly_scores
from health.models import Band
from segments.questions import Reader
from web.charts import Spark, spark


@dataclass(frozen=True)
class HealthCard:
    """What the card draws; the four numbers are where the zones of a line begin and how wide they are, in percent.
    `others` counts the configs that fit besides the one that scores."""

    told: HealthTold
    line: Spark | None
    poor: str
    between: str
    good: str
    above: str
    others: int

    @property
    def label(self) -> str:
        """The word for the band."""
        return str(Band(self.told.band).label)


def health_card(account: Account, reader: Reader) -> HealthCard:
    """The card of an account, scored or not."""
    told = explain_health(account, reader)
    bands = told.config.definition.get("bands", {}) if told.config else {}
    good, poor = Decimal(str(bands.get("good", GOOD_FROM))), Decimal(str(bands.get("poor", POOR_BELOW)))
    scores = [point.score for point in weekly_scores(account, reader.moment) if point and point.score is not None]
    line = spark([int(score) for score in scores], unit="of 100") if len(scores) > 1 else None
    others = other_configs_of(account) if told.config else 0
    return HealthCard(told, line, f"{poor:f}", f"{good - poor:f}", f"{good:f}", f"{100 - good:f}", others)
