"""For whom a health config can be made: everybody, a lifecycle stage, an account level (tier), any segment.

A config belongs to a segment; a stage or a level without one gets it when the config is saved.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, QuerySet

from accounts.fields import Stage
from accounts.models import Account, AccountLevel, LifecycleStage
from core.names import free_name
from health.models import HealthConfig
from segments.editing import save_segment
from segments.models import Segment
from segments.questions import Reader
from segments.stages import stages_of

EVERYBODY, STAGES, LEVELS, SEGMENTS = "Everybody", "Lifecycle stage", "Account level", "Segment"


@dataclass(frozen=True)
class Audience:
    """Accounts that a config may score; `key` names them in links. `segment` is theirs if there is one, `rule` says who
    they are if there is none; `config` is the one that they have already."""

    key: str
    group: str
    name: str
    number: int
    rule: dict[str, Any] | None = None
    segment: Segment | None = None
    config: HealthConfig | None = None


def audiences(reader: Reader, seen: QuerySet[Account]) -> list[Audience]:
    """All of them, group by group, with how many of the accounts `seen` each has."""
    everything = list(Segment.everything.in_tab_order())
    stages = stages_of(everything, reader.vocabulary)
    mine = [
        one for one in everything
        if one.subject == Segment.Subject.ACCOUNT and one.active and not one.internal
        and stages[one.key] < Stage.HEALTH
    ]  # fmt: skip
    configs = {config.segment_id: config for config in HealthConfig.objects.all()}
    by_rule = {_written(one.rule): one for one in reversed(mine)}
    found = [Audience("everybody", EVERYBODY, "Everybody", seen.count(), config=configs.get(None))]
    for group, key, name, rule, number in [*_by_stage(seen), *_by_level(seen)]:
        segment = by_rule.get(_written(rule))
        config = configs.get(segment.pk) if segment else None
        found.append(Audience(key, group, name, number, rule, segment, config))
    named = {audience.segment.pk for audience in found if audience.segment}
    for one in mine:
        if one.pk not in named:
            found.append(
                Audience(f"segment:{one.key}", SEGMENTS, one.name, one.member_count, None, one, configs.get(one.pk))
            )
    return found


def among(audience: Audience, reader: Reader, seen: QuerySet[Account]) -> QuerySet[Account]:
    """Those of the accounts that can be in an audience; for one with a segment, its members are found by that."""
    if audience.segment is None and audience.rule is not None:
        return reader.read(audience.rule).accounts(seen)
    return seen


def segment_for(audience: Audience, author: Any = None) -> Segment | None:
    """The segment that a config of this audience belongs to, made where there is none; None for everybody."""
    if audience.segment is not None or audience.rule is None:
        return audience.segment
    return save_segment(
        None,
        name=free_name(audience.name, Segment.objects.all()),
        rule=audience.rule,
        description=f"Made with the health config of {audience.name}.",
        author=author,
        reason="Made with its health config",
    )


def _by_stage(seen: QuerySet[Account]) -> list[tuple[str, str, str, dict[str, Any], int]]:
    counted = dict(seen.order_by().values_list("stage__kind").annotate(n=Count("pk")))
    kinds = LifecycleStage.Kind
    return [
        (STAGES, f"stage:{kind}", str(label), _is("account.stage_type", str(kind)), counted.get(kind, 0))
        for kind, label in kinds.choices
        if kind != kinds.CANCELLED
    ]


def _by_level(seen: QuerySet[Account]) -> list[tuple[str, str, str, dict[str, Any], int]]:
    counted = dict(seen.order_by().values_list("level").annotate(n=Count("pk")))
    return [
        (LEVELS, f"level:{one.key}", str(one.name), _is("account.level", one.key), counted.get(one.pk, 0))
        for one in AccountLevel.objects.all()
    ]


def _is(field: str, value: str) -> dict[str, Any]:
    return {"match": "all", "rules": [{"field": field, "op": "is", "value": value}]}


def _written(rule: Any) -> str:
    """The same text for the same rule, in whatever order its keys were stored."""
    return json.dumps(rule, sort_keys=True)
