"""What uses a health config, so that it is not deleted under what reads it."""

from __future__ import annotations

from accounts.fields.uses import FieldUse, uses_of_field
from health.models import HealthConfig


class ConfigInUse(Exception):
    """The config cannot go while what it alone gives is read; `uses` says by what."""

    def __init__(self, config: HealthConfig, uses: list[FieldUse]) -> None:
        self.config, self.uses = config, uses
        listed = ", ".join(f"{use.kind} “{use.name}”" for use in uses)
        super().__init__(f"The dimensions of {config.name} are used by {listed}. Remove them there first.")


def uses_of_config(config: HealthConfig) -> list[FieldUse]:
    """What reads the score of a dimension that no other config has."""
    return uses_without(config, None)


def uses_without(config: HealthConfig, definition: object) -> list[FieldUse]:
    """What reads the score of a dimension that would be nowhere if the config had this definition (or none)."""
    left = {
        key
        for other in HealthConfig.objects.exclude(pk=config.pk).values_list("definition", flat=True)
        for key in dimension_keys(other)
    }.union(dimension_keys(definition))
    found = {
        (use.kind, use.pk): use
        for key in dimension_keys(config.definition)
        if key not in left
        for field in (f"health.dimension.{key}", f"health.dimension_band.{key}")
        for use in uses_of_field(field)
        if (use.kind, use.pk) != ("health config", config.pk)
    }
    return list(found.values())


def dimension_keys(definition: object) -> list[str]:
    """The keys of the dimensions of a stored definition."""
    rows = definition.get("dimensions") if isinstance(definition, dict) else None
    return [str(row["key"]) for row in rows or [] if isinstance(row, dict) and row.get("key")]
