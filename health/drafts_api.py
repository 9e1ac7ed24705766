"""A draft of a health config over the API: what it would do to the accounts of the present, with nothing written."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Account
from core.api.problems import ApiProblem, Fault
from core.api.strict import Amount, StrictSerializer, Text, Tree, Whole
from core.api.views import ApiViewSet
from core.deadline import time_limit
from health.definition import Definition, DefinitionError, read_definition
from health.editing import segment_problems
from health.effect import LIMIT_MS, Effect, effect_of
from health.models import Band, HealthConfig
from health.overlap import overlaps
from health.problems_api import computed, explained, faults_of
from segments.models import Segment
from segments.questions import Reader


class DraftSerializer(StrictSerializer):
    """A definition to be tried; with `config`, at the place of that one, else after all others. Its segment is the
    config's where none is named."""

    definition = Tree()
    config = Whole(required=False, allow_null=True)
    segment = Text(max_length=80, required=False, allow_null=True)


class FlowSerializer(StrictSerializer):
    """How many accounts go from one band to another, or stay, with a month's worth of them."""

    before = serializers.ChoiceField(Band.choices)
    after = serializers.ChoiceField(Band.choices)
    accounts = serializers.IntegerField(source="number")
    mrr = Amount()


class MoverSerializer(StrictSerializer):
    """An account whose band would change; `why` names the measure that decides, or what else does."""

    account = serializers.CharField()
    name = serializers.CharField()
    before = serializers.ChoiceField(Band.choices)
    after = serializers.ChoiceField(Band.choices)
    score_before = Amount(allow_null=True)
    score_after = Amount(allow_null=True)
    why = serializers.CharField()


class SpreadSerializer(StrictSerializer):
    """How the accounts fall on one measure: numbers by band, and its values in `bins` of `step` from `start` on. The
    limits are on the same `scale` (number, percent or score); a measure by rules has none and no bins."""

    key = serializers.CharField()
    name = serializers.CharField()
    bands = serializers.DictField(child=serializers.IntegerField())
    scale = serializers.CharField()
    start = Amount(allow_null=True)
    step = Amount(allow_null=True)
    bins = serializers.ListField(child=serializers.IntegerField())
    middle = Amount(allow_null=True)
    good = Amount(allow_null=True)
    poor = Amount(allow_null=True)
    problem = serializers.CharField()


class RemarkSerializer(StrictSerializer):
    """What a save would refuse, with its place in the body."""

    pointer = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField(source="detail")


class EffectSerializer(StrictSerializer):
    """What a draft would do: `scored` accounts it looks at, `changed` of them to another band; `leaving` counts those
    that the config scores at present and would not any more. `movers` are a few of each pair of bands."""

    scored = serializers.IntegerField()
    changed = serializers.IntegerField()
    leaving = serializers.IntegerField()
    flows = FlowSerializer(many=True)
    movers = MoverSerializer(many=True)
    measures = SpreadSerializer(many=True)
    problems = RemarkSerializer(many=True)


class DraftActions(ApiViewSet):
    """Drafts; mixed into the view of configs."""

    reading_actions: ClassVar[tuple[str, ...]] = ("effect",)

    @extend_schema(request=DraftSerializer, responses=EffectSerializer)
    @action(detail=False, methods=["post"])
    def effect(self, request: Request) -> Response:
        """What a definition would give the accounts that you may see, beside what is stored. Good and Poor rules that
        overlap are told in `problems`, because they are found among accounts."""
        made = DraftSerializer(data=request.data)
        made.is_valid(raise_exception=True)
        config = config_of(made.validated_data.get("config"))
        segment = segment_of(made.validated_data["segment"]) if "segment" in made.validated_data else None
        if "segment" not in made.validated_data and config is not None:
            segment = config.segment
        reader, seen = Reader.now(), Account.objects.visible_to(request.user)
        with explained():
            if problems := segment_problems(config, segment, reader):
                raise DefinitionError(problems)
            definition = read_definition(made.validated_data["definition"], reader)
        with computed(LIMIT_MS):
            with time_limit(LIMIT_MS):
                remarks = overlaps(definition, reader)
            found = effect_of(definition, reader, seen=seen, config=config, segment=segment)
        ids = dict(seen.filter(pk__in=[one.pk for one in found.movers]).order_by().values_list("pk", "external_id"))
        return Response(EffectSerializer(told(found, definition, ids) | {"problems": faults_of(remarks)}).data)


def told(effect: Effect, definition: Definition, ids: dict[int, str]) -> dict[str, Any]:
    """An effect with accounts by the ids that a caller knows, and each measure by its key."""
    return {
        "scored": effect.scored,
        "changed": effect.changed,
        "leaving": effect.leaving,
        "flows": effect.flows,
        "movers": [
            {
                "account": ids[one.pk], "name": one.name, "before": one.before, "after": one.after,
                "score_before": one.score_before, "score_after": one.score_after, "why": one.why,
            }
            for one in effect.movers
        ],
        "measures": [
            {
                "key": measure.key, "name": measure.name, "bands": spread.bands, "scale": spread.scale,
                "bins": list(spread.bins), "problem": effect.problems.get(measure.key, ""),
            }
            | {
                name: getattr(spread, name) if spread.scale else None
                for name in ("start", "step", "middle", "good", "poor")
            }
            for measure, spread in zip(definition.measures, effect.spreads, strict=True)
        ],
    }  # fmt: skip


def config_of(pk: int | None) -> HealthConfig | None:
    """The config of an id, None for none; 422 if there is no such one."""
    if pk is None:
        return None
    found = HealthConfig.objects.select_related("segment").filter(pk=pk).first() if 0 < pk < 2**63 else None
    if found is None:
        text = f"There is no health config {pk}."
        raise ApiProblem("unknown-config", text, 422, [Fault(text, "unknown-config", "/config")])
    return found


def segment_of(key: str | None) -> Segment | None:
    """The segment of a key, None for none; 422 if there is no such one."""
    found = Segment.objects.filter(key=key).first() if key else None
    if key and found is None:
        text = f"There is no segment “{key[:60]}”."
        raise ApiProblem("unknown-segment", text, 422, [Fault(text, "unknown-segment", "/segment")])
    return found
